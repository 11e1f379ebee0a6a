//! Values that belong to the process that made them.

/// A value that a forked child does not touch: it has a copy of its memory, and none of the threads that serve it. To
/// drop the copy could remove the parent's files, or wait for a lock that nobody will release.
pub(super) struct ProcessBound<T> {
    process: u32,
    value: Option<T>,
}

impl<T> ProcessBound<T> {
    pub(super) fn new(value: T) -> Self {
        Self { process: std::process::id(), value: Some(value) }
    }

    /// The value, in the process that made it.
    pub(super) fn get(&self) -> Option<&T> {
        if self.process == std::process::id() { self.value.as_ref() } else { None }
    }
}

impl<T> Drop for ProcessBound<T> {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget(self.value.take());
        }
    }
}
