//! JSON in and out. No I/O, no clock.

pub mod create_body;
pub mod error_body;
mod error_fields;
mod ids;
mod job_payload;
mod links;
pub mod response;
mod scalars;

#[cfg(test)]
mod created_tests;
#[cfg(test)]
mod error_body_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod response_tests;
