//! Other ids of jobs. Some gateways name a job by several, and answer queries for one of them alone.

use std::collections::{HashMap, VecDeque};

/// For how many jobs other ids are kept.
const MOST: usize = 10_000;

/// The ids of jobs that have two.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    names: HashMap<String, Names>,
    /// The oldest first.
    order: VecDeque<String>,
}

/// The ids of one job, by the one that its user knows.
#[derive(Debug)]
struct Names {
    other: String,
    /// Whether queries by the other id have worked.
    prefers_other: bool,
}

impl Aliases {
    /// The id to ask by, and the one to try when the service does not know it.
    pub(super) fn of(&self, request_id: &str) -> (String, Option<String>) {
        match self.names.get(request_id) {
            None => (request_id.to_owned(), None),
            Some(Names { other, prefers_other: false }) => (request_id.to_owned(), Some(other.clone())),
            Some(Names { other, prefers_other: true }) => (other.clone(), Some(request_id.to_owned())),
        }
    }

    /// Keeps the other id of a job.
    pub(super) fn remember(&mut self, request_id: &str, other: String) {
        if self.names.contains_key(request_id) {
            return;
        }
        if self.order.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
        self.order.push_back(request_id.to_owned());
        self.names.insert(request_id.to_owned(), Names { other, prefers_other: false });
    }

    /// Asks by `name`, one of the two, from now on.
    pub(super) fn prefer(&mut self, request_id: &str, name: &str) {
        if let Some(names) = self.names.get_mut(request_id) {
            names.prefers_other = name == names.other;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(aliases: &Aliases, request_id: &str) -> (String, String) {
        let (name, other) = aliases.of(request_id);
        (name, other.unwrap_or_default())
    }

    #[test]
    fn the_id_that_works_is_asked_by() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let mut aliases = Aliases::default();
        assert_eq!(of(&aliases, "a"), pair("a", ""));
        aliases.remember("a", "b".into());
        assert_eq!(of(&aliases, "a"), pair("a", "b"));
        aliases.prefer("a", "b");
        aliases.remember("a", "c".into());
        assert_eq!(of(&aliases, "a"), pair("b", "a"));
        aliases.prefer("a", "a");
        assert_eq!(of(&aliases, "a"), pair("a", "b"));
    }

    #[test]
    fn only_so_many_are_kept() {
        let mut aliases = Aliases::default();
        for number in 0..=MOST {
            aliases.remember(&number.to_string(), "x".into());
        }
        assert_eq!(aliases.names.len(), MOST);
        assert_eq!(of(&aliases, "0").1, "");
        assert_eq!(of(&aliases, &MOST.to_string()).1, "x");
    }
}
