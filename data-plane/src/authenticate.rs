//! Who calls: the bearer token, verified without asking anyone.
//!
//! **Invariant:** [`Authenticated`] is made here and nowhere else, and only from a token that was
//! verified; there is no anonymous caller to fall back to (T8). The caller's `Authorization` header
//! stops here: no later type has it.

use std::{
    borrow::Borrow,
    hash::{Hash, Hasher},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use foldhash::fast::RandomState;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hyper::body::Incoming;
use moka::sync::Cache;
use warder_shared::{
    snapshot::{Caller, NotAdmitted, NotMapped, Proof, Snapshot, Unmapped, Verified},
    token::{MAX_TOKEN_LENGTH, TokenError},
};
use zeroize::Zeroizing;

use crate::{
    accept::Accepted,
    error::{ErrorType, Rejection},
    sync::Live,
};

mod newcomers;

pub(crate) use newcomers::Newcomers;

/// A request whose caller is known.
pub(crate) struct Authenticated {
    pub(crate) method: Method,
    /// The request's headers without `Authorization`.
    pub(crate) headers: HeaderMap,
    pub(crate) server: String,
    pub(crate) body: Incoming,
    pub(crate) identity: Identity,
}

/// A caller, as the token and the snapshot prove them.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) proof: Arc<Proof>,
    pub(crate) caller: Caller,
    /// The token as received. The control plane wants to see it before it opens the vault (T62).
    pub(crate) token: Bearer,
    /// Only this module makes one, and only of a token that it verified.
    _verified: (),
}

impl Identity {
    /// The same caller, as a later snapshot knows them.
    ///
    /// # Errors
    /// 401 or 403 when it does not admit them any more, or as somebody else.
    pub(crate) fn again(self, snapshot: &Snapshot) -> Result<Self, Rejection> {
        let caller = snapshot.admit(&self.proof).map_err(not_admitted)?;
        if caller.principal != self.caller.principal {
            return Err(invalid("the token stands for somebody else now".into()));
        }
        Ok(Self { caller, ..self })
    }
}

/// A bearer token, as it stood in its header. Its debug form is redacted.
#[derive(Clone, Debug)]
pub(crate) struct Bearer(HeaderValue);

/// `Bearer` in any case and one space (RFC 6750 section 2.1, RFC 9110 section 11.2).
const SCHEME: &[u8] = b"bearer ";

impl Bearer {
    fn parse(mut value: HeaderValue) -> Option<Self> {
        value.set_sensitive(true);
        let (scheme, token) = value.as_bytes().split_at_checked(SCHEME.len())?;
        let fits =
            scheme.eq_ignore_ascii_case(SCHEME) && (1..=MAX_TOKEN_LENGTH).contains(&token.len());
        // Which of these characters a token has, its verification finds out. No early exit: so the loop is
        // one of a few vector instructions.
        let visible = token
            .iter()
            .fold(true, |so_far, byte| so_far & byte.is_ascii_graphic());
        (fits && visible).then_some(Self(value))
    }

    /// The token itself.
    pub(crate) fn expose(&self) -> &str {
        // ASCII, as `parse` saw to.
        std::str::from_utf8(&self.0.as_bytes()[SCHEME.len()..]).unwrap_or_default()
    }
}

/// Verified tokens. A signature is checked once; everything that may change is checked each time.
struct Tokens {
    verified: Cache<Known, Verified, RandomState>,
}

/// A token that was verified, whole: another one is another key. Wiped when it is forgotten.
#[derive(PartialEq, Eq)]
struct Known(Zeroizing<String>);

/// The same as its text's, so that the map can be asked with that.
impl Hash for Known {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_str().hash(state);
    }
}

impl Borrow<str> for Known {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Most tokens remembered.
const CAPACITY: u64 = 100_000;

impl Tokens {
    fn new() -> Self {
        Self {
            verified: Cache::builder()
                .max_capacity(CAPACITY)
                .build_with_hasher(RandomState::default()),
        }
    }

    fn verify(
        &self,
        snapshot: &Snapshot,
        token: &str,
        server: &str,
        now: DateTime<Utc>,
    ) -> Result<Arc<Proof>, TokenError> {
        if let Some(known) = self
            .verified
            .get(token)
            .filter(|known| snapshot.stands_by(known))
        {
            known.proof.check(server, now)?;
            return Ok(known.proof);
        }
        let verified = snapshot.verify(token, server, now)?;
        let proof = verified.proof.clone();
        self.verified
            .insert(Known(Zeroizing::new(token.to_owned())), verified);
        Ok(proof)
    }
}

/// Finds out who calls: what the snapshot can tell, and what has to be asked for.
pub(crate) struct Authenticator {
    tokens: Tokens,
    live: Arc<Live>,
    newcomers: Newcomers,
}

impl Authenticator {
    /// No token is known.
    pub(crate) fn new(live: Arc<Live>, newcomers: Newcomers) -> Self {
        Self {
            tokens: Tokens::new(),
            live,
            newcomers,
        }
    }

    /// Verifies the caller's token.
    ///
    /// # Errors
    /// 400 for more than one, 401 for none or one that is not valid (any more), 403 for one of an identity provider
    /// that stands for nobody here, 503 when that cannot be found out now.
    pub(crate) async fn bearer(
        &self,
        now: DateTime<Utc>,
        accepted: Accepted,
    ) -> Result<Authenticated, Rejection> {
        let Accepted {
            method,
            mut headers,
            server,
            body,
            ..
        } = accepted;
        let token = take_token(&mut headers)?;
        let proof = self.prove(&token, &server, now).await?;
        let caller = self.admit(&token, &proof).await?;
        Ok(Authenticated {
            method,
            headers,
            server,
            body,
            identity: Identity {
                proof,
                caller,
                token,
                _verified: (),
            },
        })
    }

    async fn prove(
        &self,
        token: &Bearer,
        server: &str,
        now: DateTime<Utc>,
    ) -> Result<Arc<Proof>, Rejection> {
        let verify = || {
            let view = self.live.view();
            self.tokens
                .verify(&view.snapshot, token.expose(), server, now)
        };
        let verified = match verify() {
            Err(TokenError::UnknownProviderKey(key)) => {
                self.newcomers.key(&key).await?;
                verify()
            }
            other => other,
        };
        verified.map_err(refuse)
    }

    async fn admit(&self, token: &Bearer, proof: &Proof) -> Result<Caller, Rejection> {
        let admit = || self.live.view().snapshot.admit(proof);
        let admitted = match (admit(), proof) {
            (Err(NotAdmitted::NotMapped(refusal)), Proof::IdentityProvider(proof))
                if refusal.why == Unmapped::Stranger =>
            {
                let assertion = &proof.assertion;
                let stranger = (assertion.provider, &*assertion.subject);
                self.newcomers.introduce(token, stranger, refusal).await?;
                admit()
            }
            (other, _) => other,
        };
        admitted.map_err(not_admitted)
    }
}

/// Takes the one bearer token out of the headers, and every other credential with it.
fn take_token(headers: &mut HeaderMap) -> Result<Bearer, Rejection> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().cloned();
    if values.next().is_some() {
        return Err(Rejection::invalid("a request has one Authorization header"));
    }
    for name in [
        header::AUTHORIZATION,
        header::COOKIE,
        header::PROXY_AUTHORIZATION,
    ] {
        headers.remove(name);
    }
    let value = value.ok_or_else(|| {
        Rejection::unauthorized(false, "send a token in the header Authorization: Bearer …")
    })?;
    Bearer::parse(value).ok_or_else(|| {
        Rejection::unauthorized(
            true,
            "the Authorization header must be: Bearer, one space, and a token",
        )
    })
}

fn refuse(error: TokenError) -> Rejection {
    invalid(error.to_string())
}

fn not_admitted(reason: NotAdmitted) -> Rejection {
    match reason {
        NotAdmitted::NotMapped(refusal) => not_mapped(&refusal),
        other => invalid(other.to_string()),
    }
}

fn not_mapped(refusal: &NotMapped) -> Rejection {
    let message = refusal.to_string();
    Rejection::new(
        StatusCode::FORBIDDEN,
        ErrorType::IdentityNotMapped,
        message.clone(),
    )
    .because(message)
}

/// The caller hears one thing, whatever is wrong; the audit trail keeps what it was.
fn invalid(reason: String) -> Rejection {
    Rejection::unauthorized(true, "the token is not valid here (any more)").because(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(values: &[&str]) -> Result<String, StatusCode> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                header::AUTHORIZATION,
                HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
            );
        }
        headers.insert(header::COOKIE, HeaderValue::from_static("session=1"));
        headers.insert(
            header::PROXY_AUTHORIZATION,
            HeaderValue::from_static("Basic eA=="),
        );
        let token = take_token(&mut headers).map_err(|rejection| rejection.status())?;
        assert!(
            headers.is_empty(),
            "t28: nothing that the client authenticates with goes on"
        );
        Ok(token.expose().to_owned())
    }

    #[test]
    fn t09_one_token_in_one_header() {
        assert_eq!(taken(&["Bearer a.b-c_d"]), Ok("a.b-c_d".into()));
        assert_eq!(taken(&["bEARER abc="]), Ok("abc=".into()));
        assert_eq!(
            taken(&["Bearer a", "Bearer a"]),
            Err(StatusCode::BAD_REQUEST)
        );
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer  a",
            "Bearer a b",
            "Basic YTpi",
            "Bearer\ta",
            "a.b.c",
            "Bearer a\u{e9}",
            "Token a",
        ] {
            assert_eq!(taken(&[bad]), Err(StatusCode::UNAUTHORIZED), "{bad:?}");
        }
        assert_eq!(taken(&[]), Err(StatusCode::UNAUTHORIZED));
    }
}
