use std::sync::Arc;

use warder_control_plane::domain::AuthOverride;
use warder_control_plane::store::{Store, auth_overrides, key_terms};
use warder_control_plane::vault::{Binding, RootKey, Vault, VaultError};
use warder_shared::id::OverrideId;
use warder_shared::principal::Principal;

use crate::support::Scene;

async fn vault(store: Store, root_key: &secrecy::SecretString) -> Vault {
    Vault::open(store, RootKey::parse(root_key).unwrap())
        .await
        .unwrap()
}

fn binding(record: &AuthOverride) -> Binding {
    let (server, origin) = (record.server_id, record.origin.as_str());
    Binding::auth_override(record.id, server, record.subject, origin, record.revision)
}

pub(crate) async fn t52_sealed_columns_that_were_swapped_do_not_open(scene: Scene) {
    let vault = vault(scene.store.clone(), &RootKey::generate().unwrap()).await;
    let server = scene.server("github").await;
    let mut records = Vec::new();
    for address in ["ada@example.com", "bob@example.com"] {
        let record = AuthOverride {
            id: OverrideId::new(&scene.time.clock()),
            server_id: server.id,
            subject: Principal::User(scene.user(address).await.id),
            hints: [("KEY".to_owned(), String::new())].into(),
            origin: server.origin(),
            revision: 1,
            created_at: scene.time.now(),
            updated_at: scene.time.now(),
        };
        let mut tx = scene.store.begin().await.unwrap();
        let sealed = vault
            .seal(&mut tx, &binding(&record), address.as_bytes())
            .await
            .unwrap();
        auth_overrides::put(&mut tx, &record, &sealed)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        records.push((record, sealed));
    }
    let read = async |index: usize| {
        let record = &records[index].0;
        let found =
            auth_overrides::find_sealed(&scene.store, record.server_id, record.subject).await;
        let found = found.unwrap().unwrap();
        let mut tx = scene.store.begin_read().await.unwrap();
        vault
            .open_value(&mut tx, &binding(&found.record), &found.sealed_values)
            .await
    };
    assert_eq!(read(0).await.unwrap().as_slice(), b"ada@example.com");

    // Whoever can write to the database gives Ada Bob's value, and puts Bob's row back to an older one.
    let mut tx = scene.store.begin().await.unwrap();
    auth_overrides::put(&mut tx, &records[0].0, &records[1].1)
        .await
        .unwrap();
    let newer = AuthOverride {
        revision: 2,
        ..records[1].0.clone()
    };
    auth_overrides::put(&mut tx, &newer, &records[1].1)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    for index in [0, 1] {
        let opened = read(index).await;
        assert!(
            matches!(opened, Err(VaultError::Tampered { .. })),
            "{opened:?}"
        );
    }
}

pub(crate) async fn t53_replicas_that_seal_at_once_do_not_lose_count(scene: Scene) {
    const VALUES: i64 = 20;
    let root_key = Arc::new(RootKey::generate().unwrap());
    let first = vault(scene.store.clone(), &root_key).await;
    let scene = Arc::new(scene);
    let sealing = (0..VALUES).map(|number| {
        let (scene, root_key, first) = (Arc::clone(&scene), Arc::clone(&root_key), first.clone());
        tokio::spawn(async move {
            let other = scene.replica().await;
            let second = vault(other.clone(), &root_key).await;
            let (store, vault) = if number % 2 == 0 {
                (&scene.store, first)
            } else {
                (&other, second)
            };
            let mut tx = store.begin().await.unwrap();
            let binding = Binding::session_key(&number.to_string());
            vault.seal(&mut tx, &binding, b"key").await.unwrap();
            tx.commit().await.unwrap();
        })
    });
    for sealed in sealing.collect::<Vec<_>>() {
        sealed.await.unwrap();
    }
    let terms = key_terms::list(&scene.store).await.unwrap();
    assert_eq!(
        terms
            .iter()
            .map(|term| term.encryptions)
            .collect::<Vec<_>>(),
        [VALUES]
    );
}
