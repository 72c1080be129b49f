//! A server's handles on their way to the client: sealed for this caller and this server (T24).

use std::sync::Arc;

use warder_shared::{principal::Principal, snapshot::Server};

use super::Forwarder;
use crate::{
    authorize::Call,
    mcp::{
        handle::Place,
        object::Unreadable,
        session::{Owner, Purpose, Sealer},
    },
    resolve::Equipped,
};

/// Seals what an answer hands out.
pub(super) struct Handles {
    sealer: Arc<Sealer>,
    principal: Principal,
    server: Arc<Server>,
    place: Option<Place>,
}

impl Handles {
    /// For the answer to this call.
    pub(super) fn of(forwarder: &Forwarder, equipped: &Equipped) -> Self {
        Self {
            sealer: forwarder.live.view().sealer.clone(),
            principal: equipped.identity.caller.principal,
            server: equipped.server.clone(),
            place: place(&equipped.call),
        }
    }

    fn seal(&self, purpose: Purpose<'_>, handle: &str) -> Option<String> {
        self.sealer
            .seal(Owner::new(self.principal, &self.server, purpose), handle)
    }

    /// The answer with its handle sealed; `None` when it has none.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub(super) fn answer(&self, message: &str) -> Result<Option<String>, Unreadable> {
        let Some(place) = &self.place else {
            return Ok(None);
        };
        place.seal(message, |handle| self.seal(place.purpose(), handle))
    }

    /// The id of an event, sealed. One that is too long is left out: the stream cannot be resumed from it.
    pub(super) fn event_id(&self, id: String) -> Option<String> {
        if id.is_empty() {
            return Some(id);
        }
        self.seal(Purpose::Event, &id)
    }
}

/// The answer to a call with its handle sealed; `None` when it has none.
///
/// # Errors
/// [`Unreadable`].
pub(super) fn seal(
    forwarder: &Forwarder,
    equipped: &Equipped,
    message: &str,
) -> Result<Option<String>, Unreadable> {
    if Place::may_be_in(message) {
        Handles::of(forwarder, equipped).answer(message)
    } else {
        Ok(None)
    }
}

/// Where the answer to a call has a handle. On a stream of the server's own messages come answers that a client asks
/// for again: those with a place in a list.
fn place(call: &Call) -> Option<Place> {
    match call {
        Call::Message(message) => Place::of(message.method?, message.named.as_deref()),
        Call::Stream(_) => Some(Place::Cursor),
        Call::EndSession => None,
    }
}
