//! One exchange with a server: connections, limits, retries, bodies.

pub(crate) mod body;
mod collected_text;
pub(crate) mod content_coding;
pub(crate) mod error_chain;
pub(crate) mod failure;
pub(crate) mod headers;
pub mod http;
pub(crate) mod limiter;
pub(crate) mod resolver;
pub mod retry;
pub(crate) mod tls;
pub mod upload;

#[cfg(test)]
mod body_tests;
