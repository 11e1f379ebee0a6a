//! Images and videos as input: from what a caller passes to what is sent.

use std::fmt;
use std::fs::File;
use std::io::{Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::job::{Video, VideoJob};
use crate::redact::text_for_message;

pub mod detect;
pub mod isobmff;
pub mod png;
mod serialization;
mod text;

pub use detect::Kind;
use detect::{Detected, detect_format};
pub use isobmff::VideoInfo;
pub(crate) use text::path_advice;
pub use text::{TextKind, is_address};
use text::{begins, data_uri, is_request_id};

/// The request field of a video; all others take images.
const VIDEO: &str = "video";

/// An image or a video as passed by the caller.
#[derive(Clone, PartialEq, Eq)]
pub enum Media {
    /// Fetched by the service.
    Url(String),
    /// A file stored by the service.
    FileId(String),
    /// Bytes in memory.
    Data(Bytes),
    /// Read while it is sent.
    File(PathBuf),
    /// Stands for its video.
    Job(Box<VideoJob>),
    /// The ID of a job, which is polled for its video.
    JobId(String),
    /// A video of an earlier job.
    Video(Video),
    /// A job that was saved: its file stands for it when its link is gone.
    Saved(Box<VideoJob>, PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Image,
    Video,
}

impl Role {
    const fn takes(self) -> &'static str {
        match self {
            Self::Image => "a JPEG, PNG or WebP image",
            Self::Video => "an MP4 video",
        }
    }

    fn allows(self, kind: Kind) -> bool {
        kind.is_image() == (self == Self::Image)
    }
}

/// Media in the form in which they are sent.
#[derive(Debug, Clone, PartialEq)]
pub enum PreparedMedia {
    Url(String),
    /// A file stored by the service.
    FileId(String),
    /// Sent as a data URI.
    Inline(Inline),
}

/// Content of a known format, in memory or on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Inline {
    /// The request field, for messages.
    pub field: &'static str,
    pub kind: Kind,
    pub length: u64,
    pub source: Source,
    pub video: Option<VideoInfo>,
}

#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    Memory(Bytes),
    File(PathBuf),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(bytes) => write!(f, "Memory({} bytes)", bytes.len()),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.debug_tuple("Url").field(&text_for_message(url)).finish(),
            Self::FileId(id) => f.debug_tuple("FileId").field(id).finish(),
            Self::Data(bytes) => write!(f, "Data({} bytes)", bytes.len()),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Job(job) => f.debug_tuple("Job").field(&job.request_id).finish(),
            Self::JobId(id) => f.debug_tuple("JobId").field(id).finish(),
            Self::Video(_) => f.write_str("Video(..)"),
            Self::Saved(job, path) => f.debug_tuple("Saved").field(&job.request_id).field(path).finish(),
        }
    }
}

impl Media {
    /// Parses an http(s) URL, a data URI or, for a video, a request ID. A text is never a path.
    pub fn of_text(field: &'static str, text: &str) -> Result<Self> {
        if begins(text, "data:") {
            return data_uri(text).map(Self::Data).map_err(|why| Error::invalid(field, format!("{field}: {why}")));
        }
        if is_address(text) {
            return Ok(Self::Url(text.to_owned()));
        }
        if TextKind::of(text) == TextKind::Path {
            return Err(Error::invalid(field, path_advice(field, text)));
        }
        if field == VIDEO && is_request_id(text) {
            return Ok(Self::JobId(text.to_owned()));
        }
        let what =
            if field == VIDEO { "an http(s) URL, a data URI or a request_id" } else { "an http(s) URL or a data URI" };
        let shown = text_for_message(text);
        let message =
            format!("{field} must be {what} if it is a string, not {shown:?}; pass pathlib.Path(...) for a local file");
        Err(Error::invalid(field, message))
    }
}

/// Detects the format of bytes, and rejects what the service does not accept.
pub fn look_at_bytes(field: &'static str, role: Role, bytes: &Bytes) -> Result<Inline> {
    let inspected = inspect(field, "the bytes are", role, &mut Cursor::new(bytes));
    let (kind, video) = inspected.map_err(|error| error.into_error(field, "the bytes"))?;
    Ok(Inline { field, kind, length: bytes.len() as u64, source: Source::Memory(bytes.clone()), video })
}

/// Detects the format of a file, and rejects what the service does not accept.
pub fn look_at_file(field: &'static str, role: Role, path: &Path) -> Result<Inline> {
    let unreadable =
        |error: std::io::Error| ReadError::Unreadable(error).into_error(field, &path.display().to_string());
    // Opening a pipe would block until somebody writes to it.
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() {
        let what = if about.is_dir() { "a directory" } else { "not a regular file" };
        return Err(Error::invalid(field, format!("{field}: {} is {what}", path.display())));
    }
    let mut file = File::open(path).map_err(unreadable)?;
    let inspected = inspect(field, &format!("{} is", path.display()), role, &mut file);
    let (kind, video) = inspected.map_err(|error| error.into_error(field, &path.display().to_string()))?;
    Ok(Inline { field, kind, length: about.len(), source: Source::File(path.to_owned()), video })
}

enum ReadError {
    Refused(Error),
    Unreadable(std::io::Error),
}

impl From<std::io::Error> for ReadError {
    fn from(error: std::io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl ReadError {
    fn into_error(self, field: &'static str, what: &str) -> Error {
        match self {
            Self::Refused(error) => error,
            Self::Unreadable(error) => Error::invalid(field, format!("{field}: {what} cannot be read: {error}")),
        }
    }
}

fn inspect<R: Read + Seek>(
    field: &'static str,
    subject: &str,
    role: Role,
    source: &mut R,
) -> std::result::Result<(Kind, Option<VideoInfo>), ReadError> {
    let refuse = |what: &str| {
        Err(ReadError::Refused(Error::invalid(field, format!("{field}: {subject} {what}; expected {}", role.takes()))))
    };
    let kind = match detect_format(source)? {
        Detected::Whole(kind) if role.allows(kind) => kind,
        Detected::Whole(kind) => return refuse(kind.name()),
        Detected::Truncated(kind) => {
            let message = format!("{field}: {subject} {} that is truncated; pass the complete file", kind.name());
            return Err(ReadError::Refused(Error::invalid(field, message)));
        }
        Detected::Foreign(what) => return refuse(&what),
    };
    let video = if kind == Kind::Mp4 { isobmff::video_info(source)? } else { None };
    Ok((kind, video))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4b2cd27e-0b0d-3dec-c31c-7572daf74bb3";

    #[test]
    fn an_image_is_a_url_or_a_data_uri() {
        let address = "https://a.example/i.png?sig=secret";
        assert_eq!(Media::of_text("image", address).unwrap(), Media::Url(address.into()));
        assert!(!format!("{:?}", Media::of_text("image", address).unwrap()).contains("secret"));
        let data = Media::of_text("image", "DATA:image/png;charset=utf-8;BASE64,aGVsbG8=").unwrap();
        assert_eq!(data, Media::Data(Bytes::from_static(b"hello")));
        for text in
            ["", "file:///etc/passwd", "ftp://a.example/x", " https://a.example/x", "https:a.example", "https://", ID]
        {
            let Err(Error::InvalidRequest { field, message }) = Media::of_text("image", text) else { panic!("{text}") };
            assert_eq!(field, "image");
            assert!(message.contains("pathlib.Path"), "{message}");
        }
        for text in ["data:image/png;base64,aGVs\nbG8=", "data:;base64,aGVsbG8", "data:image/png; base64,aGVsbG8="] {
            assert_eq!(Media::of_text("image", text).unwrap(), Media::Data(Bytes::from_static(b"hello")), "{text}");
        }
        for text in ["data:image/png,abc", "data:image/png;base64", "data:image/png;base64,§"] {
            assert!(Media::of_text("image", text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_is_refused_with_advice() {
        for text in
            ["cat.png", "base.MP4", "/etc/passwd", "~/clip", "./clip", "clips/one", "C:\\cat.png", "my clip.mov"]
        {
            for field in ["image", "video"] {
                let refused = Media::of_text(field, text).unwrap_err().to_string();
                assert!(refused.contains("a local path must be a Path: pass Path('"), "{refused}");
            }
        }
        let refused = Media::of_text("image", "it's.png").unwrap_err().to_string();
        assert!(refused.contains(r"Path('it\'s.png')"), "{refused}");
    }

    #[test]
    fn a_video_is_also_a_request_id() {
        for text in [ID, "task_x", "12345", "a.b~c", "dGFzaw==", "projects:p1:job+1@eu!", "é猫", "snow"] {
            assert_eq!(Media::of_text("video", text).unwrap(), Media::JobId(text.into()));
        }
        for text in ["", " ", "make it snow", "a\n", "%2e%2e", "..", "s3://a/b", "https://", " https://a.example/v"] {
            let refused = Media::of_text("video", text).unwrap_err().to_string();
            assert!(refused.contains("a request_id"), "{refused}");
        }
    }

    #[test]
    fn images_and_videos_are_not_interchangeable() {
        let video = Bytes::from(isobmff::tests::video(5.0, *b"avc1"));
        let inline = look_at_bytes("video", Role::Video, &video).unwrap();
        assert_eq!((inline.kind, inline.video.map(|video| video.seconds)), (Kind::Mp4, Some(5.0)));
        let refused = look_at_bytes("image", Role::Image, &video).unwrap_err().to_string();
        assert_eq!(refused, "image: the bytes are an MP4 video; expected a JPEG, PNG or WebP image");
        let refused = look_at_bytes("video", Role::Video, &Bytes::from_static(b"%PDF-1.7")).unwrap_err().to_string();
        assert!(
            refused.contains("Portable Document Format") && refused.ends_with("expected an MP4 video"),
            "{refused}"
        );
    }

    #[test]
    fn files_are_detected_from_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no name tells.txt");
        std::fs::write(&path, isobmff::tests::video(3.0, *b"hvc1")).unwrap();
        let inline = look_at_file("video", Role::Video, &path).unwrap();
        assert_eq!((inline.kind, inline.length), (Kind::Mp4, std::fs::metadata(&path).unwrap().len()));
        for (path, message) in
            [(folder.path().to_owned(), "is a directory"), (folder.path().join("none"), "cannot be read")]
        {
            let refused = look_at_file("video", Role::Video, &path).unwrap_err().to_string();
            assert!(refused.contains(message), "{refused}");
        }
    }
}
