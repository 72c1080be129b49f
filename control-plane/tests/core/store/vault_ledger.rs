//! What was sealed last is remembered outside of the rows (T52), and the keys change under way (T54).

use std::collections::BTreeSet;
use std::sync::Arc;

use secrecy::SecretString;
use warder_control_plane::authorize;
use warder_control_plane::service::vault_upkeep;
use warder_control_plane::store::vault_ledger::{self, Checkpoint, LedgerLine};
use warder_control_plane::store::{
    StoreError, auth_overrides, identity_providers, key_terms, servers, session_keys, signing_keys,
};
use warder_control_plane::vault::{RootKey, VaultError};

use super::sealing::{Held, PLACES, Sealing, is_put_back, open, read};
use crate::support::Scene;

pub(crate) async fn t52_a_row_that_was_put_back_whole_does_not_open(scene: Scene) {
    let sealing = Sealing::new(scene).await;
    let other = open(&sealing.scene.store, &sealing.root_key).await.unwrap();
    for place in PLACES {
        let old = sealing.write(place, 1).await;
        for opened in sealing.tried(&other, &old).await {
            assert_eq!(opened.unwrap(), format!("{place} 1").into_bytes());
        }
        let new = sealing.write(place, 2).await;
        sealing.put_back(&old).await;
        let opened = sealing.tried(&other, &old).await;
        assert!(is_put_back(&opened, place), "{opened:?}");
        let found = sealing.vault.verify().await.unwrap();
        assert_eq!(found.put_back, [(place.to_owned(), 1)].into());
        assert!(found.missing.is_empty());

        sealing.put_back(&new).await;
        for opened in sealing.tried(&other, &new).await {
            assert_eq!(opened.unwrap(), format!("{place} 2").into_bytes());
        }
        let found = sealing.vault.verify().await.unwrap();
        assert!(found.put_back.is_empty() && found.missing.is_empty());
    }
}

pub(crate) async fn t52_a_deleted_row_that_was_put_back_does_not_open(scene: Scene) {
    let sealing = Sealing::new(scene).await;
    let other = open(&sealing.scene.store, &sealing.root_key).await.unwrap();
    for place in PLACES {
        let older = sealing.write(place, 1).await;
        let newest = sealing.write(place, 2).await;
        sealing.delete(place).await;
        for held in [older, newest] {
            sealing.put_back(&held).await;
            let opened = sealing.tried(&other, &held).await;
            assert!(is_put_back(&opened, place), "{opened:?}");
        }
        sealing.delete(place).await;
    }
    // The overrides of a server go with it.
    let held = sealing.write("auth_overrides.secret", 3).await;
    let mut tx = sealing.scene.store.begin().await.unwrap();
    assert!(servers::delete(&mut tx, sealing.server).await.unwrap());
    sealing.vault.settle(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    let opened = sealing.tried(&other, &held).await;
    assert!(is_put_back(&opened, "auth_overrides.secret"), "{opened:?}");
}

pub(crate) async fn t52_a_deletion_has_to_be_settled(scene: Scene) {
    let sealing = Sealing::new(scene).await;
    sealing.write("auth_overrides.secret", 1).await;
    let tx = sealing.delete_unsettled().await;
    let place = "auth_overrides.secret";
    assert!(matches!(
        tx.commit().await,
        Err(StoreError::Unsettled { place: named }) if named == place
    ));
    let kept = auth_overrides::all_sealed(&sealing.scene.store).await;
    assert_eq!(kept.unwrap().len(), 1);
}

pub(crate) async fn t52_a_row_that_somebody_else_deleted_is_missed(scene: Scene) {
    let sealing = Sealing::new(scene).await;
    sealing.write("auth_overrides.secret", 1).await;
    let mut tx = sealing.delete_unsettled().await;
    tx.take_dropped_seals();
    tx.commit().await.unwrap();
    let found = sealing.vault.verify().await.unwrap();
    assert_eq!(
        found.missing,
        [("auth_overrides.secret".to_owned(), 1)].into()
    );
    assert!(found.put_back.is_empty());
}

pub(crate) async fn t52_a_ledger_that_was_put_back_opens_nothing(scene: Scene) {
    let sealing = Sealing::new(scene).await;
    let old = sealing.write("auth_overrides.secret", 1).await;
    let (line, checkpoint) = (sealing.line(&old).await, sealing.checkpoint().await);
    let new = sealing.write("auth_overrides.secret", 2).await;
    let newest = sealing.checkpoint().await;
    let other = sealing.write("session_keys.key", 1).await;

    // With its line: the sum gives it away, to whoever reads the ledger anew.
    let write = async |line: &LedgerLine, checkpoint: &Checkpoint| {
        let mut tx = sealing.scene.store.begin().await.unwrap();
        vault_ledger::put(&mut tx, line).await.unwrap();
        vault_ledger::put_checkpoint(&mut tx, checkpoint)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    };
    let current = (sealing.line(&new).await, sealing.checkpoint().await);
    sealing.put_back(&old).await;
    let started = async || {
        open(&sealing.scene.store, &sealing.root_key)
            .await
            .map(drop)
    };
    for (line, checkpoint) in [(&line, &current.1), (&line, &checkpoint), (&line, &newest)] {
        write(line, checkpoint).await;
        assert!(matches!(started().await, Err(VaultError::LedgerPutBack)));
        assert!(
            read(&sealing.scene.store, &sealing.vault, &old)
                .await
                .is_err()
        );
    }
    // With its checkpoint: a process that runs remembers a later epoch.
    write(&line, &checkpoint).await;
    for held in [&old, &new, &other] {
        let opened = read(&sealing.scene.store, &sealing.vault, held).await;
        assert!(
            matches!(
                opened,
                Err(VaultError::LedgerPutBack | VaultError::PutBack { .. })
            ),
            "{opened:?}"
        );
    }
    // Nothing can be sealed on top of it either.
    let mut tx = sealing.scene.store.begin().await.unwrap();
    let binding = sealing.binding("auth_overrides.secret", 3);
    let resealed = sealing.vault.seal(&mut tx, &binding, b"x").await;
    assert!(matches!(resealed, Err(VaultError::LedgerPutBack)));
    drop(tx);
    // A checkpoint cannot be made or altered.
    for position in [0, 20, newest.sealed_sum.len() - 1] {
        let mut forged = current.1.clone();
        forged.sealed_sum[position] ^= 1;
        write(&current.0, &forged).await;
        assert!(matches!(started().await, Err(VaultError::LedgerPutBack)));
    }
    let later = Checkpoint {
        epoch: current.1.epoch + 1,
        ..current.1.clone()
    };
    write(&current.0, &later).await;
    assert!(matches!(started().await, Err(VaultError::LedgerPutBack)));

    write(&current.0, &current.1).await;
    sealing.put_back(&new).await;
    assert!(started().await.is_ok());
    for held in [&new, &other] {
        assert!(
            read(&sealing.scene.store, &sealing.vault, held)
                .await
                .is_ok()
        );
    }
}

pub(crate) async fn t52_an_operator_accepts_a_restored_backup(scene: Scene) {
    let sealing = Sealing::new(scene).await;
    let old = sealing.write("auth_overrides.secret", 1).await;
    let other = sealing.write("signing_keys.private_key", 1).await;
    sealing.write("auth_overrides.secret", 2).await;
    sealing.put_back(&old).await;
    assert!(
        read(&sealing.scene.store, &sealing.vault, &old)
            .await
            .is_err()
    );
    let wrong = RootKey::parse(&RootKey::generate().unwrap()).unwrap();
    let (store, permit) = (&sealing.scene.store, authorize::operator());
    assert!(matches!(
        vault_upkeep::accept_restore(store, &permit, &wrong).await,
        Err(VaultError::WrongRootKey { .. })
    ));
    assert!(read(store, &sealing.vault, &old).await.is_err());
    let root_key = RootKey::parse(&sealing.root_key).unwrap();
    let accepted = vault_upkeep::accept_restore(store, &permit, &root_key).await;
    assert_eq!(accepted.unwrap(), 2);
    for held in [&old, &other] {
        for opened in sealing.tried(&sealing.vault, held).await {
            assert!(opened.is_ok(), "{opened:?}");
        }
    }
    // A process that ran meanwhile goes on, and later values are sealed by a new key.
    let new = sealing.write("auth_overrides.secret", 3).await;
    assert_eq!(new.bytes[4], 2);
    assert!(read(store, &sealing.vault, &new).await.is_ok());
}

pub(crate) async fn t53_a_counter_that_was_put_back_stops_the_key(scene: Scene) {
    let sealing = Sealing::new(scene).await;
    for revision in 1..4 {
        sealing.write("auth_overrides.secret", revision).await;
    }
    let store = &sealing.scene.store;
    let mut term = key_terms::list(store).await.unwrap().remove(0);
    assert_eq!(term.encryptions, 3);
    term.encryptions = 1;
    let mut tx = store.begin().await.unwrap();
    key_terms::delete_before(&mut tx, 2).await.unwrap();
    key_terms::insert(&mut tx, &term).await.unwrap();
    let binding = sealing.binding("auth_overrides.secret", 4);
    let again = sealing.vault.seal(&mut tx, &binding, b"x").await;
    assert!(matches!(again, Err(VaultError::LedgerPutBack)), "{again:?}");
}

pub(crate) async fn t54_the_root_key_changes_while_control_planes_run(scene: Scene) {
    let sealing = Sealing::new(scene).await;
    let held = sealing.write("auth_overrides.secret", 1).await;
    let store = &sealing.scene.store;
    let (old, next) = (sealing.root_key.clone(), RootKey::generate().unwrap());
    let parse = |key: &SecretString| RootKey::parse(key).unwrap();
    let permit = authorize::operator();
    assert!(matches!(
        vault_upkeep::rotate_root_key(store, &permit, &parse(&next), &parse(&old)).await,
        Err(VaultError::WrongRootKey { term: 1 })
    ));
    let terms = vault_upkeep::rotate_root_key(store, &permit, &parse(&old), &parse(&next)).await;
    assert_eq!(terms.unwrap(), 1);

    // The old root key opens nothing any more; the new one does.
    let refused = open(store, &old).await;
    assert!(matches!(refused, Err(VaultError::WrongRootKey { term: 1 })));
    let restarted = open(store, &next).await.unwrap();
    assert!(read(store, &restarted, &held).await.is_ok());
    // A process that runs seals and opens with what it has in memory.
    assert!(read(store, &sealing.vault, &held).await.is_ok());
    let newer = sealing.write("auth_overrides.secret", 2).await;
    for vault in [&sealing.vault, &restarted] {
        assert!(read(store, vault, &newer).await.is_ok());
    }
    // It cannot follow to a term that it never unlocked.
    let moved = vault_upkeep::rotate_sealing_key(store, &restarted, &permit).await;
    assert_eq!(moved.unwrap(), 1);
    let values = auth_overrides::all_sealed(store).await.unwrap();
    let moved = Held {
        bytes: values[0].sealed_values.clone(),
        ..newer
    };
    assert!(read(store, &restarted, &moved).await.is_ok());
    let refused = read(store, &sealing.vault, &moved).await;
    assert!(
        matches!(refused, Err(VaultError::WrongRootKey { term: 2 })),
        "{refused:?}"
    );
}

pub(crate) async fn t54_every_value_is_sealed_anew_while_control_planes_run(scene: Scene) {
    let sealing = Arc::new(Sealing::new(scene).await);
    let mut before = Vec::new();
    for place in PLACES {
        before.push(sealing.write(place, 1).await);
    }
    // Somebody writes all the time.
    let writing = tokio::spawn({
        let sealing = Arc::clone(&sealing);
        async move {
            for revision in 2..30 {
                sealing.write("auth_overrides.secret", revision).await;
            }
        }
    });
    let store = &sealing.scene.store;
    let other = open(store, &sealing.root_key).await.unwrap();
    let permit = authorize::operator();
    let count = vault_upkeep::rotate_sealing_key(store, &other, &permit)
        .await
        .unwrap();
    assert!((5..=6).contains(&count), "{count}");
    writing.await.unwrap();

    let terms = key_terms::list(store).await.unwrap();
    let terms: Vec<_> = terms.iter().map(|term| term.term).collect();
    assert_eq!(terms, [2], "the old key is destroyed");
    let override_of = auth_overrides::all_sealed(store).await.unwrap().remove(0);
    let mut client_secrets = identity_providers::all_client_secrets(store).await.unwrap();
    let secrets = servers::secrets(store, sealing.server)
        .await
        .unwrap()
        .unwrap();
    let now = [
        override_of.sealed_values,
        client_secrets.remove(0).1.bytes,
        secrets.additional_headers.unwrap().bytes,
        secrets.auth.unwrap().bytes,
        session_keys::list(store)
            .await
            .unwrap()
            .remove(0)
            .sealed_key,
        signing_keys::all_sealed(store).await.unwrap().remove(0).1,
    ];
    let mut seen = BTreeSet::new();
    for (old, bytes) in before.iter().zip(now) {
        let place = old.binding.place();
        let revision = match place.as_str() {
            "auth_overrides.secret" => 29,
            _ => 1,
        };
        let held = Held {
            binding: sealing.binding(&place, revision),
            bytes,
        };
        assert_eq!(held.bytes[4], 2);
        for opened in sealing.tried(&other, &held).await {
            assert_eq!(opened.unwrap(), format!("{place} {revision}").into_bytes());
        }
        // What an older term sealed is nothing any more, wherever it is put.
        sealing.put_back(old).await;
        for opened in sealing.tried(&other, old).await {
            assert!(opened.is_err());
        }
        sealing.put_back(&held).await;
        seen.insert(place);
    }
    assert_eq!(seen, PLACES.map(ToOwned::to_owned).into());
    let found = sealing.vault.verify().await.unwrap();
    assert!(found.put_back.is_empty() && found.missing.is_empty());
}

pub(crate) async fn a_transaction_opens_what_it_reads_whatever_happens_meanwhile(scene: Scene) {
    let sealing = Sealing::new(scene).await;
    let held = sealing.write("auth_overrides.secret", 1).await;
    let store = &sealing.scene.store;
    let mut tx = store.begin_read().await.unwrap();
    let found = auth_overrides::find_sealed(&mut tx, sealing.server, sealing.record.subject).await;
    assert_eq!(found.unwrap().unwrap().sealed_values, held.bytes);
    let newer = sealing.write("auth_overrides.secret", 2).await;
    assert!(read(store, &sealing.vault, &newer).await.is_ok());
    assert!(read(store, &sealing.vault, &held).await.is_err());
    let opened = sealing
        .vault
        .open_value(&mut tx, &held.binding, &held.bytes)
        .await;
    assert_eq!(opened.unwrap().as_slice(), b"auth_overrides.secret 1");
    drop(tx);
    // What is undone is not believed by anybody.
    let mut undone = store.begin().await.unwrap();
    let binding = sealing.binding("auth_overrides.secret", 3);
    let bytes = sealing
        .vault
        .seal(&mut undone, &binding, b"3")
        .await
        .unwrap();
    let opened = sealing
        .vault
        .open_value(&mut undone, &binding, &bytes)
        .await;
    assert_eq!(opened.unwrap().as_slice(), b"3");
    drop(undone);
    assert!(read(store, &sealing.vault, &newer).await.is_ok());
    let held = Held { binding, bytes };
    assert!(read(store, &sealing.vault, &held).await.is_err());
}
