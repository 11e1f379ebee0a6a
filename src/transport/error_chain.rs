//! The causes of a reqwest error, which itself names only the stage and the URL.

use std::error::Error as _;

/// The causes, outermost first, in one line.
pub(crate) fn describe(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    texts.dedup();
    if texts.is_empty() { "no reason given".into() } else { texts.join(": ") }
}

/// The causes, outermost first.
pub(crate) fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |&error| error.source())
}

pub(super) fn names_certificate(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| {
        let refused = innermost(cause).downcast_ref::<rustls::Error>();
        matches!(refused, Some(rustls::Error::InvalidCertificate(_)))
    })
}

/// Unwraps I/O errors, whose `source` skips the error that they wrap.
fn innermost<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    while let Some(inner) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        error = inner;
    }
    error
}
