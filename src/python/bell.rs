//! What wakes an event loop without entering the interpreter: a pair of sockets, one end watched by the loop.
//!
//! A worker that calls `call_soon_threadsafe` needs a thread state and the interpreter's lock each time, which costs
//! more than the answer that it announces.

#[cfg(unix)]
pub(super) use unix::Bell;

#[cfg(not(unix))]
pub(super) use nowhere::Bell;

#[cfg(unix)]
mod unix {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use pyo3::intern;
    use pyo3::prelude::*;

    /// Rings in one loop, as long as it lives.
    pub(in super::super) struct Bell {
        cord: UnixStream,
        clapper: UnixStream,
    }

    impl Bell {
        /// A bell that makes `event_loop` call `called`; `None` where the loop watches no sockets.
        pub(in super::super) fn hang(
            event_loop: &Bound<'_, PyAny>,
            called: &Bound<'_, PyAny>,
        ) -> PyResult<Option<Self>> {
            let (cord, clapper) = UnixStream::pair()?;
            cord.set_nonblocking(true)?;
            clapper.set_nonblocking(true)?;
            let py = event_loop.py();
            let watch = event_loop.getattr(intern!(py, "add_reader"))?;
            // The loop keeps the context that this happens in, which had better not be some caller's.
            let context = py.import(intern!(py, "contextvars"))?.call_method0(intern!(py, "Context"))?;
            let watched = context.call_method1(intern!(py, "run"), (watch, clapper.as_raw_fd(), called));
            Ok(watched.is_ok().then_some(Self { cord, clapper }))
        }

        /// Wakes the loop.
        pub(in super::super) fn ring(&self) {
            // Where there is no room, it rings already.
            let _ = (&self.cord).write(&[1]);
        }

        /// On the loop's thread: it has been heard.
        pub(in super::super) fn hush(&self) {
            let _ = (&self.clapper).read(&mut [0; 64]);
        }
    }
}

#[cfg(not(unix))]
mod nowhere {
    use pyo3::prelude::*;

    /// There is none.
    pub(in super::super) enum Bell {}

    impl Bell {
        #[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
        pub(in super::super) fn hang(
            _event_loop: &Bound<'_, PyAny>,
            _called: &Bound<'_, PyAny>,
        ) -> PyResult<Option<Self>> {
            Ok(None)
        }

        pub(in super::super) fn ring(&self) {
            match *self {}
        }

        pub(in super::super) fn hush(&self) {
            match *self {}
        }
    }
}
