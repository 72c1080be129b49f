//! Rights that no single resource decides.

use warder_shared::id::TeamId;
use warder_shared::principal::Principal;

use super::{Denied, Permit};
use crate::authenticate::Caller;

/// Everything: the resource of administrators.
#[derive(Debug)]
#[non_exhaustive]
pub struct Tenant;

/// What the caller is: everyone may read it.
#[derive(Debug)]
pub struct Oneself {
    /// The one who calls.
    pub principal: Principal,
    /// Their teams.
    pub teams: Vec<TeamId>,
}

/// A database without an administrator, in the hands of whoever runs the program.
#[derive(Debug)]
#[non_exhaustive]
pub struct Operator;

/// For callers with the tenant role `admin`.
///
/// # Errors
/// [`Denied::Forbidden`] for everyone else.
pub fn administrator(caller: &Caller) -> Result<Permit<Tenant>, Denied> {
    if caller.is_admin() {
        Ok(Permit::new(caller, Tenant))
    } else {
        Err(Denied::Forbidden {
            needs: "the role admin",
        })
    }
}

/// For everyone, about themselves.
#[must_use]
pub fn oneself(caller: &Caller) -> Permit<Oneself> {
    Permit::new(
        caller,
        Oneself {
            principal: caller.principal(),
            teams: caller.teams().to_vec(),
        },
    )
}

/// For the command line, which holds the database and the root key anyway.
#[must_use]
pub fn operator() -> Permit<Operator> {
    Permit::system(Operator)
}
