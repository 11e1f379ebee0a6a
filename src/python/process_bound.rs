//! Values that belong to the process that created them.

/// A value that a forked child must not touch: the child has a copy of its memory, but not its threads. Dropping the
/// copy could delete the parent's files, or wait forever for a lock.
pub(super) struct ProcessBound<T> {
    process: u32,
    value: Option<T>,
}

impl<T> ProcessBound<T> {
    pub(super) fn new(value: T) -> Self {
        Self { process: std::process::id(), value: Some(value) }
    }

    /// `None` in a forked child.
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
