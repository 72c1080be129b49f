//! Events that wait for the control plane, in bounded space.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use prometheus_client::metrics::counter::Counter;
use tokio::sync::Notify;
use warder_shared::proto::v1::Outcome;

use super::{Event, strangers::Strangers};

/// Most events of each kind that wait: while the control plane is away, the oldest are lost beyond
/// this, and counted.
const CAPACITY: usize = 50_000;

/// Most events in one report.
const BATCH: usize = 1_000;

/// Two queues, so that no flood of allowed calls pushes out a refusal.
pub(crate) struct Queue {
    lanes: [Mutex<VecDeque<Event>>; 2],
    strangers: Mutex<Strangers>,
    filled: Notify,
    dropped: Counter,
}

impl Queue {
    pub(super) fn new(dropped: Counter) -> Self {
        Self {
            lanes: Default::default(),
            strangers: Mutex::default(),
            filled: Notify::new(),
            dropped,
        }
    }

    /// Adds an event. Those of callers wait one by one; those of nobody in particular are counted, but for the first of
    /// a kind.
    pub(super) fn push(&self, event: Event) {
        if event.identity.is_some() {
            return self.add(event);
        }
        let first = self.strangers().count(event);
        if let Some(event) = first {
            self.add(event);
        }
    }

    /// Adds what was counted since the last time.
    pub(super) fn end_minute(&self) {
        let counted = self.strangers().end_minute();
        counted.into_iter().for_each(|event| self.add(event));
    }

    fn strangers(&self) -> MutexGuard<'_, Strangers> {
        self.strangers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, event: Event) {
        let lane = usize::from(event.outcome == Outcome::Denied);
        let mut events = self.lanes[lane]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if events.len() >= CAPACITY {
            events.pop_front();
            self.dropped.inc();
        }
        events.push_back(event);
        // The reporter waits a moment for more: it only has to hear of the first, and of a full batch.
        let wake = matches!(events.len(), 1 | BATCH);
        drop(events);
        if wake {
            self.filled.notify_one();
        }
    }

    /// Waits until there is something.
    pub(super) async fn filled(&self) {
        while self.is_empty() {
            self.filled.notified().await;
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| {
            lane.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .is_empty()
        })
    }

    /// Takes the next report, refusals first.
    pub(super) fn take(&self) -> Vec<Event> {
        let mut batch = Vec::new();
        for lane in self.lanes.iter().rev() {
            let mut events = lane.lock().unwrap_or_else(PoisonError::into_inner);
            let count = events.len().min(BATCH - batch.len());
            batch.extend(events.drain(..count));
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use warder_shared::{
        id::{TokenId, UserId},
        principal::Principal,
        snapshot::Proof,
        token::{Claims, TokenKind},
    };

    fn proof(sub: Principal) -> Proof {
        Proof::Gateway(Claims {
            iss: String::new(),
            aud: String::new(),
            sub,
            jti: TokenId::from_uuid(uuid::Uuid::nil()),
            kind: TokenKind::Pat,
            iat: 0,
            nbf: 0,
            exp: 0,
            client: None,
        })
    }

    fn event(outcome: Outcome, number: u16) -> Event {
        let (id, at) = (uuid::Uuid::nil(), chrono::DateTime::UNIX_EPOCH);
        let mut record = crate::audit::Audit::new(crate::metrics::Metrics::new().0).open(id, at);
        let event = record.event.take().expect("an open record");
        let principal = Principal::User(UserId::from_uuid(id));
        Event {
            outcome,
            status: number,
            identity: Some((principal, Arc::new(proof(principal)))),
            ..event
        }
    }

    #[test]
    fn t58_a_flood_of_strangers_is_a_few_events() {
        let queue = Queue::new(Counter::default());
        let strange = |reason: usize| Event {
            identity: None,
            reason: format!("reason {reason}").into(),
            ..event(Outcome::Denied, 401)
        };
        let counts = |queue: &Queue| -> Vec<u64> {
            let mut counts: Vec<_> = queue.take().iter().map(|event| event.count).collect();
            counts.sort_unstable();
            counts
        };
        for number in 0..10_000 {
            queue.push(strange(usize::from(number % 100 == 0)));
        }
        assert_eq!(counts(&queue), [1, 1], "the first of each kind, at once");
        queue.end_minute();
        assert_eq!(counts(&queue), [99, 9_899], "the others, counted");
        queue.push(strange(0));
        assert!(queue.is_empty(), "it goes on");
        queue.end_minute();
        assert_eq!(counts(&queue), [1]);
        queue.end_minute();
        queue.push(strange(0));
        assert_eq!(counts(&queue), [1], "after a quiet minute it is news again");

        for reason in 0..20_000 {
            queue.push(strange(reason));
        }
        let mut reported = 0;
        while !queue.is_empty() {
            reported += queue.take().len();
        }
        queue.end_minute();
        let rest = counts(&queue);
        assert!(reported < 5_000 && rest.len() <= 2, "{reported}, {rest:?}");
        let all = reported as u64 + rest.iter().sum::<u64>();
        assert_eq!(all, 20_000, "and none is lost");
    }

    #[test]
    fn t58_a_flood_of_calls_pushes_out_no_refusal() {
        let queue = Queue::new(Counter::default());
        queue.push(event(Outcome::Denied, 0));
        for number in 0..CAPACITY + 7 {
            queue.push(event(
                Outcome::Allowed,
                u16::try_from(number).unwrap_or(u16::MAX),
            ));
        }
        assert_eq!(queue.dropped.get(), 7);
        let batch = queue.take();
        assert_eq!(batch.len(), BATCH);
        assert_eq!((batch[0].outcome, batch[1].status), (Outcome::Denied, 7));
    }
}
