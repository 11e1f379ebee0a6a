"""The bridge between tokio and Python: exits, signals, threads, forks, loops."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import raw
import vidjob
from support import Run, quick_client
from vidjob import Simulator, VideoClient

#: A client whose every call stays unanswered, and what may still be pending when the process ends.
EXITS = {
    "blocking threads": """
        def ask():
            try:
                client.get("abc")
            except vidjob.VidjobError:
                pass
        for _ in range(400):
            threading.Thread(target=ask, daemon=True).start()
        while len(accepted) < 64:
            time.sleep(0.01)
    """,
    "tasks": """
        async def main():
            tasks = [asyncio.create_task(client.get_async("abc")) for _ in range(400)]
            while len(accepted) < 64:
                await asyncio.sleep(0.01)
        asyncio.run(main())
    """,
    "loop closed early": """
        loop = asyncio.new_event_loop()
        futures = []
        async def main():
            futures.extend(client._native.get_async("abc", listener=None) for _ in range(400))
            while len(accepted) < 64:
                await asyncio.sleep(0.01)
        loop.run_until_complete(main())
        loop.close()
    """,
    "loop left open": """
        loop = asyncio.new_event_loop()
        futures = []
        async def main():
            futures.extend(client._native.get_async("abc", listener=None) for _ in range(400))
            while len(accepted) < 64:
                await asyncio.sleep(0.01)
        loop.run_until_complete(main())
        import warnings
        warnings.simplefilter("ignore")
    """,
    "answers arriving": """
        answering.set()
        async def main():
            tasks = [asyncio.create_task(client.get_async("abc")) for _ in range(400)]
            await asyncio.sleep(0.02)
        asyncio.run(main())
        for _ in range(40):
            threading.Thread(target=lambda: client.get("abc"), daemon=True).start()
    """,
}

SILENT_SERVER = """
import asyncio, socket, threading, time, warnings
import vidjob

warnings.simplefilter("ignore", ResourceWarning)  # the server's own sockets stay open to the end

accepted, answering = [], threading.Event()
listening = socket.create_server(("127.0.0.1", 0), backlog=1024)

def answer(connection):
    try:
        while connection.recv(65536):
            connection.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 19\\r\\n\\r\\n{"status":"queued"}')
    except OSError:
        pass

def accept():
    while True:
        connection, _ = listening.accept()
        accepted.append(connection)
        if answering.is_set():
            try:
                threading.Thread(target=answer, args=(connection,), daemon=True).start()
            except RuntimeError:  # Python 3.12 starts no threads while it ends
                return

threading.Thread(target=accept, daemon=True).start()
address = f"http://127.0.0.1:{listening.getsockname()[1]}"
client = vidjob.VideoClient("k", base_url=address, max_retries=0)
"""


@pytest.mark.parametrize("kind", EXITS)
def test_exit_is_silent_with_calls_pending(run_python: Run, kind: str) -> None:
    """A short run of what `VIDJOB_EXITS=200` repeats at length."""
    for _ in range(int(os.environ.get("VIDJOB_EXITS", "2"))):
        done = run_python(SILENT_SERVER + textwrap.dedent(EXITS[kind]))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are Unix's")
def test_ctrl_c_ends_a_call_that_waits_for_an_answer(run_python: Run) -> None:
    program = """
        import os, signal

        def interrupted(verb, argument):
            before = len(accepted)
            def interrupt():
                while len(accepted) == before:
                    time.sleep(0.005)
                os.kill(os.getpid(), signal.SIGINT)
            threading.Thread(target=interrupt).start()
            try:
                result = getattr(client, verb)(argument)
                if verb == "watch":
                    list(result)
            except KeyboardInterrupt as stop:
                return getattr(stop, "__notes__", [])

        for verb, argument in (("get", "abc"), ("wait", "abc"), ("generate", "x"), ("watch", "abc")):
            for _ in range(2):
                print(verb, *interrupted(verb, argument))
    """
    done = run_python(SILENT_SERVER + textwrap.dedent(program))
    verbs = [line.split()[0] for line in done.stdout.splitlines()]
    assert verbs == [verb for verb in ("get", "wait", "generate", "watch") for _ in range(2)], done.stderr
    if sys.version_info >= (3, 11):
        assert "client.wait('abc')" in done.stdout
        assert "may exist and be billed" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="signals are Unix's")
def test_a_cancellation_that_does_not_wake_the_loop_is_noticed(run_python: Run) -> None:
    """As a notebook's kernel does it: the signal's handler cancels the task, and the loop sleeps on."""
    program = """
        import os, signal
        async def main():
            task = asyncio.ensure_future(client.wait_async("abc"))
            signal.signal(signal.SIGINT, lambda *_: task.cancel())
            def interrupt():
                while not accepted:
                    time.sleep(0.005)
                os.kill(os.getpid(), signal.SIGINT)
            threading.Thread(target=interrupt).start()
            try:
                await task
            except asyncio.CancelledError:
                print("cancelled")
        asyncio.new_event_loop().run_until_complete(main())
    """
    done = run_python(SILENT_SERVER + textwrap.dedent(program), "-W", "ignore")
    assert done.stdout.split() == ["cancelled"], done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_can_use_the_client(simulator: Simulator, run_python: Run) -> None:
    program = """
        import asyncio, os, sys, warnings
        warnings.simplefilter("ignore")
        import vidjob
        client = vidjob.VideoClient("k", base_url=sys.argv[1], poll_interval=0.02)
        job = client.generate("before")
        print(client.get(job).request_id == job.request_id, flush=True)
        watch = client.watch(job)
        for _ in range(3):
            child = os.fork()
            if child == 0:
                print(client.get(job).request_id == job.request_id, flush=True)
                print(asyncio.run(client.get_async(job)).request_id == job.request_id, flush=True)
                print(vidjob.VideoClient("k", base_url=sys.argv[1]).get(job) is not None, flush=True)
                client.close()
                sys.exit(0)
            assert os.waitpid(child, 0)[1] == 0
        print(client.wait(job).status, flush=True)
    """
    done = run_python(textwrap.dedent(program), simulator.base_url)
    assert done.stdout.split() == ["True"] * 10 + ["done"], done.stderr
    assert done.stderr == ""


def test_multiprocessing_by_every_start_method(simulator: Simulator, run_python: Run) -> None:
    program = """
        import multiprocessing, sys, warnings
        warnings.simplefilter("ignore")
        import vidjob

        def ask(client):
            return client.generate("from a worker").status.value

        if __name__ == "__main__":
            client = vidjob.VideoClient("k", base_url=sys.argv[1], pickle_key=True)
            client.generate("from the parent")
            for method in ("fork", "forkserver", "spawn"):
                if method in multiprocessing.get_all_start_methods():
                    with multiprocessing.get_context(method).Pool(2) as pool:
                        print(*pool.map(ask, [client] * 4))
    """
    import pathlib
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        script = pathlib.Path(folder, "pool.py")
        script.write_text(textwrap.dedent(program))
        done = run_python(
            f"import runpy, sys; sys.argv[:] = {[str(script), simulator.base_url]!r};"
            f"runpy.run_path({str(script)!r}, run_name='__main__')"
        )
    assert set(done.stdout.split()) == {"pending"}, done.stderr


def test_calls_in_several_threads_run_in_parallel() -> None:
    """The service answers none of them before all of them have come, and it needs the interpreter for that."""
    together = threading.Barrier(4, timeout=30)

    def reply(_method: str, _path: str) -> bytes:
        together.wait()
        return raw.answer({"status": "queued"})

    with (
        raw.RawService(reply) as service,
        quick_client(service, max_retries=0) as client,
        ThreadPoolExecutor(4) as threads,
    ):
        assert [job.status for job in threads.map(client.get, ["abc"] * 4)] == ["queued"] * 4


def test_blocking_verbs_work_inside_a_running_loop(simulator: Simulator, client: VideoClient) -> None:
    async def main() -> str:
        simulator.respond("get", body='{"status": "queued"}')
        return client.get("abc").status.value

    assert asyncio.run(main()) == "queued"


def test_async_versions_are_coroutines(simulator: Simulator, client: VideoClient) -> None:
    async def main() -> None:
        for _ in range(3):
            simulator.respond("get", body='{"status": "queued"}')
        assert asyncio.iscoroutinefunction(client.get_async)
        assert (await asyncio.create_task(client.get_async("abc"))).status == "queued"
        assert (await asyncio.wait_for(client.get_async("abc"), 5)).status == "queued"
        if sys.version_info >= (3, 11):
            async with asyncio.timeout(5), asyncio.TaskGroup() as group:
                task = group.create_task(client.get_async("abc"))
            assert task.result().status == "queued"

    asyncio.run(main())


def test_a_timeout_drops_the_request(simulator: Simulator, client: VideoClient) -> None:
    async def main() -> None:
        simulator.inject("hang", on="get", seconds=30)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.get_async("abc"), 0.2)

    asyncio.run(main())


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is Unix's")
def test_under_uvloop(simulator: Simulator, client: VideoClient) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def main() -> list[Any]:
        jobs = await asyncio.gather(*(client.generate_async("x") for _ in range(50)))
        done: list[Any] = await asyncio.gather(*(client.wait_async(job, poll_interval=0.1) for job in jobs))
        return done

    loop = uvloop.new_event_loop()
    try:
        assert len(loop.run_until_complete(main())) == 50
    finally:
        loop.close()


def test_hundreds_at_once_on_many_loops(simulator: Simulator) -> None:
    for _ in range(400):
        simulator.respond("get", body='{"status": "queued"}')
    client = quick_client(simulator)

    async def main() -> int:
        return len(await asyncio.gather(*(client.get_async("abc") for _ in range(100))))

    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(asyncio.run(main()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [100] * 4


def test_async_versions_need_a_running_loop(client: VideoClient) -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        client.get_async("abc").send(None)


def test_stop_iteration_in_a_callback_does_not_block_other_calls(simulator: Simulator, client: VideoClient) -> None:
    def stops(_job: object) -> None:
        raise StopIteration

    async def main() -> None:
        for _ in range(21):
            simulator.respond("get", body='{"status": "queued"}')
        bad = asyncio.create_task(client.wait_async("abc", on_update=stops))
        good = await asyncio.wait_for(asyncio.gather(*(client.get_async("abc") for _ in range(20))), 10)
        assert len(good) == 20
        with pytest.raises(RuntimeError, match="StopIteration"):
            await asyncio.wait_for(bad, 10)

    asyncio.run(main())


def test_callbacks_see_the_callers_context_variables(simulator: Simulator, client: VideoClient) -> None:
    from contextvars import ContextVar

    name: ContextVar[str] = ContextVar("name", default="nobody")
    seen = []

    async def wait(who: str) -> None:
        name.set(who)
        await client.wait_async("abc", on_update=lambda _job: seen.append(name.get()))

    async def main() -> None:
        for _ in range(2):
            simulator.respond("get", body='{"status": "expired"}')
        with pytest.raises(vidjob.JobExpired):
            await asyncio.gather(asyncio.create_task(wait("ada")))
        with pytest.raises(vidjob.JobExpired):
            await asyncio.gather(asyncio.create_task(wait("bob")))

    asyncio.run(main())
    assert seen == ["ada", "bob"]
