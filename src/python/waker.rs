//! What wakes an event loop without entering the interpreter: a pair of sockets, one end watched by the loop.
//!
//! A worker that calls `call_soon_threadsafe` needs a thread state and the interpreter's lock each time, which costs
//! more than the answer that it announces.

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

    /// Rings in one loop, as long as it lives.
    pub(in super::super) struct LoopWaker {
        tx: UnixStream,
        rx: UnixStream,
    }

    impl LoopWaker {
        /// A bell that makes `event_loop` call `called`; `None` where the loop watches no sockets.
        pub(in super::super) fn register(
            event_loop: &Bound<'_, PyAny>,
            called: &Bound<'_, PyAny>,
        ) -> PyResult<Option<Self>> {
            let (tx, rx) = UnixStream::pair()?;
            tx.set_nonblocking(true)?;
            rx.set_nonblocking(true)?;
            let py = event_loop.py();
            let watch = event_loop.getattr(intern!(py, "add_reader"))?;
            // The loop keeps the context that this happens in, which had better not be some caller's.
            let context = py.import(intern!(py, "contextvars"))?.call_method0(intern!(py, "Context"))?;
            let watched = context.call_method1(intern!(py, "run"), (watch, rx.as_raw_fd(), called));
            Ok(watched.is_ok().then_some(Self { tx, rx }))
        }

        /// Wakes the loop.
        pub(in super::super) fn wake(&self) {
            // Where there is no room, it rings already.
            let _ = (&self.tx).write(&[1]);
        }

        /// On the loop's thread: it has been heard.
        pub(in super::super) fn drain(&self) {
            let _ = (&self.rx).read(&mut [0; 64]);
        }
    }
}

#[cfg(not(unix))]
mod nowhere {
    use pyo3::prelude::*;

    /// There is none.
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
