//! What the control plane does on its own, over and over. Every replica runs every job; each of them
//! asks first whether something is due, and does it in a transaction that only one replica can win.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::service::{Services, sign_in, tokens};
use crate::store::{self, Store, StoreError};
use crate::vault::{Vault, VaultError};

/// How soon a replaced token ends after its grace period.
const RETIREMENT_INTERVAL: Duration = Duration::from_secs(1);

/// How often the keys are looked after: well below the time between publishing and using one.
const KEY_INTERVAL: Duration = Duration::from_secs(30);

/// How often it is asked whose keys are due.
const PROVIDER_KEYS_INTERVAL: Duration = Duration::from_secs(10);

/// How often things are forgotten.
const CLEANING_INTERVAL: Duration = Duration::from_secs(3600);

/// How many versions of changes are remembered: pods that are further behind get the whole state.
const REMEMBERED_VERSIONS: i64 = 20_000;

/// How often every sealed value is compared with the vault's ledger.
const VERIFICATION_INTERVAL: Duration = Duration::from_secs(600);

/// How many audit events are deleted in one transaction.
const AUDIT_BATCH: u32 = 1000;

/// How long expired tokens stay in lists.
const EXPIRED_TOKENS: chrono::Duration = chrono::Duration::days(30);

/// Runs every job until `shutdown`. Audit events are kept for `audit_retention`.
pub(crate) async fn run(
    services: Services,
    audit_retention: chrono::Duration,
    shutdown: CancellationToken,
) {
    let Services {
        store, vault, keys, ..
    } = services;
    let mut retirement = every(RETIREMENT_INTERVAL);
    let mut rotation = every(KEY_INTERVAL);
    let mut cleaning = every(CLEANING_INTERVAL);
    let mut verification = tokio::time::interval(VERIFICATION_INTERVAL);
    verification.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = retirement.tick() => report("token retirement", tokens::retire_due(&store).await),
            _ = rotation.tick() => report("key rotation", keys.maintain().await),
            _ = verification.tick() => report("vault verification", vault.verify().await),
            _ = cleaning.tick() => {
                report("cleaning", clean(&store).await);
                report("cleaning of grants", clean_grants(&store, &vault).await);
                report("vault cleaning", vault.clean().await);
                report("audit cleaning", clean_audit(&store, audit_retention).await);
            }
        }
    }
}

/// How long used codes and grants that are over are remembered: a copy of one of their tokens is known as such.
const PAST_GRANTS: chrono::Duration = chrono::Duration::days(1);

/// How long an OAuth client is remembered that nobody granted anything to, and one that was used.
const UNUSED_CLIENTS: chrono::Duration = chrono::Duration::hours(24);
const INACTIVE_CLIENTS: chrono::Duration = chrono::Duration::days(180);

/// Reads the keys of identity providers when that is due, until `shutdown`. Apart from the other jobs, which do not
/// wait for anybody's server.
pub(crate) async fn read_provider_keys(services: Services, shutdown: CancellationToken) {
    let mut reading = tokio::time::interval(PROVIDER_KEYS_INTERVAL);
    reading.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = reading.tick() => {}
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            read = services.provider_keys.read_due() => report("reading the keys of identity providers", read),
        }
    }
}

/// Forgets changes that no pod asks for any more, tokens that expired long ago, sessions that ended, and OAuth
/// clients that are not used any more.
///
/// # Errors
/// When the database fails; it is done again at the next call.
pub(crate) async fn clean(store: &Store) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    store::changes::forget(&mut tx, REMEMBERED_VERSIONS).await?;
    let limit = tx.now() - EXPIRED_TOKENS;
    store::tokens::delete_expired(&mut tx, limit).await?;
    let now = tx.now();
    store::sessions::delete_ended(&mut tx, now).await?;
    store::continuations::delete_expired(&mut tx, now).await?;
    store::pending_sign_ins::delete_expired(&mut tx, now).await?;
    store::sign_in_attempts::delete_before(&mut tx, now - sign_in::WINDOW).await?;
    let (unused, inactive) = (now - UNUSED_CLIENTS, now - INACTIVE_CLIENTS);
    store::oauth_clients::delete_idle(&mut tx, unused, inactive).await?;
    tx.commit().await
}

/// Forgets what users granted to OAuth clients once, and the vault what it sealed for it.
///
/// # Errors
/// When the database or the vault fails; it is done again at the next call.
pub(crate) async fn clean_grants(store: &Store, vault: &Vault) -> Result<(), VaultError> {
    let mut tx = store.begin().await?;
    let past = tx.now() - PAST_GRANTS;
    store::oauth_codes::delete_expired(&mut tx, past).await?;
    store::oauth_grants::delete_over(&mut tx, past).await?;
    vault.settle(&mut tx).await?;
    Ok(tx.commit().await?)
}

/// Deletes audit events that are older than `retention`, in small transactions; how many.
///
/// # Errors
/// When the database fails; it is done again at the next call.
pub(crate) async fn clean_audit(
    store: &Store,
    retention: chrono::Duration,
) -> Result<u64, StoreError> {
    let mut deleted = 0;
    loop {
        let mut tx = store.begin_append().await?;
        let Some(limit) = tx.now().checked_sub_signed(retention) else {
            return Ok(deleted);
        };
        let batch = store::audit_events::delete_before(&mut tx, limit, AUDIT_BATCH).await?;
        tx.commit().await?;
        deleted += batch;
        if batch < u64::from(AUDIT_BATCH) {
            return Ok(deleted);
        }
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

fn report<T, E: std::fmt::Display>(job: &'static str, result: Result<T, E>) {
    if let Err(error) = result {
        tracing::warn!(
            job,
            "the job {job} failed and is tried again later: {error}"
        );
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use warder_shared::clock::Clock;
    use warder_shared::id::{TokenId, UserId};
    use warder_shared::principal::Principal;

    use super::*;
    use crate::domain::{AuditEvent, ObjectKind, PageRequest, TokenRecord};

    async fn store(folder: &tempfile::TempDir) -> Store {
        let url = format!("sqlite:{}", folder.path().join("warder.db").display());
        let store = Store::connect(&url, Clock::system()).await.unwrap();
        store.migrate().await.unwrap();
        store
    }

    #[tokio::test]
    async fn audit_events_are_kept_for_as_long_as_configured() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let clock = Clock::system();
        let now = clock.now();
        let old = 2 * u64::from(AUDIT_BATCH) + 1;
        let mut tx = store.begin().await.unwrap();
        for number in 0..=old {
            let age = Duration::days(if number < old { 31 } else { 29 });
            let permit = crate::authorize::operator();
            let event = AuditEvent {
                at: now - age,
                ..permit.record(&clock, "test.happen", ObjectKind::Vault, "vault")
            };
            store::audit_events::insert(&mut tx, &event).await.unwrap();
        }
        tx.commit().await.unwrap();
        let deleted = clean_audit(&store, Duration::days(30)).await.unwrap();
        assert_eq!(deleted, old);
        let filter = store::audit_events::AuditFilter::default();
        let page = store::audit_events::list(&store, &filter, &PageRequest::first(10)).await;
        let kept: Vec<_> = page.unwrap().items.iter().map(|event| event.at).collect();
        assert_eq!(kept.len(), 1);
        assert!(kept[0] > now - Duration::days(30));
        assert_eq!(clean_audit(&store, Duration::MAX).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn tokens_stay_in_lists_for_a_while_after_they_expired() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let clock = Clock::system();
        let mut kept = Vec::new();
        let mut tx = store.begin().await.unwrap();
        for days in [29, 31] {
            let expires_at = clock.now() - Duration::days(days);
            let record = TokenRecord {
                id: TokenId::new(&clock),
                owner: Principal::User(UserId::new(&clock)),
                name: String::new(),
                created_by: None,
                created_at: expires_at,
                expires_at,
                retires_at: None,
                revoked_at: None,
            };
            store::tokens::insert(&mut tx, &record).await.unwrap();
            kept.push(record.id);
        }
        tx.commit().await.unwrap();
        clean(&store).await.unwrap();
        assert!(
            store::tokens::find(&store, kept[0])
                .await
                .unwrap()
                .is_some()
        );
        assert!(
            store::tokens::find(&store, kept[1])
                .await
                .unwrap()
                .is_none()
        );
    }
}
