/* Makes calls of the system fail in a test's child process, as LD_PRELOAD.

   FAULT_PATH       which files: a part of their path
   FAULT_WRITES     "3-5": these writes to them fail with ENOSPC
   FAULT_LOCKS      flock and fcntl locks fail with ENOLCK
   FAULT_THREADS    so many threads can be created, and no more */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_int writes, threads;

static int is_concerned(int fd)
{
    const char *part = getenv("FAULT_PATH");
    char link[64], path[4096];
    if (!part)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return strstr(path, part) != 0;
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    const char *range = getenv("FAULT_WRITES");
    int first, last;
    if (range && fd > 2 && sscanf(range, "%d-%d", &first, &last) == 2 && is_concerned(fd)) {
        int number = atomic_fetch_add(&writes, 1) + 1;
        if (number >= first && number <= last) {
            errno = ENOSPC;
            return -1;
        }
    }
    return syscall(SYS_write, fd, bytes, length);
}

int flock(int fd, int operation)
{
    if (getenv("FAULT_LOCKS")) {
        errno = ENOLCK;
        return -1;
    }
    return syscall(SYS_flock, fd, operation);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    const char *most = getenv("FAULT_THREADS");
    if (most && atomic_fetch_add(&threads, 1) >= atoi(most))
        return EAGAIN;
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    return create(thread, attributes, start, argument);
}
