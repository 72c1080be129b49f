//! Events that wait for the control plane, in bounded space.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use prometheus_client::metrics::counter::Counter;
use tokio::sync::Notify;
use warder_shared::proto::v1::Outcome;

use super::Event;

/// Most events of each kind that wait: while the control plane is away, the oldest are lost beyond
/// this, and counted.
const CAPACITY: usize = 50_000;

/// Most events in one report.
const BATCH: usize = 1_000;

/// Two queues, so that no flood of allowed calls pushes out a refusal.
pub(crate) struct Queue {
    lanes: [Mutex<VecDeque<Event>>; 2],
    filled: Notify,
    dropped: Counter,
}

impl Queue {
    pub(super) fn new(dropped: Counter) -> Self {
        Self {
            lanes: Default::default(),
            filled: Notify::new(),
            dropped,
        }
    }

    pub(super) fn push(&self, event: Event) {
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

    fn event(outcome: Outcome, number: u16) -> Event {
        let (id, at) = (uuid::Uuid::nil(), chrono::DateTime::UNIX_EPOCH);
        let mut record = crate::audit::Audit::new(crate::metrics::Metrics::new().0).open(id, at);
        let event = record.event.take().expect("an open record");
        Event {
            outcome,
            status: number,
            ..event
        }
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
