//! Other ids of jobs. Some gateways name a job by several, and answer queries for one of them alone.

use std::collections::{HashMap, VecDeque};

/// For how many jobs other ids are kept.
const MOST: usize = 10_000;

/// The ids of jobs that have several.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    /// All ids of a job, by the one that its user knows; the one that queries are made by comes first.
    names: HashMap<String, Vec<String>>,
    /// The oldest first.
    order: VecDeque<String>,
}

impl Aliases {
    /// The id to ask by, and those to try when the service does not know it.
    pub(super) fn of(&self, request_id: &str) -> (String, Vec<String>) {
        match self.names.get(request_id).map(Vec::as_slice) {
            Some([first, others @ ..]) => (first.clone(), others.to_vec()),
            _ => (request_id.to_owned(), Vec::new()),
        }
    }

    /// Keeps the other ids of a job.
    pub(super) fn remember(&mut self, request_id: &str, others: Vec<String>) {
        if others.is_empty() || self.names.contains_key(request_id) {
            return;
        }
        if self.order.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
        self.order.push_back(request_id.to_owned());
        let names = std::iter::once(request_id.to_owned()).chain(others).collect();
        self.names.insert(request_id.to_owned(), names);
    }

    /// Asks by `name`, one of them, from now on.
    pub(super) fn prefer(&mut self, request_id: &str, name: &str) {
        let Some(names) = self.names.get_mut(request_id) else { return };
        if let Some(at) = names.iter().position(|other| other == name) {
            names[..=at].rotate_right(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_that_works_is_asked_by() {
        let names = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let of = |aliases: &Aliases| {
            let (name, others) = aliases.of("a");
            format!("{name} {}", others.join(" "))
        };
        let mut aliases = Aliases::default();
        assert_eq!(of(&aliases), "a ");
        aliases.remember("a", Vec::new());
        aliases.remember("a", names("b c"));
        assert_eq!(of(&aliases), "a b c");
        aliases.prefer("a", "c");
        aliases.remember("a", names("d"));
        assert_eq!(of(&aliases), "c a b");
        aliases.prefer("a", "a");
        assert_eq!(of(&aliases), "a c b");
    }

    #[test]
    fn only_so_many_are_kept() {
        let mut aliases = Aliases::default();
        for number in 0..=MOST {
            aliases.remember(&number.to_string(), vec!["x".into()]);
        }
        assert_eq!(aliases.names.len(), MOST);
        assert!(aliases.of("0").1.is_empty());
        assert_eq!(aliases.of(&MOST.to_string()).1, ["x"]);
    }
}
