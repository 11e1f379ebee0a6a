//! Finds items of a journal that another service has.

use std::collections::{BTreeMap, BTreeSet};

use crate::journal::{AttemptState, Entry, Journal};

/// The number of items by the base URL of the service that has them, without `service`. `ids` selects items.
#[must_use]
pub fn elsewhere(journal: &Journal, service: &str, ids: Option<&BTreeSet<String>>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (id, entry) in journal.entries() {
        if ids.is_none_or(|ids| ids.contains(&id))
            && let Some(other) = other_service(&entry, service)
        {
            *counts.entry(other.to_owned()).or_default() += 1;
        }
    }
    counts
}

/// The service that has the item, if it is not `service`. Journals of early versions do not name it.
pub(super) fn other_service<'a>(entry: &'a Entry, service: &str) -> Option<&'a str> {
    let current = entry.current().filter(|current| !matches!(current.state, AttemptState::Refused { .. }))?;
    Some(current.order.service.as_str()).filter(|other| !other.is_empty() && *other != service)
}
