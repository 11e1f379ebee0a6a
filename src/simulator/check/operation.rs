//! The operations of the service.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Generation,
    Edit,
    Extension,
}

impl Operation {
    /// `name` is the last segment of the path.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "generations" => Some(Self::Generation),
            "edits" => Some(Self::Edit),
            "extensions" => Some(Self::Extension),
            _ => None,
        }
    }
}
