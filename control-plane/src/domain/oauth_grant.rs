//! What a user granted to an OAuth client: the family of tokens that the client gets for it.

use chrono::{DateTime, Duration, Utc};
use warder_shared::{
    id::{GrantId, UserId},
    oauth::Scopes,
};

/// How long an access token lives: the time for which a pod that hears of nothing accepts it.
pub const ACCESS_TOKEN_LIFETIME: Duration = Duration::minutes(10);

/// How long an authorization code can be redeemed.
pub const CODE_LIFETIME: Duration = Duration::seconds(60);

/// How long a client can refresh without its user.
pub const GRANT_LIFETIME: Duration = Duration::days(30);

/// How long a refresh token that was used is answered again, while its successor is unused.
pub const REFRESH_GRACE: Duration = Duration::seconds(30);

/// A user's permission for a client to use a server, or all of theirs, on their behalf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthGrant {
    /// Identity, in every token of the family.
    pub id: GrantId,
    /// Who granted it.
    pub user: UserId,
    /// To whom.
    pub client_id: String,
    /// What the client called itself then.
    pub client_name: String,
    /// Where the client was answered.
    pub redirect_uri: String,
    /// Audience of its access tokens: a server's URL, or the gateway's.
    pub resource: String,
    /// The most that its access tokens allow.
    pub scopes: Scopes,
    /// Whether the client gets refresh tokens.
    pub refreshes: bool,
    /// Number of the newest refresh token.
    pub generation: i64,
    /// When the newest refresh token replaced the one before it; none: it is the first.
    pub rotated_at: Option<DateTime<Utc>>,
    /// When the user agreed.
    pub created_at: DateTime<Utc>,
    /// When the client redeemed its code; none: not yet.
    pub redeemed_at: Option<DateTime<Utc>>,
    /// The last time that it got an access token.
    pub last_used_at: DateTime<Utc>,
    /// From when on nothing is refreshed any more.
    pub expires_at: DateTime<Utc>,
    /// When it was revoked. Never in the future.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// What becomes of a refresh token that is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// It is the newest one: the next one replaces it.
    Rotate,
    /// It was just replaced, and its successor was not used: a lost answer, or a client that asked twice.
    /// It gets that same successor again, so the family never has two branches.
    Repeat,
    /// It was replaced, and its successor was used or has had the time to be: somebody has a copy (RFC 9700
    /// section 4.14.2).
    Replayed,
    /// The grant is over.
    Over,
}

impl OAuthGrant {
    /// Whether tokens are still given for it at `now`.
    #[must_use]
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    /// What becomes of the refresh token with this number, which is one of this family's.
    #[must_use]
    pub fn presented(&self, generation: i64, now: DateTime<Utc>) -> Presented {
        let just_rotated = self.rotated_at.is_some_and(|at| now <= at + REFRESH_GRACE);
        if !self.is_live(now) {
            Presented::Over
        } else if generation == self.generation {
            Presented::Rotate
        } else if generation + 1 == self.generation && just_rotated {
            Presented::Repeat
        } else {
            Presented::Replayed
        }
    }
}

/// An authorization code that waits to be redeemed, without the code itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationCode {
    /// SHA-256 of the code.
    pub hash: Vec<u8>,
    /// What it gets tokens for.
    pub grant: GrantId,
    /// `code_challenge` of the request (RFC 7636 section 4.2).
    pub challenge: String,
    /// When it is no use any more.
    pub expires_at: DateTime<Utc>,
    /// When it was presented; none: not yet.
    pub used_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_900_000_000, 0).unwrap()
    }

    fn grant() -> OAuthGrant {
        OAuthGrant {
            id: GrantId::from_uuid(Uuid::nil()),
            user: UserId::from_uuid(Uuid::nil()),
            client_id: "client".into(),
            client_name: String::new(),
            redirect_uri: "http://127.0.0.1/".into(),
            resource: "https://gateway.example.com".into(),
            scopes: Scopes::Tools,
            refreshes: true,
            generation: 0,
            rotated_at: None,
            created_at: start(),
            redeemed_at: Some(start()),
            last_used_at: start(),
            expires_at: start() + GRANT_LIFETIME,
            revoked_at: None,
        }
    }

    /// Presents a token as the service does; the number of the token that is given for it.
    fn present(grant: &mut OAuthGrant, generation: i64, now: DateTime<Utc>) -> Option<i64> {
        match grant.presented(generation, now) {
            Presented::Rotate => {
                grant.generation += 1;
                grant.rotated_at = Some(now);
                Some(grant.generation)
            }
            Presented::Repeat => Some(grant.generation),
            Presented::Replayed => {
                grant.revoked_at = Some(now);
                None
            }
            Presented::Over => None,
        }
    }

    proptest! {
        /// However often, in whatever order and after whatever time the tokens of a family are used: what is
        /// given out is always the newest one, so two holders never go on side by side for longer than one step.
        #[test]
        fn r11_a_family_has_one_live_branch(
            uses in proptest::collection::vec((0_usize..6, 0_i64..40), 1..60)
        ) {
            let (mut grant, mut now) = (grant(), start());
            let mut given = vec![0];
            for (back, seconds) in uses {
                now += Duration::seconds(seconds);
                let used = given[given.len().saturating_sub(1 + back)];
                let newest_before = grant.generation;
                let rotated_before = grant.rotated_at;
                match present(&mut grant, used, now) {
                    Some(next) => {
                        prop_assert_eq!(next, grant.generation, "only the newest is given out");
                        prop_assert!(next <= newest_before + 1);
                        if used != newest_before {
                            // Given again: nothing else was given since, and not long ago.
                            prop_assert_eq!(used + 1, newest_before);
                            prop_assert!(now <= rotated_before.unwrap() + REFRESH_GRACE);
                        }
                        given.push(next);
                    }
                    None => {
                        prop_assert!(grant.revoked_at.is_some());
                        // From then on the family is dead, whatever comes.
                        for any in &given {
                            prop_assert_eq!(present(&mut grant, *any, now), None);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn t40_a_used_token_is_answered_again_for_a_moment_only() {
        let (mut grant, now) = (grant(), start());
        assert_eq!(present(&mut grant, 0, now), Some(1));
        assert_eq!(grant.presented(0, now + REFRESH_GRACE), Presented::Repeat);
        let late = now + REFRESH_GRACE + Duration::microseconds(1);
        assert_eq!(grant.presented(0, late), Presented::Replayed);
        assert_eq!(present(&mut grant, 1, now), Some(2));
        assert_eq!(
            grant.presented(0, now),
            Presented::Replayed,
            "its successor was used"
        );
        assert_eq!(grant.presented(2, grant.expires_at), Presented::Over);
    }
}
