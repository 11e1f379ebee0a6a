//! Jobs with several IDs: some gateways give a job more than one, and answer polls only for one of them.

use std::collections::{HashMap, VecDeque};

/// Jobs whose IDs are kept.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Aliases {
    /// All IDs of a job, by the one that the user has; the one to poll by comes first.
    names: HashMap<String, Vec<String>>,
    /// Oldest first.
    order: VecDeque<String>,
}

impl Aliases {
    /// The ID to poll by, and those to try when the service does not know it.
    pub(super) fn of(&self, request_id: &str) -> (String, Vec<String>) {
        match self.names.get(request_id).map(Vec::as_slice) {
            Some([first, others @ ..]) => (first.clone(), others.to_vec()),
            _ => (request_id.to_owned(), Vec::new()),
        }
    }

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

    /// Polls by `name` from now on.
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
