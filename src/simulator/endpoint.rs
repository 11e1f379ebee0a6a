//! The kinds of requests that faults and scripted responses apply to.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    Create,
    Get,
    Download,
}
