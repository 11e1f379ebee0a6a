//! Saves video files: fetched safely, resumed when broken off, whole or absent.

mod attempts;
mod client;
mod deadline;
mod disk_error;
mod files;
mod headers;
mod http_error;
mod link_status;
mod mp4_check;
mod options;
mod target;
#[cfg(test)]
mod tests;
mod throughput;
mod transfer;
mod url_policy;
mod writer;

pub use files::Files;
pub use link_status::LinkStatus;
pub use options::{DownloadRequest, Options};
pub use target::check_target;
