//! Links to files, and their lifetimes.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::check::{Storage, Visibility};

#[derive(Debug)]
pub(super) struct Link {
    pub(super) signature: u64,
    /// In seconds since the start.
    pub(super) issued: f64,
}

/// A job's file that is stored beyond the lifetime of the temporary link.
#[derive(Debug)]
pub(super) struct Stored {
    /// The `file_output` of the response.
    pub(super) output: Value,
    /// In seconds since the start.
    until: f64,
    public: Option<u64>,
    public_until: f64,
}

/// A time in seconds since the start, and in Unix seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) at: f64,
    pub(super) unix: u64,
}

impl Stored {
    /// `end` is the end of the job; `signature` is for the public URL.
    pub(super) fn new(storage: &Storage, request_id: &str, end: Moment, address: SocketAddr, signature: u64) -> Self {
        let mut output = json!({ "file_id": format!("file_{request_id}"), "filename": storage.filename });
        let mut until = |field: &str, seconds: Option<u32>| {
            let Some(seconds) = seconds else { return f64::INFINITY };
            output[field] = (end.unix + u64::from(seconds)).into();
            end.at + f64::from(seconds)
        };
        let stored_until = until("expires_at", storage.expires_after);
        // The public URL expires with the file.
        let public_until = match storage.visibility {
            Visibility::For(seconds) => stored_until.min(until("public_url_expires_at", Some(seconds))),
            Visibility::Private | Visibility::WithFile => stored_until,
        };
        let public = (storage.visibility != Visibility::Private).then_some(signature);
        if let Some(signature) = public {
            output["public_url"] = url(address, request_id, signature).into();
        }
        Self { output, until: stored_until, public, public_until }
    }

    pub(super) fn exists(&self, now: f64) -> bool {
        now < self.until
    }

    /// Whether this is the signature of the public URL, and valid.
    pub(super) fn is_public(&self, signature: &str, now: f64) -> bool {
        now < self.public_until && self.public.is_some_and(|public| hex(public) == signature)
    }
}

/// The job ID in a stored file's ID.
pub(super) fn job_of_file(file_id: &str) -> Option<&str> {
    file_id.strip_prefix("file_")
}

pub(super) fn url(address: SocketAddr, request_id: &str, signature: u64) -> String {
    format!("http://{address}/vidgen/xai-video-{request_id}.mp4?sig={}", hex(signature))
}

/// The job ID and the signature in a URL of the simulator.
pub(super) fn parse(address: SocketAddr, url: &str) -> Option<(&str, &str)> {
    let name = url.strip_prefix("http://")?.strip_prefix(&address.to_string())?.strip_prefix("/vidgen/")?;
    let (name, query) = name.split_once('?').unwrap_or((name, ""));
    Some((job_of_name(name), signature(query)))
}

/// The job ID in a file name.
pub(super) fn job_of_name(name: &str) -> &str {
    name.strip_prefix("xai-video-").unwrap_or(name).strip_suffix(".mp4").unwrap_or(name)
}

pub(super) fn signature(query: &str) -> &str {
    query.strip_prefix("sig=").unwrap_or_default()
}

/// Status, content type and body of the response to an invalid link.
pub(super) fn refusal(status: u16) -> (u16, &'static str, &'static str) {
    match status {
        400 => (
            status,
            "application/xml",
            "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>",
        ),
        401 => (status, "application/json", "{\"detail\": \"Not authenticated\"}"),
        403 => (status, "application/xml", "<Error><Code>AccessDenied</Code></Error>"),
        404 => (status, "application/xml", "<Error><Code>NoSuchKey</Code></Error>"),
        _ => (status, "text/plain", "this link has expired"),
    }
}

/// Status, content type and body of the response to a valid link whose file is not there yet.
pub(super) fn not_yet(status: u16) -> (u16, &'static str, &'static str) {
    match status {
        200..=299 => (status, "", ""),
        _ => refusal(status),
    }
}

pub(super) fn hex(signature: u64) -> String {
    format!("{signature:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8);
    const END: Moment = Moment { at: 10.0, unix: 1_800_000_000 };

    fn stored(expires_after: Option<u32>, public: Visibility) -> Stored {
        Stored::new(&Storage { filename: "a.mp4".into(), expires_after, visibility: public }, "j", END, ADDRESS, 0xAB)
    }

    #[test]
    fn the_output_has_only_the_requested_fields() {
        let public = "http://127.0.0.1:8/vidgen/xai-video-j.mp4?sig=00000000000000ab";
        let cases = [
            (None, Visibility::Private, json!({"file_id": "file_j", "filename": "a.mp4"})),
            (
                Some(3600),
                Visibility::Private,
                json!({"file_id": "file_j", "filename": "a.mp4", "expires_at": 1_800_003_600}),
            ),
            (None, Visibility::WithFile, json!({"file_id": "file_j", "filename": "a.mp4", "public_url": public})),
            (
                Some(7200),
                Visibility::For(3600),
                json!({
                    "file_id": "file_j", "filename": "a.mp4", "expires_at": 1_800_007_200,
                    "public_url": public, "public_url_expires_at": 1_800_003_600,
                }),
            ),
        ];
        for (expires_after, public, expected) in cases {
            assert_eq!(stored(expires_after, public).output, expected);
        }
    }

    #[test]
    fn files_and_public_urls_expire() {
        let signature = hex(0xAB);
        let file = stored(Some(3600), Visibility::WithFile);
        assert!(file.exists(3609.0) && file.is_public(&signature, 3609.0));
        assert!(!file.exists(3610.0) && !file.is_public(&signature, 3610.0));
        let shared = stored(None, Visibility::For(3600));
        assert!(shared.exists(1e9) && shared.is_public(&signature, 3609.0));
        assert!(!shared.is_public(&signature, 3610.0) && !shared.is_public("ab", 0.0));
        assert!(!stored(None, Visibility::Private).is_public(&signature, 0.0));
    }

    #[test]
    fn urls_are_parsed_back() {
        let cases = [
            (url(ADDRESS, "j", 1), Some(("j", "0000000000000001"))),
            ("http://127.0.0.1:8/vidgen/xai-video-j.mp4".into(), Some(("j", ""))),
            ("http://127.0.0.1:80/vidgen/xai-video-j.mp4?sig=1".into(), None),
            ("http://127.0.0.1:8/v1/videos/j".into(), None),
            ("https://a.example/vidgen/xai-video-j.mp4?sig=1".into(), None),
        ];
        for (address, expected) in cases {
            assert_eq!(parse(ADDRESS, &address), expected, "{address}");
        }
    }
}
