//! How callers and subjects of rules are stored: a word for the kind and a UUID.

use uuid::Uuid;
use warder_shared::id::{TeamId, UserId, VirtualAccountId};
use warder_shared::principal::{Principal, Subject};

use super::Result;
use super::row::{Row, corrupt};

const USER: &str = "user";
const TEAM: &str = "team";
const VIRTUAL_ACCOUNT: &str = "virtual-account";
const EVERYONE: &str = "everyone";

/// The two columns of a subject. Everyone has no id: it is stored as all zeros, since a key holds no
/// NULL.
pub(super) const fn subject_columns(subject: Subject) -> (&'static str, Uuid) {
    match subject {
        Subject::User(id) => (USER, id.as_uuid()),
        Subject::Team(id) => (TEAM, id.as_uuid()),
        Subject::VirtualAccount(id) => (VIRTUAL_ACCOUNT, id.as_uuid()),
        Subject::Everyone => (EVERYONE, Uuid::nil()),
    }
}

/// The two columns of a principal.
pub(super) const fn principal_columns(principal: Principal) -> (&'static str, Uuid) {
    match principal {
        Principal::User(id) => (USER, id.as_uuid()),
        Principal::VirtualAccount(id) => (VIRTUAL_ACCOUNT, id.as_uuid()),
    }
}

/// Reads `subject_kind` and `subject_id`.
pub(super) fn read_subject(row: &Row) -> Result<Subject> {
    let id: Uuid = row.get("subject_id")?;
    let kind: String = row.get("subject_kind")?;
    match kind.as_str() {
        TEAM => Ok(Subject::Team(TeamId::from_uuid(id))),
        EVERYONE => Ok(Subject::Everyone),
        _ => principal("subject_kind", &kind, id).map(Subject::from),
    }
}

/// Reads `subject_kind` and `subject_id` where no team can stand.
pub(super) fn read_principal(row: &Row) -> Result<Principal> {
    principal(
        "subject_kind",
        &row.get::<String>("subject_kind")?,
        row.get("subject_id")?,
    )
}

/// Reads `owner_kind` and `owner_id`.
pub(super) fn read_owner(row: &Row) -> Result<Principal> {
    principal(
        "owner_kind",
        &row.get::<String>("owner_kind")?,
        row.get("owner_id")?,
    )
}

fn principal(column: &'static str, kind: &str, id: Uuid) -> Result<Principal> {
    match kind {
        USER => Ok(Principal::User(UserId::from_uuid(id))),
        VIRTUAL_ACCOUNT => Ok(Principal::VirtualAccount(VirtualAccountId::from_uuid(id))),
        _ => Err(corrupt(column, "an unknown kind of subject")),
    }
}
