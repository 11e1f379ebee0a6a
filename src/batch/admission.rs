//! Admits creates in the order in which their items were fed.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::sync::Semaphore;
use tokio::task::coop::unconstrained;

use crate::submission::Turn;

/// Three queues that are served in order. Each item takes a place in all of them when it is fed.
#[derive(Debug)]
pub(super) struct Admission {
    /// Limits the creates without a response: if this process ends, their outcome is unknown.
    creates: Arc<Semaphore>,
    /// Has one permit, for the first item that has neither reserved its cost nor ended.
    reserving: Arc<Semaphore>,
    /// Has one permit, for the first item whose create is neither sent nor refused. Between reserving and sending, items
    /// are claimed and recorded together.
    sending: Arc<Semaphore>,
}

/// An item's place in the queues. Dropping it leaves them.
pub(super) struct Place {
    pub(super) create: Turn,
    pub(super) reserving: Turn,
    pub(super) sending: Turn,
}

impl Admission {
    pub(super) fn new(creates: usize) -> Self {
        let one_of = |permits| Arc::new(Semaphore::new(permits));
        Self { creates: one_of(creates), reserving: one_of(1), sending: one_of(1) }
    }

    /// Takes the last place in all queues.
    ///
    /// An item that waits for its turn holds a create, and so would keep one from the item whose turn it is, unless all
    /// queues have the same order.
    pub(super) fn place(&self) -> Place {
        let [create, reserving, sending] = [&self.creates, &self.reserving, &self.sending].map(queue);
        Place { create, reserving, sending }
    }
}

fn queue(semaphore: &Arc<Semaphore>) -> Turn {
    // The first poll takes the place, so it must not be put off by tokio's budget of a task.
    let acquire = unconstrained(Arc::clone(semaphore).acquire_owned());
    let mut turn: Turn = Box::pin(async move { acquire.await.ok() });
    match turn.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(permit) => Box::pin(std::future::ready(permit)),
        Poll::Pending => turn,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Admits items whose tasks run in the reverse order, and returns the order of their turns.
    async fn turns(admission: &Arc<Admission>, places: Vec<Place>) -> Vec<usize> {
        let turns = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for (number, place) in places.into_iter().enumerate().rev() {
            let (turns, _admission) = (Arc::clone(&turns), Arc::clone(admission));
            tasks.spawn(async move {
                let _create = place.create.await;
                drop(place.reserving.await);
                let _sending = place.sending.await;
                turns.lock().unwrap().push(number);
            });
        }
        tasks.join_all().await;
        Arc::into_inner(turns).unwrap().into_inner().unwrap()
    }

    #[tokio::test]
    async fn turns_follow_the_order_of_places_whatever_the_order_of_tasks() {
        for creates in [1, 3, 1000] {
            let admission = Arc::new(Admission::new(creates));
            let places: Vec<_> = (0..500).map(|_| admission.place()).collect();
            assert_eq!(turns(&admission, places).await, (0..500).collect::<Vec<_>>(), "{creates} creates");
        }
    }

    #[tokio::test]
    async fn an_item_that_ends_leaves_the_queues() {
        let admission = Arc::new(Admission::new(2));
        let mut places: Vec<_> = (0..10).map(|_| admission.place()).collect();
        places.remove(5);
        places.remove(0);
        assert_eq!(turns(&admission, places).await, (0..8).collect::<Vec<_>>());
    }
}
