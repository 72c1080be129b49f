//! Rights on tokens of people: their owner's, and administrators'.

use warder_shared::{id::UserId, principal::Principal, token::TokenKind};

use super::{Denied, Permit};
use crate::{
    authenticate::Caller,
    domain::{Email, TokenRecord},
    service::Services,
    store::{tokens, users},
};

/// A person whose tokens the caller may list and make.
#[derive(Debug)]
pub struct TokenOwner {
    /// The person.
    pub user: UserId,
    /// Their address.
    pub email: String,
}

/// A personal access token that the caller may read and revoke.
#[derive(Debug)]
pub struct AccessToken {
    /// What is known of the token.
    pub token: TokenRecord,
}

/// For users about themselves.
///
/// # Errors
/// [`Denied::Forbidden`] for virtual accounts: their tokens are made by administrators.
pub fn own_tokens(caller: &Caller) -> Result<Permit<TokenOwner>, Denied> {
    match caller.principal() {
        Principal::User(user) => Ok(Permit::new(
            caller,
            TokenOwner {
                user,
                email: caller.name().to_owned(),
            },
        )),
        Principal::VirtualAccount(_) => Err(Denied::Forbidden {
            needs: "a user: virtual accounts have tokens of their own",
        }),
    }
}

/// For administrators about anyone.
///
/// # Errors
/// [`Denied::Forbidden`] for everyone else, [`Denied::Unknown`] when there is no such user.
pub async fn tokens_of(
    services: &Services,
    caller: &Caller,
    email: &str,
) -> Result<Permit<TokenOwner>, Denied> {
    if !caller.is_admin() {
        return Err(Denied::Forbidden {
            needs: "the role admin",
        });
    }
    const UNKNOWN: Denied = Denied::Unknown { what: "user" };
    let email: Email = email.parse().map_err(|_| UNKNOWN)?;
    let user = users::find_by_email(&services.store, &email)
        .await?
        .ok_or(UNKNOWN)?;
    Ok(Permit::new(
        caller,
        TokenOwner {
            user: user.id,
            email: user.email.to_string(),
        },
    ))
}

/// For the owner of a personal access token, and for administrators.
///
/// # Errors
/// [`Denied::Unknown`] for everyone else.
pub async fn access_token(
    services: &Services,
    caller: &Caller,
    id: &str,
) -> Result<Permit<AccessToken>, Denied> {
    const UNKNOWN: Denied = Denied::Unknown { what: "token" };
    let id = id.parse().map_err(|_| UNKNOWN)?;
    let token = tokens::find(&services.store, id).await?.ok_or(UNKNOWN)?;
    let may = caller.is_admin() || token.owner == caller.principal();
    if !may || token.kind() != TokenKind::Pat {
        return Err(UNKNOWN);
    }
    Ok(Permit::new(caller, AccessToken { token }))
}
