//! The budget of a batch: reserved before each create, settled with the reported cost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::error::{Error, NotSubmitted};
use crate::pricing::{usd, usd_text};
use crate::stop_reason::StopReason;

#[derive(Debug)]
pub struct Budget {
    /// In ticks.
    most: Option<i64>,
    max_jobs: Option<u64>,
    state: Mutex<BudgetState>,
    changed: Notify,
}

enum Attempt {
    Reserved,
    /// The limit is reached, unless an open reservation turns out cheaper or is returned.
    Unsure,
    Stopped(StopReason),
}

#[derive(Debug)]
struct BudgetState {
    /// Spent or reserved. Wider than the costs that are added, so that it never wraps and stays exact.
    spent: i128,
    /// Reservations that are not settled.
    open: usize,
    /// Reservations whose creates may still be refused.
    unsure: usize,
    jobs_left: Option<u64>,
    stop: Option<StopReason>,
}

impl Budget {
    /// At most `most` ticks, of which `spent` are used, and `max_jobs` jobs.
    #[must_use]
    pub fn new(most: Option<i64>, spent: impl Into<i128>, max_jobs: Option<u64>) -> Self {
        let state = BudgetState { spent: spent.into(), open: 0, unsure: 0, jobs_left: max_jobs, stop: None };
        Self { most, max_jobs, state: Mutex::new(state), changed: Notify::new() }
    }

    /// Reserves the estimate for one create. Waits while creates under way might be refused, or jobs turn out cheaper.
    pub async fn reserve(self: &Arc<Self>, amount: i64) -> Result<Reservation, StopReason> {
        loop {
            let changed = self.changed.notified();
            match self.attempt(amount) {
                Attempt::Reserved => {
                    return Ok(Reservation { budget: Arc::clone(self), amount, cost: None });
                }
                Attempt::Stopped(why) => return Err(why),
                Attempt::Unsure => changed.await,
            }
        }
    }

    /// Whether the cost is limited, so that every item needs a price.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.most.is_some()
    }

    fn attempt(&self, amount: i64) -> Attempt {
        let mut state = self.lock();
        if let Some(why) = state.stop {
            return Attempt::Stopped(why);
        }
        let with_it = state.spent + i128::from(amount);
        let (reached, may_change) = if state.jobs_left == Some(0) {
            (StopReason::Jobs, state.unsure > 0)
        } else if self.most.is_some_and(|most| with_it > most.into()) {
            (StopReason::Budget, state.open > 0)
        } else {
            state.spent = with_it;
            state.open += 1;
            state.unsure += 1;
            state.jobs_left = state.jobs_left.map(|left| left - 1);
            return Attempt::Reserved;
        };
        if may_change {
            return Attempt::Unsure;
        }
        state.stop = Some(reached);
        drop(state);
        self.changed.notify_waiters();
        Attempt::Stopped(reached)
    }

    /// The error of an item that is not submitted: the limit, what is spent, and what the item would cost.
    #[must_use]
    pub fn refusal(&self, why: StopReason, estimate: Option<i64>) -> Error {
        let spent = self.lock().spent;
        let limit = match why {
            StopReason::Budget => self.most.map(|most| format!("max_cost_usd={}", usd_text(most.into()))),
            StopReason::Jobs => self.max_jobs.map(|most| format!("max_jobs={most}")),
            _ => None,
        };
        let fits = self.most.is_some_and(|most| spent + i128::from(estimate.unwrap_or_default()) <= most.into());
        let what = match (why, limit) {
            (StopReason::Budget, Some(limit)) if fits => format!("an earlier row reached {limit}"),
            (StopReason::Budget, Some(limit)) => format!("{limit} would be exceeded"),
            (StopReason::Jobs, Some(limit)) => format!("{limit} is reached"),
            _ => why.description().to_owned(),
        };
        let cost = estimate.map_or_else(
            || "no price is known for this item".to_owned(),
            |ticks| format!("this item would cost about {} USD", usd_text(ticks.into())),
        );
        Error::NotSubmitted(Box::new(NotSubmitted {
            message: format!(
                "not submitted: {what}; {} USD is spent or reserved in this folder, and {cost}",
                usd_text(spent)
            ),
            limit: Some(why.as_str()),
            spent_usd: Some(usd(spent)),
            estimate_usd: estimate.map(|ticks| usd(ticks.into())),
        }))
    }

    /// The reservation of a job from an earlier run, whose estimate is counted already.
    pub fn resume(self: &Arc<Self>, estimate: i64) -> Reservation {
        self.lock().open += 1;
        Reservation { budget: Arc::clone(self), amount: estimate, cost: Some(estimate) }
    }

    fn settle(&self, estimate: i64, cost: i64) {
        let mut state = self.lock();
        state.spent += i128::from(cost.max(0)) - i128::from(estimate);
        state.open = state.open.saturating_sub(1);
        drop(state);
        self.changed.notify_waiters();
    }

    /// Stops all further creates. The first reason is kept.
    pub fn stop(&self, why: StopReason) {
        self.lock().stop.get_or_insert(why);
        self.changed.notify_waiters();
    }

    /// Returns once nothing more is submitted.
    pub async fn when_stopped(&self) -> StopReason {
        loop {
            let changed = self.changed.notified();
            if let Some(why) = self.stopped() {
                return why;
            }
            changed.await;
        }
    }

    #[must_use]
    pub fn stopped(&self) -> Option<StopReason> {
        self.lock().stop
    }

    /// Spent or reserved, in US dollars.
    #[must_use]
    pub fn spent_usd(&self) -> f64 {
        usd(self.lock().spent)
    }

    fn lock(&self) -> MutexGuard<'_, BudgetState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Money that is set aside for one job.
///
/// Dropped before the create may have been billed, it returns what it holds to the budget; dropped after that, it
/// counts as spent.
#[derive(Debug)]
#[must_use = "dropping it returns the money to the budget"]
pub struct Reservation {
    budget: Arc<Budget>,
    amount: i64,
    /// What counts as spent when this is dropped, in ticks; `None` while nothing can have been billed.
    cost: Option<i64>,
}

impl Reservation {
    /// The create was accepted, or may have been: the estimate counts until the cost is known.
    pub fn spend(&mut self) {
        self.count(self.amount);
        self.budget.changed.notify_waiters();
    }

    /// The amount that is set aside, in ticks.
    #[must_use]
    pub const fn amount(&self) -> i64 {
        self.amount
    }

    /// Replaces the estimate by the cost of the job, in ticks. A cost below zero counts as zero.
    pub fn settle(mut self, cost: i64) {
        self.count(cost);
    }

    fn count(&mut self, cost: i64) {
        if self.cost.replace(cost).is_none() {
            self.budget.lock().unsure -= 1;
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.cost.is_none() {
            let mut state = self.budget.lock();
            state.unsure -= 1;
            state.jobs_left = state.jobs_left.map(|left| left + 1);
        }
        self.budget.settle(self.amount, self.cost.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(most: Option<i64>, spent: i64, jobs_left: Option<u64>) -> Arc<Budget> {
        Arc::new(Budget::new(most, spent, jobs_left))
    }

    #[tokio::test]
    async fn money_is_reserved_and_settled() {
        let budget = budget(Some(10), 2, None);
        let first = budget.reserve(8).await.unwrap();
        let other = Arc::clone(&budget);
        let waiting = tokio::spawn(async move { other.reserve(5).await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "creates under way may turn out cheaper");
        first.settle(3);
        waiting.await.unwrap().unwrap().settle(5);
        assert_eq!(budget.reserve(1).await.err(), Some(StopReason::Budget));
        assert_eq!(budget.stopped(), Some(StopReason::Budget));
    }

    #[tokio::test]
    async fn a_budget_never_wraps_and_buys_nothing_after_absurd_costs() {
        for (spent, costs) in [(i64::MAX, vec![]), (0, vec![i64::MAX, i64::MAX]), (i64::MAX, vec![i64::MAX, 0])] {
            let budget = budget(Some(10_000_000_000), spent, None);
            for cost in costs {
                budget.resume(0).settle(cost);
            }
            assert_eq!(budget.reserve(1).await.err(), Some(StopReason::Budget));
            assert!(budget.spent_usd() > 9e8);
        }
    }

    #[tokio::test]
    async fn absurd_costs_leave_later_sums_exact() {
        let absurd = budget(Some(10), 0, None);
        let mut reservations = Vec::new();
        for estimate in [4, 5] {
            reservations.push(absurd.reserve(estimate).await.unwrap());
        }
        for reservation in reservations {
            reservation.settle(i64::MAX);
        }
        assert_eq!(absurd.lock().spent, 2 * i128::from(i64::MAX));
        let credited = budget(Some(10), 10, None);
        credited.resume(0).settle(-1_000);
        assert!(credited.reserve(1).await.is_err(), "no cost is below zero");
    }

    #[tokio::test]
    async fn a_dropped_reservation_is_returned_until_the_create_may_have_been_billed() {
        let budget = budget(Some(10), 0, Some(1));
        drop(budget.reserve(10).await.unwrap());
        assert_eq!(budget.lock().spent, 0);
        let mut reservation = budget.reserve(10).await.unwrap();
        reservation.spend();
        drop(reservation);
        assert_eq!(budget.lock().spent, 10);
        drop(budget.resume(4));
        let state = budget.lock();
        assert_eq!((state.spent, state.open), (10, 0), "it was counted before");
    }

    #[tokio::test]
    async fn jobs_are_counted_and_returned() {
        let budget = budget(None, 0, Some(1));
        drop(budget.reserve(0).await.unwrap());
        let mut kept = budget.reserve(0).await.unwrap();
        kept.spend();
        assert!(budget.reserve(0).await.is_err());
        assert_eq!(budget.stopped(), Some(StopReason::Jobs));
    }

    #[tokio::test]
    async fn the_last_job_waits_for_creates_that_may_be_refused() {
        for accepted in [true, false] {
            let budget = budget(None, 0, Some(1));
            let mut first = budget.reserve(0).await.unwrap();
            let other = Arc::clone(&budget);
            let waiting = tokio::spawn(async move { other.reserve(0).await.map(drop) });
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
            if accepted {
                first.spend();
            }
            drop(first);
            assert_eq!(waiting.await.unwrap().is_err(), accepted);
        }
    }

    #[test]
    fn a_refusal_names_the_limit_and_both_amounts() {
        let budget = budget(Some(20_000_000_000), 17_500_000_000, Some(6));
        let cases = [
            (
                StopReason::Budget,
                Some(4_020_000_000),
                "max_cost_usd=2.00 would be exceeded; 1.75 USD is spent or reserved in this folder, and this item would cost about \
                 0.402 USD",
            ),
            (
                StopReason::Budget,
                Some(2_500_000_000),
                "an earlier row reached max_cost_usd=2.00; 1.75 USD is spent or reserved in this folder, and this item would cost \
                 about 0.25 USD",
            ),
            (
                StopReason::Jobs,
                Some(2_500_000_000),
                "max_jobs=6 is reached; 1.75 USD is spent or reserved in this folder, and this item would cost about 0.25 USD",
            ),
            (
                StopReason::Deadline,
                None,
                "the deadline has passed; 1.75 USD is spent or reserved in this folder, and no price is known for this item",
            ),
        ];
        for (why, estimate, words) in cases {
            let Error::NotSubmitted(error) = budget.refusal(why, estimate) else { panic!("{why:?}") };
            assert_eq!(error.message, format!("not submitted: {words}"));
            assert_eq!((error.limit, error.spent_usd), (Some(why.as_str()), Some(1.75)));
            assert_eq!(error.estimate_usd, estimate.map(|ticks| usd(ticks.into())));
        }
    }

    #[tokio::test]
    async fn a_stop_reaches_those_who_wait() {
        let budget = budget(Some(1), 0, None);
        let _kept = budget.reserve(1).await.unwrap();
        let other = Arc::clone(&budget);
        let waiting = tokio::spawn(async move { other.reserve(1).await.map(drop) });
        tokio::task::yield_now().await;
        budget.stop(StopReason::Caller);
        budget.stop(StopReason::Deadline);
        assert!(waiting.await.unwrap().is_err());
        assert_eq!(budget.stopped(), Some(StopReason::Caller));
    }
}
