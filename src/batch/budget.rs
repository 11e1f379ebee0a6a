//! How much may be bought: reserved before a create, settled with what the service reports.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::prices::TICKS_PER_USD;
use crate::error::{Error, Result};

/// Why nothing more is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stop {
    /// The money is spent or reserved.
    Budget,
    /// As many jobs as allowed were bought.
    Jobs,
    /// The time is over.
    Deadline,
    /// The service refuses the key.
    Key,
    /// The service says that no money is left.
    Balance,
    /// The caller said so.
    Caller,
    /// Another run took the folder over.
    Superseded,
}

impl Stop {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Jobs => "max_jobs",
            Self::Deadline => "deadline",
            Self::Key => "key",
            Self::Balance => "balance",
            Self::Caller => "caller",
            Self::Superseded => "superseded",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Budget => "max_cost_usd would be exceeded",
            Self::Jobs => "max_jobs is reached",
            Self::Deadline => "the deadline is over",
            Self::Key => "the service refuses the key",
            Self::Balance => "the service says that no money is left",
            Self::Caller => "the batch was told to stop",
            Self::Superseded => "another run took this folder over while this process stood still",
        }
    }

    /// Whether it also keeps back what has its reservation already: a limit that is reached does not.
    #[must_use]
    pub const fn bars_reserved(self) -> bool {
        !matches!(self, Self::Budget | Self::Jobs)
    }

    /// The error of an item that was not bought.
    #[must_use]
    pub fn error(self) -> Error {
        Error::NotBought(format!("not bought: {}", self.words()))
    }
}

/// What may still be bought.
#[derive(Debug)]
pub struct Budget {
    most: Option<i64>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// Spent, or reserved for what is under way. Wider than the costs that are added, so that it never wraps and stays exact.
    spent: i128,
    /// Reservations that may yet turn out to be too high.
    open: usize,
    jobs_left: Option<u64>,
    stop: Option<Stop>,
}

impl Budget {
    /// At most `most` ticks, of which some are spent, and at most so many jobs.
    #[must_use]
    pub fn new(most: Option<i64>, spent: impl Into<i128>, jobs_left: Option<u64>) -> Self {
        let state = State { spent: spent.into(), open: 0, jobs_left, stop: None };
        Self { most, state: Mutex::new(state), changed: Notify::new() }
    }

    /// Sets money aside for one job. Waits while what is under way might turn out cheaper.
    pub async fn reserve(&self, estimate: Option<i64>) -> Result<()> {
        let Some(amount) = estimate.or_else(|| self.most.is_none().then_some(0)) else {
            let words = "the model or resolution has no known price, which max_cost_usd needs: pass prices=";
            return Err(Error::invalid("model", words));
        };
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.lock();
                if let Some(stop) = state.stop {
                    return Err(stop.error());
                }
                if state.jobs_left == Some(0) {
                    state.stop = Some(Stop::Jobs);
                    continue;
                }
                let with_it = state.spent + i128::from(amount);
                if self.most.is_none_or(|most| with_it <= most.into()) {
                    state.spent = with_it;
                    state.open += 1;
                    state.jobs_left = state.jobs_left.map(|left| left - 1);
                    return Ok(());
                }
                if state.open == 0 {
                    state.stop = Some(Stop::Budget);
                    continue;
                }
            }
            changed.await;
        }
    }

    /// A job of an earlier run is followed again: its estimate, which is counted, may turn out too high.
    pub fn reopen(&self) {
        self.lock().open += 1;
    }

    /// What a job cost, in place of what was set aside for it. No cost is below zero.
    pub fn settle(&self, estimate: i64, cost: i64) {
        let mut state = self.lock();
        state.spent += i128::from(cost.max(0)) - i128::from(estimate);
        state.open = state.open.saturating_sub(1);
        drop(state);
        self.changed.notify_waiters();
    }

    /// A create came to nothing: it does not count.
    pub fn give_back(&self, estimate: i64) {
        let mut state = self.lock();
        state.jobs_left = state.jobs_left.map(|left| left + 1);
        drop(state);
        self.settle(estimate, 0);
    }

    /// Lets nothing more be bought. The first reason stands.
    pub fn stop(&self, why: Stop) {
        self.lock().stop.get_or_insert(why);
        self.changed.notify_waiters();
    }

    /// Why nothing more is bought, if that is so.
    #[must_use]
    pub fn stopped(&self) -> Option<Stop> {
        self.lock().stop
    }

    /// Spent or reserved, in US dollars.
    #[must_use]
    pub fn spent_usd(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "to be read by people")]
        let spent = self.lock().spent as f64;
        spent / TICKS_PER_USD
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn money_is_set_aside_and_settled() {
        let budget = Budget::new(Some(10), 2, None);
        budget.reserve(Some(8)).await.unwrap();
        let waiting = {
            let budget = Arc::new(budget);
            let other = Arc::clone(&budget);
            let waiting = tokio::spawn(async move { other.reserve(Some(5)).await });
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished(), "what is under way may turn out cheaper");
            budget.settle(8, 3);
            (waiting.await.unwrap(), budget)
        };
        assert!(waiting.0.is_ok());
        let budget = waiting.1;
        budget.settle(5, 5);
        let refused = budget.reserve(Some(1)).await.unwrap_err().to_string();
        assert_eq!(refused, "not bought: max_cost_usd would be exceeded");
        assert_eq!(budget.stopped(), Some(Stop::Budget));
    }

    #[tokio::test]
    async fn a_budget_never_wraps_and_buys_nothing_after_absurd_costs() {
        for (spent, costs) in [(i64::MAX, vec![]), (0, vec![i64::MAX, i64::MAX]), (i64::MAX, vec![i64::MAX, 0])] {
            let budget = Budget::new(Some(10_000_000_000), spent, None);
            for cost in costs {
                budget.reopen();
                budget.settle(0, cost);
            }
            let refused = budget.reserve(Some(1)).await.unwrap_err().to_string();
            assert_eq!(refused, "not bought: max_cost_usd would be exceeded");
            assert!(budget.spent_usd() > 9e8);
        }
    }

    #[tokio::test]
    async fn absurd_costs_leave_later_sums_exact() {
        let budget = Budget::new(Some(10), 0, None);
        for estimate in [4, 5] {
            budget.reserve(Some(estimate)).await.unwrap();
        }
        budget.settle(4, i64::MAX);
        budget.settle(5, i64::MAX);
        assert_eq!(budget.lock().spent, 2 * i128::from(i64::MAX));
        let credited = Budget::new(Some(10), 10, None);
        credited.reopen();
        credited.settle(0, -1_000);
        assert!(credited.reserve(Some(1)).await.is_err(), "no cost is below zero");
    }

    #[tokio::test]
    async fn jobs_are_counted_and_given_back() {
        let budget = Budget::new(None, 0, Some(1));
        budget.reserve(None).await.unwrap();
        budget.give_back(0);
        budget.reserve(None).await.unwrap();
        assert!(budget.reserve(None).await.is_err());
        assert_eq!(budget.stopped(), Some(Stop::Jobs));
    }

    #[tokio::test]
    async fn a_limit_needs_prices() {
        let budget = Budget::new(Some(10), 0, None);
        assert!(matches!(budget.reserve(None).await, Err(Error::InvalidRequest { field: "model", .. })));
        assert_eq!(budget.stopped(), None);
    }

    #[tokio::test]
    async fn a_stop_reaches_those_who_wait() {
        let budget = Arc::new(Budget::new(Some(1), 0, None));
        budget.reserve(Some(1)).await.unwrap();
        let other = Arc::clone(&budget);
        let waiting = tokio::spawn(async move { other.reserve(Some(1)).await });
        tokio::task::yield_now().await;
        budget.stop(Stop::Caller);
        budget.stop(Stop::Deadline);
        assert!(waiting.await.unwrap().is_err());
        assert_eq!(budget.stopped(), Some(Stop::Caller));
    }
}
