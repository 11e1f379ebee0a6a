//! A request for a video. No I/O.

mod fields;
pub(crate) mod fingerprint;
mod limits;
mod parts;
mod sent;

#[cfg(any(feature = "python", test))]
pub(crate) use fields::FIELDS;
pub use fields::VideoRequest;
#[cfg(feature = "python")]
pub(crate) use fields::request_fields;
pub use parts::{Audio, Keyframe, Operation, PrepareMedia, StorageOptions};
