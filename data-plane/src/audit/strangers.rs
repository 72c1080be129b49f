//! What nobody in particular did, counted: a flood of requests without a valid token is a few events, not a flood of
//! events.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
};

use warder_shared::id::ServerId;

use super::Event;

/// Most kinds of events that are told apart. There are as many as servers times reasons, of which strangers cause few.
const MAX_KINDS: usize = 4_096;

/// What events have in common that are counted together.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Kind {
    server: Option<ServerId>,
    method: &'static str,
    outcome: i32,
    reason: Cow<'static, str>,
    status: u16,
}

impl Kind {
    fn of(event: &Event) -> Self {
        Self {
            server: event.server.as_ref().map(|server| server.id),
            method: event.method,
            outcome: event.outcome.into(),
            reason: event.reason.clone(),
            status: event.status,
        }
    }
}

/// The kinds seen since a minute ended, each with the event that stands for those not yet reported.
#[derive(Default)]
pub(super) struct Strangers(HashMap<Kind, Option<Event>>);

impl Strangers {
    /// Gives the event back if it is to be reported at once: the first of its kind. Later ones are counted.
    pub(super) fn count(&mut self, mut event: Event) -> Option<Event> {
        let mut kind = Kind::of(&event);
        if self.0.len() >= MAX_KINDS && !self.0.contains_key(&kind) {
            event.server = None;
            event.reason = Cow::Borrowed("one of too many reasons");
            kind = Kind::of(&event);
        }
        match self.0.entry(kind) {
            Entry::Vacant(entry) => {
                entry.insert(None);
                return Some(event);
            }
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Some(first) => first.count += event.count,
                none => *none = Some(event),
            },
        }
        None
    }

    /// What was counted in the minute that is over. A kind that did not occur in it is forgotten.
    pub(super) fn end_minute(&mut self) -> Vec<Event> {
        let mut counted = Vec::new();
        self.0.retain(|_, event| {
            let event = event.take();
            let occurred = event.is_some();
            counted.extend(event);
            occurred
        });
        counted
    }
}
