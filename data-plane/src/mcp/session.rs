//! Session ids as clients hold them: sealed, so that no pod has to remember one (T24).
//!
//! What a client gets instead of the server's own `Mcp-Session-Id` is that id encrypted under a key that
//! all pods have, bound to the principal, the server and its origin. Any pod opens it; nobody else's
//! token opens it; changed by one bit it is nobody's.

use aes_gcm::{
    Aes256Gcm, KeyInit as _, Nonce,
    aead::{Aead as _, Payload},
};
use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use warder_shared::{id::ServerId, principal::Principal};

/// Longest id of a server's session that is sealed.
const MAX_UPSTREAM_ID: usize = 1024;

const NONCE_LENGTH: usize = 12;

/// Seals and opens session ids.
#[derive(Default)]
pub(crate) struct Sealer {
    keys: Vec<(String, Aes256Gcm)>,
}

/// Whose session it is, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'a> {
    /// The caller.
    pub(crate) principal: Principal,
    /// The server.
    pub(crate) server: ServerId,
    /// The server's origin when the session was made.
    pub(crate) origin: &'a str,
}

impl Owner<'_> {
    fn associated_data(self) -> Vec<u8> {
        format!(
            "warder session 1\n{}\n{}\n{}",
            self.principal, self.server, self.origin
        )
        .into_bytes()
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

    /// The id that the client gets; `None` when the server's id is no valid one (2025-11-25: visible
    /// ASCII) or no key is known yet.
    pub(crate) fn seal(&self, owner: Owner<'_>, upstream_id: &str) -> Option<String> {
        let (key_id, key) = self.keys.first()?;
        if upstream_id.len() > MAX_UPSTREAM_ID || !is_session_id(upstream_id) {
            return None;
        }
        let mut nonce = [0; NONCE_LENGTH];
        rand::fill(&mut nonce).ok()?;
        let payload = Payload {
            msg: upstream_id.as_bytes(),
            aad: &owner.associated_data(),
        };
        let sealed = key.encrypt(&Nonce::from(nonce), payload).ok()?;
        Some(format!(
            "{key_id}.{}",
            URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat())
        ))
    }

    /// The server's own id, if `sealed` was made for this owner.
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
    fn t24_a_changed_id_is_nobodys() {
        let clock = Clock::system();
        let sealer = Sealer::new(&[("k".into(), [1; 32])]);
        let owner = Owner {
            principal: Principal::User(UserId::new(&clock)),
            server: ServerId::new(&clock),
            origin: "https://a.example",
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
