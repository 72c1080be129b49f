//! Who sits in front of a browser.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use chrono::Duration;
use http::{Method, request::Parts};
use warder_shared::principal::Principal;

use super::{
    Caller, Unauthenticated,
    caller::{Credential, request_id},
    cookies::{self, BROWSER_COOKIE, Presented, SESSION_COOKIE},
    same_origin,
};
use crate::{
    domain::{Session, User},
    service::{BearerSecret, Failure, Services, continuations, subjects::PrincipalName},
    store::{self, sessions, users},
};

/// How exactly it is known when a session was last used: a write for each request would be too many.
const TOUCH_INTERVAL: Duration = Duration::minutes(1);

/// A person who is signed in: first argument of a handler of a page. Whoever is not is led through the
/// sign-in and back to the same request.
#[derive(Debug, Clone)]
pub struct SignedIn {
    caller: Caller,
    user: User,
    session: Session,
    secret: BearerSecret,
}

/// A browser that may or may not have signed in: what pages before sign-in are bound to.
#[derive(Debug, Clone)]
pub struct Browser {
    secret: BearerSecret,
    is_new: bool,
}

/// Why a page is not shown.
#[derive(Debug)]
pub enum NotSignedIn {
    /// Nobody is signed in: lead them to the sign-in page.
    SignIn {
        /// The browser, which may have to be told its name.
        browser: Browser,
        /// Handle of where to come back to.
        continuation: Option<BearerSecret>,
    },
    /// It could not be found out, or the request contradicts itself.
    Refused(Unauthenticated),
}

impl SignedIn {
    /// The person, as the one who calls.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The person.
    #[must_use]
    pub const fn user(&self) -> &User {
        &self.user
    }

    /// The session that the request came in.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// The token that forms of this session carry.
    #[must_use]
    pub fn csrf_token(&self) -> String {
        same_origin::csrf_token(&self.secret)
    }

    /// Whether a form with this token was sent from one of our pages, in this session.
    #[must_use]
    pub fn sent(&self, parts: &Parts, services: &Services, token: &str) -> bool {
        sent(&self.secret, parts, services, token)
    }
}

impl Browser {
    /// The browser that sends this request, which gets a name if it has none.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn of(parts: &Parts) -> Result<Self, Failure> {
        match cookies::read(&parts.headers, BROWSER_COOKIE).secret() {
            Some(secret) => Ok(Self {
                secret,
                is_new: false,
            }),
            None => Ok(Self {
                secret: BearerSecret::generate()?,
                is_new: true,
            }),
        }
    }

    /// Its name, which nobody else knows.
    #[must_use]
    pub const fn secret(&self) -> &BearerSecret {
        &self.secret
    }

    /// The token that forms before sign-in carry.
    #[must_use]
    pub fn csrf_token(&self) -> String {
        same_origin::csrf_token(&self.secret)
    }

    /// Whether a form with this token was sent from one of our pages, in this browser.
    #[must_use]
    pub fn sent(&self, parts: &Parts, services: &Services, token: &str) -> bool {
        !self.is_new && sent(&self.secret, parts, services, token)
    }

    /// `Set-Cookie` that tells the browser its name, where it does not know it.
    #[must_use]
    pub fn set_cookie(&self) -> Option<http::HeaderValue> {
        self.is_new
            .then(|| cookies::set(BROWSER_COOKIE, &self.secret))
    }
}

fn sent(secret: &BearerSecret, parts: &Parts, services: &Services, token: &str) -> bool {
    same_origin::is_same_origin(&parts.headers, services.public_url())
        && same_origin::is_csrf_token(secret, token)
}

/// The session that a cookie names, and its user, if both are good now.
pub(super) async fn verify(
    services: &Services,
    parts: &Parts,
    secret: BearerSecret,
) -> Result<Option<SignedIn>, Unauthenticated> {
    let request_id = request_id(parts)?;
    let mut tx = services.store.begin_read().await?;
    let now = services.clock().now();
    let session = sessions::find(&mut tx, &secret.hash()).await?;
    let Some(session) = session.filter(|session| session.is_live(now)) else {
        return Ok(None);
    };
    let user = users::find(&mut tx, session.user).await?;
    let Some(user) = user.filter(User::is_active) else {
        return Ok(None);
    };
    let teams = store::teams::of_user(&mut tx, user.id).await?;
    drop(tx);
    if now - session.last_seen_at >= TOUCH_INTERVAL {
        let mut tx = services.store.begin_append().await?;
        sessions::touch(&mut tx, &session.id).await?;
        tx.commit().await?;
    }
    let caller = Caller::new(
        Principal::User(user.id),
        PrincipalName::User(user.email.clone()),
        (
            user.roles.clone(),
            teams.into_iter().map(|team| team.id).collect(),
        ),
        Credential::Session(session.expires_at),
        request_id,
    );
    Ok(Some(SignedIn {
        caller,
        user,
        session,
        secret,
    }))
}

/// Who is signed in; none when nobody is.
async fn read(services: &Services, parts: &Parts) -> Result<Option<SignedIn>, Unauthenticated> {
    match cookies::read(&parts.headers, SESSION_COOKIE) {
        Presented::Secret(secret) => verify(services, parts, secret).await,
        Presented::Nothing | Presented::Nonsense => Ok(None),
    }
}

impl FromRequestParts<Services> for SignedIn {
    type Rejection = NotSignedIn;

    async fn from_request_parts(
        parts: &mut Parts,
        services: &Services,
    ) -> Result<Self, NotSignedIn> {
        if let Some(signed_in) = read(services, parts).await? {
            return Ok(signed_in);
        }
        let browser = Browser::of(parts)?;
        let target = parts.uri.path_and_query().map(|target| target.as_str());
        let continuation = match target {
            Some(target) if parts.method == Method::GET && target != "/" => {
                continuations::keep(services, browser.secret(), target).await?
            }
            _ => None,
        };
        Err(NotSignedIn::SignIn {
            browser,
            continuation,
        })
    }
}

impl OptionalFromRequestParts<Services> for SignedIn {
    type Rejection = NotSignedIn;

    async fn from_request_parts(
        parts: &mut Parts,
        services: &Services,
    ) -> Result<Option<Self>, NotSignedIn> {
        Ok(read(services, parts).await?)
    }
}

impl From<Unauthenticated> for NotSignedIn {
    fn from(refusal: Unauthenticated) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Failure> for NotSignedIn {
    fn from(failure: Failure) -> Self {
        Self::Refused(Unauthenticated::Internal(failure.into()))
    }
}
