//! Responses without a file, and what they say about their link.

use std::time::Duration;

use http::StatusCode;

use crate::error::{DownloadErrorKind, Error};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HttpError {
    /// Without secrets.
    pub(super) url: String,
    pub(super) status: StatusCode,
    pub(super) reason: Reason,
    pub(super) retry_after: Option<Duration>,
}

/// Why there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Expired,
    /// Not found or not allowed: an expired link, or a file that is not there yet.
    Missing,
    /// The server says, or shows with an empty response, that the file is not there yet.
    NotYet,
    /// HTTP 400: most likely an expired link.
    Malformed,
    Refused,
}

impl Reason {
    /// `text` is the beginning of the body.
    pub(super) fn of(status: StatusCode, text: &str) -> Self {
        match status {
            StatusCode::GONE | StatusCode::UNAUTHORIZED => Self::Expired,
            _ if status.is_client_error() && names_expiry(text) => Self::Expired,
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Self::Missing,
            StatusCode::BAD_REQUEST => Self::Malformed,
            _ => Self::Refused,
        }
    }

    /// Whether the file may still appear.
    pub(super) fn may_pass(self) -> bool {
        matches!(self, Self::Missing | Self::NotYet)
    }
}

impl HttpError {
    pub(super) fn message(&self) -> String {
        format!("{} answered HTTP {}, which has no file", self.url, self.status.as_u16())
    }

    pub(super) fn into_error(self) -> Error {
        let Self { url, status, reason, .. } = self;
        let status = status.as_u16();
        let (kind, message) = match reason {
            Reason::Expired | Reason::Missing => (
                DownloadErrorKind::VideoUrlExpired,
                format!(
                    "the link {url} has expired (HTTP {status}), and the service has no other; links last about a day"
                ),
            ),
            Reason::NotYet => (
                DownloadErrorKind::IncompleteDownload,
                format!("{url} answered HTTP {status}: the file is not available yet; download it again later"),
            ),
            Reason::Malformed | Reason::Refused => {
                (DownloadErrorKind::Other, format!("{url} refused the download: HTTP {status}"))
            }
        };
        Error::download(kind, message)
    }
}

/// Whether the error of S3, Google or Azure names an expired link. HTML pages do not count: their text may mention
/// expiry for other reasons.
fn names_expiry(text: &str) -> bool {
    const AZURE: &str = "not valid in the specified time frame";
    let text = text.to_ascii_lowercase();
    let is_page = ["<html", "<!doctype html"].iter().any(|tag| text.contains(tag));
    !is_page && (text.contains("expired") || text.contains(AZURE) || text.contains("signed expiry time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(status: u16, text: &str) -> Reason {
        Reason::of(StatusCode::from_u16(status).unwrap(), text)
    }

    #[test]
    fn an_expired_link_is_recognised_by_status_or_body() {
        for (status, text) in [
            (410, ""),
            (401, ""),
            (400, "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"),
            (403, "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"),
            (
                400,
                "<Error><Code>ExpiredToken</Code><Details>Request signature expired at: 2026-11-26</Details></Error>",
            ),
            (
                403,
                "\u{feff}<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code><AuthenticationErrorDetail>Signature \
                 not valid in the specified time frame: Start [..] - Expiry [..]</AuthenticationErrorDetail></Error>",
            ),
            (
                403,
                "<Error><Code>AuthenticationFailed</Code>Signed expiry time [Wed] must be after signed start time</Error>",
            ),
            (404, "{\"error\": \"link expired\"}"),
            (400, "{\"code\":\"expired_auth_token\"}"),
        ] {
            assert_eq!(reason(status, text), Reason::Expired, "{status} {text}");
        }
    }

    #[test]
    fn a_missing_file_may_still_appear() {
        for (status, text) in [
            (403, ""),
            (404, "no such file"),
            (403, "<Error><Code>AccessDenied</Code></Error>"),
            (404, "<!DOCTYPE html><p>Nothing here. Has your session expired?"),
        ] {
            assert_eq!(reason(status, text), Reason::Missing, "{status} {text}");
            assert!(Reason::Missing.may_pass());
        }
        for reason in [Reason::Expired, Reason::Malformed, Reason::Refused] {
            assert!(!reason.may_pass(), "{reason:?}");
        }
    }

    #[test]
    fn other_client_errors_are_refusals() {
        assert_eq!(reason(400, ""), Reason::Malformed);
        for status in [304, 402, 405, 406, 409, 418, 422, 451] {
            assert_eq!(reason(status, ""), Reason::Refused, "{status}");
        }
    }
}
