//! How a use case can fail, in the domain's words.

use std::{error::Error, fmt};

use serde::Serialize;
use utoipa::ToSchema;

use crate::{store::StoreError, vault::VaultError};

/// Why a use case did nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The input breaks rules, all of which are listed.
    #[error("the request breaks {} rule(s)", .0.len())]
    Invalid(Vec<Violation>),
    /// The input asks for something that this version does not do.
    #[error("{0}")]
    Unsupported(Violation),
    /// The thing to act on is not there (any more).
    #[error("there is no such {what}")]
    NotFound {
        /// The kind of thing, in words.
        what: &'static str,
    },
    /// The thing to create is there already.
    #[error("a {what} of this name exists already")]
    AlreadyExists {
        /// The kind of thing, in words.
        what: &'static str,
    },
    /// Something else has what the input wants for itself.
    #[error("{0}")]
    Taken(Violation),
    /// Nobody would be left who can administrate.
    #[error("at least one active user must keep the role admin")]
    LastAdministrator,
    /// The caller had another state in mind.
    #[error("the resource is not in the state that the request expects")]
    PreconditionFailed,
    /// Something stored would be deleted, and nobody said that it may be.
    #[error("something stored would be deleted")]
    ConfirmationRequired(Consequences),
    /// The machine has more to do than it can take; the same request may work later.
    #[error("too much to do now")]
    Overloaded,
    /// The database or the vault failed.
    #[error("internal error")]
    Internal(#[source] Box<dyn Error + Send + Sync>),
}

impl Failure {
    /// One broken rule, at a JSON pointer (RFC 6901) into the input.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation::new(pointer, detail)])
    }
}

/// A rule that the input breaks, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Violation {
    /// JSON pointer (RFC 6901) to the field; for a query parameter, its name.
    pointer: String,
    /// What is wrong with it.
    detail: String,
}

impl Violation {
    /// A violation at `pointer`. `detail` must not repeat a secret.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }

    /// What is wrong, without the place.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            f.write_str(&self.detail)
        } else {
            write!(f, "{}: {}", self.pointer, self.detail)
        }
    }
}

/// Collects violations, so that the caller hears of all of them at once.
#[derive(Debug, Default)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Notes a broken rule.
    pub fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(Violation::new(pointer, detail));
    }

    /// The value of `result`, or a note at `pointer`.
    pub fn take<T, E: fmt::Display>(
        &mut self,
        pointer: impl Into<String>,
        result: Result<T, E>,
    ) -> Option<T> {
        result
            .map_err(|error| self.add(pointer, error.to_string()))
            .ok()
    }

    /// Fails if anything was noted.
    ///
    /// # Errors
    /// [`Failure::Invalid`] with everything noted.
    pub fn finish(self) -> Result<(), Failure> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Failure::Invalid(self.0))
        }
    }
}

/// One step of a JSON pointer, escaped (RFC 6901 section 3).
#[must_use]
pub fn pointer_step(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// What a change would delete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Consequences {
    /// Headers of the server's `auth` whose stored values have no place any more.
    pub headers: Vec<String>,
    /// Auth overrides that no longer fit.
    pub auth_overrides: Vec<LostOverride>,
    /// How many people of an identity provider would not be known any more: they are introduced anew.
    #[serde(skip_serializing_if = "is_zero")]
    pub user_identities: u64,
}

/// An auth override that no longer fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LostOverride {
    /// Whose it is: `user:<email>` or `virtual-account:<name>`.
    pub subject: String,
    /// Placeholders or header names that it has values for.
    pub names: Vec<String>,
}

impl Consequences {
    /// Whether nothing would be deleted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.auth_overrides.is_empty() && self.user_identities == 0
    }
}

const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Internal(error.into())
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Store(error) => error.into(),
            other => Self::Internal(other.into()),
        }
    }
}

/// Whether what failed may work later without anybody changing anything: the database does not answer.
#[must_use]
pub fn is_transient(cause: &(dyn Error + Send + Sync + 'static)) -> bool {
    cause
        .downcast_ref::<StoreError>()
        .is_some_and(StoreError::is_transient)
}
