//! Wakes an event loop without entering the interpreter: a pair of sockets, one of which the loop watches.
//!
//! A worker that calls `call_soon_threadsafe` needs a thread state and the interpreter's lock each time, which costs
//! more than the result that it announces.

#[cfg(unix)]
pub(super) use unix::LoopWaker;

#[cfg(not(unix))]
pub(super) use nowhere::LoopWaker;

#[cfg(unix)]
mod unix {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use pyo3::intern;
    use pyo3::prelude::*;

    pub(in super::super) struct LoopWaker {
        tx: UnixStream,
        rx: UnixStream,
    }

    impl LoopWaker {
        /// Makes `event_loop` call `called` at each wake-up; `None` if the loop cannot watch sockets.
        pub(in super::super) fn register(
            event_loop: &Bound<'_, PyAny>,
            called: &Bound<'_, PyAny>,
        ) -> PyResult<Option<Self>> {
            let (tx, rx) = UnixStream::pair()?;
            tx.set_nonblocking(true)?;
            rx.set_nonblocking(true)?;
            let py = event_loop.py();
            let watch = event_loop.getattr(intern!(py, "add_reader"))?;
            // The loop keeps the current context, so it must not be a caller's.
            let context = py.import(intern!(py, "contextvars"))?.call_method0(intern!(py, "Context"))?;
            let watched = context.call_method1(intern!(py, "run"), (watch, rx.as_raw_fd(), called));
            Ok(watched.is_ok().then_some(Self { tx, rx }))
        }

        pub(in super::super) fn wake(&self) {
            // A full buffer means that a wake-up is already pending.
            let _ = (&self.tx).write(&[1]);
        }

        /// Clears pending wake-ups, on the loop's thread.
        pub(in super::super) fn drain(&self) {
            let _ = (&self.rx).read(&mut [0; 64]);
        }
    }
}

#[cfg(not(unix))]
mod nowhere {
    use pyo3::prelude::*;

    /// Never constructed.
    pub(in super::super) enum LoopWaker {}

    impl LoopWaker {
        #[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
        pub(in super::super) fn register(
            _event_loop: &Bound<'_, PyAny>,
            _called: &Bound<'_, PyAny>,
        ) -> PyResult<Option<Self>> {
            Ok(None)
        }

        pub(in super::super) fn wake(&self) {
            match *self {}
        }

        pub(in super::super) fn drain(&self) {
            match *self {}
        }
    }
}
