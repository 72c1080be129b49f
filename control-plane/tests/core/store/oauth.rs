use chrono::Duration;
use serde_json::json;
use warder_control_plane::domain::oauth_grant::{CODE_LIFETIME, GRANT_LIFETIME};
use warder_control_plane::domain::{
    AuthorizationCode, Change, KnownBy, OAuthClient, OAuthGrant, RedirectUri, RegisteredClient,
    User,
};
use warder_control_plane::store::{oauth_clients, oauth_codes, oauth_grants, users};
use warder_shared::id::GrantId;
use warder_shared::oauth::Scopes;

use crate::support::{Scene, Time};

const SEALED: &[u8] = b"sealed";

fn client(time: &Time, id: &str) -> RegisteredClient {
    let metadata = json!({"client_name": "Client", "contacts": ["a@example.com"], "x": {"y": [1]}});
    RegisteredClient {
        client: OAuthClient {
            id: id.to_owned(),
            name: "Client".to_owned(),
            redirect_uris: vec![RedirectUri::parse("http://127.0.0.1/cb", &[]).unwrap()],
            refreshes: true,
            known_by: KnownBy::Registration,
        },
        secret_hash: Some(vec![0, 1, 255]),
        metadata: metadata.as_object().unwrap().clone(),
        registered_from: vec![7; 32],
        created_at: time.now(),
        last_used_at: None,
    }
}

fn grant(time: &Time, user: &User) -> OAuthGrant {
    let now = time.now();
    OAuthGrant {
        id: GrantId::new(&time.clock()),
        user: user.id,
        client_id: "client".to_owned(),
        client_name: "Client".to_owned(),
        redirect_uri: "http://127.0.0.1:9/cb".to_owned(),
        resource: "https://gateway.example.com/mcp/demo/server".to_owned(),
        scopes: Scopes::Read,
        refreshes: true,
        generation: 0,
        rotated_at: None,
        created_at: now,
        redeemed_at: None,
        last_used_at: now,
        expires_at: now + GRANT_LIFETIME,
        revoked_at: None,
    }
}

async fn insert(scene: &Scene, grant: &OAuthGrant) {
    let mut tx = scene.store.begin().await.unwrap();
    oauth_grants::insert(&mut tx, grant, SEALED).await.unwrap();
    tx.commit().await.unwrap();
}

pub(crate) async fn a_client_survives_writing_and_reading(scene: Scene) {
    let client = client(&scene.time, "one");
    let mut tx = scene.store.begin().await.unwrap();
    oauth_clients::insert(&mut tx, &client).await.unwrap();
    tx.commit().await.unwrap();
    let found = oauth_clients::find(&scene.store, "one").await.unwrap();
    assert_eq!(found, Some(client));
    assert!(
        oauth_clients::find(&scene.store, "ONE")
            .await
            .unwrap()
            .is_none()
    );
}

pub(crate) async fn t41_clients_are_counted_and_forgotten(scene: Scene) {
    let start = scene.time.now();
    for id in ["unused", "used"] {
        let mut tx = scene.store.begin().await.unwrap();
        oauth_clients::insert(&mut tx, &client(&scene.time, id))
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    scene.time.advance(Duration::hours(1));
    let touch = async |id| {
        let mut tx = scene.store.begin().await.unwrap();
        let recent = tx.now() - Duration::hours(12);
        oauth_clients::touch(&mut tx, id, recent).await.unwrap();
        tx.commit().await.unwrap();
    };
    touch("used").await;
    let noted = scene.time.now();
    scene.time.advance(Duration::hours(1));
    touch("used").await;
    let used = oauth_clients::find(&scene.store, "used")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(used.last_used_at, Some(noted), "noted once in a while only");

    assert_eq!(oauth_clients::count_unused(&scene.store).await.unwrap(), 1);
    let count = async |address: &[u8], since| {
        oauth_clients::count_from(&scene.store, address, since)
            .await
            .unwrap()
    };
    assert_eq!(count(&[7; 32], start - Duration::seconds(1)).await, 2);
    assert_eq!(count(&[7; 32], start).await, 0);
    assert_eq!(count(&[8; 32], start - Duration::seconds(1)).await, 0);

    let delete = async |unused, inactive| {
        let mut tx = scene.store.begin().await.unwrap();
        let deleted = oauth_clients::delete_idle(&mut tx, unused, inactive)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        deleted
    };
    assert_eq!(delete(start, noted).await, 0);
    assert_eq!(delete(start + Duration::seconds(1), noted).await, 1);
    assert!(
        oauth_clients::find(&scene.store, "unused")
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(delete(start, noted + Duration::seconds(1)).await, 1);
}

pub(crate) async fn a_grant_survives_writing_and_reading(scene: Scene) {
    let user = scene.user("ada@example.com").await;
    let mut grant = grant(&scene.time, &user);
    insert(&scene, &grant).await;
    let found = oauth_grants::find(&scene.store, grant.id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&grant));
    let secret = oauth_grants::sealed_secret(&scene.store, grant.id)
        .await
        .unwrap();
    assert_eq!(secret.as_deref(), Some(SEALED));
    let live = async || {
        let now = scene.time.now();
        oauth_grants::live_of_user(&scene.store, user.id, now)
            .await
            .unwrap()
    };
    assert_eq!(live().await, [], "nobody redeemed it yet");

    scene.time.advance(Duration::seconds(5));
    grant.generation = 3;
    grant.rotated_at = Some(scene.time.now());
    grant.redeemed_at = Some(scene.time.now());
    grant.last_used_at = scene.time.now();
    let mut tx = scene.store.begin().await.unwrap();
    oauth_grants::update_progress(&mut tx, &grant)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(live().await, [grant.clone()]);
    scene.time.advance(GRANT_LIFETIME);
    assert_eq!(live().await, [], "its time is over");

    let mut tx = scene.store.begin().await.unwrap();
    users::delete(&mut tx, user.id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        oauth_grants::find(&scene.store, grant.id).await.unwrap(),
        None
    );
}

pub(crate) async fn a_grant_is_revoked_once(scene: Scene) {
    let user = scene.user("ada@example.com").await;
    let grant = grant(&scene.time, &user);
    insert(&scene, &grant).await;
    let version = scene.version().await;
    for expected in [true, false] {
        let mut tx = scene.store.begin().await.unwrap();
        assert_eq!(
            oauth_grants::revoke(&mut tx, grant.id).await.unwrap(),
            expected
        );
        tx.commit().await.unwrap();
    }
    assert_eq!(
        scene.changes_since(version).await,
        [Change::RevokedGrant(grant.id)]
    );
    let now = scene.time.now();
    let revoked = async |since| {
        oauth_grants::revoked_since(&scene.store, since)
            .await
            .unwrap()
    };
    assert_eq!(revoked(now).await, []);
    let revoked = revoked(now - Duration::seconds(1)).await;
    assert_eq!(revoked[0].revoked_at, Some(now));
}

pub(crate) async fn grants_that_are_over_are_forgotten(scene: Scene) {
    let user = scene.user("ada@example.com").await;
    let now = scene.time.now();
    let redeemed = OAuthGrant {
        redeemed_at: Some(now),
        ..grant(&scene.time, &user)
    };
    let over = OAuthGrant {
        expires_at: now - Duration::hours(1),
        ..redeemed.clone()
    };
    let revoked = OAuthGrant {
        revoked_at: Some(now - Duration::hours(1)),
        ..redeemed.clone()
    };
    let mut ids = Vec::new();
    for (made, kept) in [(redeemed, true), (over, false), (revoked, false)] {
        let made = OAuthGrant {
            id: GrantId::new(&scene.time.clock()),
            ..made
        };
        insert(&scene, &made).await;
        ids.push((made.id, kept));
    }
    let waiting = grant(&scene.time, &user);
    insert(&scene, &waiting).await;
    let delete = async |limit| {
        let mut tx = scene.store.begin().await.unwrap();
        let deleted = oauth_grants::delete_over(&mut tx, limit).await.unwrap();
        assert_eq!(tx.take_dropped_seals().len(), deleted);
        tx.commit().await.unwrap();
        deleted
    };
    assert_eq!(delete(now).await, 2);
    for (id, kept) in ids {
        let found = oauth_grants::find(&scene.store, id).await.unwrap();
        assert_eq!(found.is_some(), kept);
    }
    assert_eq!(
        delete(now + Duration::seconds(1)).await,
        1,
        "the one that waited in vain"
    );
}

pub(crate) async fn t39_a_code_is_taken_once(scene: Scene) {
    let user = scene.user("ada@example.com").await;
    let grant = grant(&scene.time, &user);
    insert(&scene, &grant).await;
    let code = AuthorizationCode {
        hash: vec![5; 32],
        grant: grant.id,
        challenge: "c".repeat(43),
        expires_at: scene.time.now() + CODE_LIFETIME,
        used_at: None,
    };
    let mut tx = scene.store.begin().await.unwrap();
    oauth_codes::insert(&mut tx, &code).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        oauth_codes::find(&scene.store, &[5; 32]).await.unwrap(),
        Some(code.clone())
    );
    assert_eq!(
        oauth_codes::find(&scene.store, &[6; 32]).await.unwrap(),
        None
    );
    let takers = (0..8).map(|_| {
        let store = scene.store.clone();
        tokio::spawn(async move {
            let mut tx = store.begin().await.unwrap();
            let taken = oauth_codes::take(&mut tx, &[5; 32]).await.unwrap();
            tx.commit().await.unwrap();
            taken
        })
    });
    let mut taken = Vec::new();
    for taker in takers.collect::<Vec<_>>() {
        taken.extend(taker.await.unwrap());
    }
    let used = AuthorizationCode {
        used_at: Some(scene.time.now()),
        ..code
    };
    assert_eq!(taken, std::slice::from_ref(&used), "for one of them");
    assert_eq!(
        oauth_codes::find(&scene.store, &[5; 32]).await.unwrap(),
        Some(used.clone())
    );
    for (limit, deleted) in [
        (used.expires_at, 0),
        (used.expires_at + Duration::seconds(1), 1),
    ] {
        let mut tx = scene.store.begin().await.unwrap();
        assert_eq!(
            oauth_codes::delete_expired(&mut tx, limit).await.unwrap(),
            deleted
        );
        tx.commit().await.unwrap();
    }
}
