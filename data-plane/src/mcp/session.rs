//! Session ids and other handles of servers as clients hold them: sealed, so that no pod has to remember one (T24).
//!
//! What a client gets instead of the server's own `Mcp-Session-Id`, cursor, request state or event id is that one
//! encrypted under a key that all pods have, bound to the principal, the server, its origin and the use. Any pod opens
//! it; nobody else's token opens it; changed by one bit it is nobody's.

use aes_gcm::{
    Aes256Gcm, KeyInit as _, Nonce,
    aead::{Aead as _, Payload},
};
use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use warder_shared::{id::ServerId, principal::Principal, snapshot::Server};

/// Longest id of a server's session or event that is sealed: it comes back in a header.
const MAX_UPSTREAM_ID: usize = 1024;

const NONCE_LENGTH: usize = 12;

/// Seals and opens handles.
#[derive(Default)]
pub(crate) struct Sealer {
    keys: Vec<(String, Aes256Gcm)>,
}

/// What a handle is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose<'a> {
    /// A session.
    Session,
    /// A place in a list.
    Cursor,
    /// What the server wants to see again.
    State {
        /// In requests of this method.
        method: &'a str,
        /// About this.
        named: &'a str,
    },
    /// A place in a stream.
    Event,
}

impl Purpose<'_> {
    /// Whether a server may give such a handle (2025-11-25: session ids are visible ASCII).
    fn permits(self, handle: &str) -> bool {
        match self {
            Self::Session => handle.len() <= MAX_UPSTREAM_ID && is_session_id(handle),
            Self::Event => handle.len() <= MAX_UPSTREAM_ID,
            Self::Cursor | Self::State { .. } => true,
        }
    }
}

/// Whose handle it is, where, and for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'a> {
    /// The caller.
    pub(crate) principal: Principal,
    /// The server.
    pub(crate) server: ServerId,
    /// The server's origin when the handle was made.
    pub(crate) origin: &'a str,
    /// What for.
    pub(crate) purpose: Purpose<'a>,
}

impl<'a> Owner<'a> {
    /// A caller's handle of a server.
    pub(crate) fn new(principal: Principal, server: &'a Server, purpose: Purpose<'a>) -> Self {
        Self {
            principal,
            server: server.id,
            origin: &server.origin,
            purpose,
        }
    }

    fn associated_data(self) -> Vec<u8> {
        let (kind, method, named) = match self.purpose {
            Purpose::Session => ("session", "", ""),
            Purpose::Cursor => ("cursor", "", ""),
            Purpose::State { method, named } => ("state", method, named),
            Purpose::Event => ("event", "", ""),
        };
        let Self {
            principal,
            server,
            origin,
            ..
        } = self;
        // Only the last part can have line feeds in it.
        format!("warder {kind} 2\n{principal}\n{server}\n{origin}\n{method}\n{named}").into_bytes()
    }
}

impl Sealer {
    /// Seals with the first key, opens with any.
    pub(crate) fn new(keys: &[(String, [u8; 32])]) -> Self {
        Self {
            keys: keys
                .iter()
                .map(|(id, key)| (id.clone(), Aes256Gcm::new(key.into())))
                .collect(),
        }
    }

    /// What the client gets; `None` when the server may not give such a handle, or no key is known yet.
    pub(crate) fn seal(&self, owner: Owner<'_>, handle: &str) -> Option<String> {
        let (key_id, key) = self.keys.first()?;
        if !owner.purpose.permits(handle) {
            return None;
        }
        let mut nonce = [0; NONCE_LENGTH];
        rand::fill(&mut nonce).ok()?;
        let payload = Payload {
            msg: handle.as_bytes(),
            aad: &owner.associated_data(),
        };
        let sealed = key.encrypt(&Nonce::from(nonce), payload).ok()?;
        Some(format!(
            "{key_id}.{}",
            URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat())
        ))
    }

    /// The server's own handle, if `sealed` was made for this owner.
    pub(crate) fn open(&self, owner: Owner<'_>, sealed: &str) -> Option<String> {
        let (key_id, text) = sealed.split_once('.')?;
        let (_, key) = self.keys.iter().find(|(id, _)| id == key_id)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_LENGTH>()?;
        let payload = Payload {
            msg: ciphertext,
            aad: &owner.associated_data(),
        };
        String::from_utf8(key.decrypt(&Nonce::from(*nonce), payload).ok()?).ok()
    }
}

fn is_session_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21..=0x7e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use warder_shared::{
        clock::Clock,
        id::{UserId, VirtualAccountId},
    };

    #[test]
    fn t24_a_session_is_its_owners_only() {
        let clock = Clock::system();
        let sealer = Sealer::new(&[("k2".into(), [2; 32]), ("k1".into(), [1; 32])]);
        let user = UserId::new(&clock);
        let owner = Owner {
            principal: Principal::User(user),
            server: ServerId::new(&clock),
            origin: "https://a.example",
            purpose: Purpose::Session,
        };
        let sealed = sealer.seal(owner, "abc-123").expect("sealed");
        assert!(is_session_id(&sealed) && !sealed.contains("abc"));
        assert_eq!(sealer.open(owner, &sealed).as_deref(), Some("abc-123"));
        assert_eq!(
            Sealer::new(&[("k3".into(), [3; 32]), ("k2".into(), [2; 32])])
                .open(owner, &sealed)
                .as_deref(),
            Some("abc-123")
        );
        let strangers = [
            Owner {
                principal: Principal::User(UserId::new(&clock)),
                ..owner
            },
            Owner {
                principal: Principal::VirtualAccount(VirtualAccountId::from_uuid(user.as_uuid())),
                ..owner
            },
            Owner {
                server: ServerId::new(&clock),
                ..owner
            },
            Owner {
                origin: "https://b.example",
                ..owner
            },
            Owner {
                purpose: Purpose::Cursor,
                ..owner
            },
            Owner {
                purpose: Purpose::Event,
                ..owner
            },
        ];
        for stranger in strangers {
            assert_eq!(sealer.open(stranger, &sealed), None, "{stranger:?}");
        }
        assert_eq!(
            Sealer::new(&[("k2".into(), [9; 32])]).open(owner, &sealed),
            None
        );
        assert_eq!(
            Sealer::new(&[("k1".into(), [1; 32])]).open(owner, &sealed),
            None,
            "a forgotten key"
        );
    }

    #[test]
    fn t24_a_request_state_is_for_the_same_thing_again() {
        let sealer = Sealer::new(&[("k".into(), [1; 32])]);
        let state = |method, named| Owner {
            principal: Principal::User(UserId::from_uuid(uuid::Uuid::nil())),
            server: ServerId::from_uuid(uuid::Uuid::nil()),
            origin: "https://a.example",
            purpose: Purpose::State { method, named },
        };
        let (owner, long) = (state("tools/call", "a\nb"), "é\n".repeat(100_000));
        let sealed = sealer.seal(owner, &long).expect("sealed");
        assert_eq!(sealer.open(owner, &sealed).as_ref(), Some(&long));
        for other in [state("tools/call", "a"), state("prompts/get", "a\nb")] {
            assert_eq!(sealer.open(other, &sealed), None, "{other:?}");
        }
    }

    #[test]
    fn t24_a_changed_id_is_nobodys() {
        let clock = Clock::system();
        let sealer = Sealer::new(&[("k".into(), [1; 32])]);
        let owner = Owner {
            principal: Principal::User(UserId::new(&clock)),
            server: ServerId::new(&clock),
            origin: "https://a.example",
            purpose: Purpose::Session,
        };
        let sealed = sealer.seal(owner, "abc").expect("sealed");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(sealer.open(owner, &changed), None, "{changed}");
        }
        for foreign in ["", ".", "k.", "k.AAAA", "abc", "k.\u{e9}"] {
            assert_eq!(sealer.open(owner, foreign), None, "{foreign:?}");
        }
        for bad in ["", "a b", "é", "a\n", &"a".repeat(MAX_UPSTREAM_ID + 1)] {
            assert_eq!(sealer.seal(owner, bad), None, "{bad:?}");
        }
    }
}
