use chrono::Duration;
use secrecy::ExposeSecret as _;
use warder_control_plane::domain::{SecretMap, Server, ServerAuth, UserStatus};
use warder_control_plane::service::resolve::ResolveFailure;
use warder_control_plane::store::{collaborators, users};
use warder_shared::id::{ServerId, VirtualAccountId};
use warder_shared::principal::{Principal, Subject};

use crate::planes::scene::Plane;
use crate::support::server;

fn individual(plane: &Plane, name: &str) -> Server {
    let template = "Bearer {{KEY}}".parse().unwrap();
    let headers = [("Authorization".to_owned(), template)].into();
    Server {
        auth: ServerAuth::IndividualHeader { headers },
        ..server(&plane.scene.time, name)
    }
}

fn shared(plane: &Plane, name: &str) -> Server {
    let names = vec!["X-Key".to_owned()];
    Server {
        auth: ServerAuth::SharedHeader { names },
        ..server(&plane.scene.time, name)
    }
}

fn text(headers: &SecretMap) -> Vec<String> {
    headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.expose_secret()))
        .collect()
}

#[tokio::test]
async fn t62_each_caller_gets_their_own_and_nobody_elses() {
    let plane = Plane::new().await;
    let (ada, bob) = (
        plane.user("ada@example.com").await,
        plane.user("bob@example.com").await,
    );
    let written = individual(&plane, "github");
    plane.insert(&written).await;
    plane.permit(&written, Subject::Everyone).await;
    plane.enter(&written, ada, &[("KEY", "key of ada")]).await;
    plane.enter(&written, bob, &[("KEY", "key of bob")]).await;
    for (caller, expected) in [(ada, "key of ada"), (bob, "key of bob")] {
        let (_, token) = plane.token(caller).await;
        let resolved = plane.resolver.resolve(&token, written.id).await.unwrap();
        assert_eq!(
            text(&resolved.auth),
            [format!("Authorization: Bearer {expected}")]
        );
        assert_eq!(resolved.origin, "https://mcp.example:8443");
        assert!(resolved.missing.is_empty());
    }
}

#[tokio::test]
async fn t32_a_user_and_an_account_of_the_same_id_are_two_callers() {
    let plane = Plane::new().await;
    let ada = plane.user("ada@example.com").await;
    let Principal::User(id) = ada else {
        panic!("a user")
    };
    let mut account = crate::support::virtual_account(&plane.scene.time, "robot");
    account.id = VirtualAccountId::from_uuid(id.as_uuid());
    let mut tx = plane.begin().await;
    warder_control_plane::store::virtual_accounts::insert(&mut tx, &account)
        .await
        .unwrap();
    plane.commit(tx).await;
    let robot = Principal::VirtualAccount(account.id);
    let written = individual(&plane, "github");
    plane.insert(&written).await;
    plane.permit(&written, ada).await;
    plane.permit(&written, robot).await;
    plane.enter(&written, ada, &[("KEY", "key of ada")]).await;
    let (_, token) = plane.token(robot).await;
    let resolved = plane.resolver.resolve(&token, written.id).await.unwrap();
    assert_eq!(resolved.missing, ["KEY"]);
    assert!(resolved.auth.is_empty());
}

#[tokio::test]
async fn t62_without_a_callers_live_token_nothing_is_given_out() {
    let plane = Plane::new().await;
    let ada = plane.user("ada@example.com").await;
    let written = shared(&plane, "github");
    plane.insert(&written).await;
    plane.share(&written, &[("X-Key", "shared key")]).await;
    plane.permit(&written, ada).await;
    let (record, token) = plane.token(ada).await;
    let resolve = async |token: &str| {
        plane
            .resolver
            .resolve(token, written.id)
            .await
            .map(|resolved| text(&resolved.auth))
    };
    assert_eq!(resolve(&token).await.unwrap(), ["X-Key: shared key"]);

    let credential = plane
        .nodes
        .enroll(crate::planes::scene::ENROLLMENT_SECRET, "pod")
        .unwrap();
    let (_, strangers) = Plane::new().await.token(ada).await;
    for bad in ["", "a.b.c", credential.token.expose_secret(), &strangers] {
        let refused = resolve(bad).await;
        assert!(
            matches!(refused, Err(ResolveFailure::Token(_))),
            "{bad}: {refused:?}"
        );
    }

    let Principal::User(id) = ada else {
        panic!("a user")
    };
    let mut person = users::find(&plane.scene.store, id).await.unwrap().unwrap();
    for (status, accepted) in [(UserStatus::Disabled, false), (UserStatus::Active, true)] {
        person.status = status;
        let mut tx = plane.begin().await;
        users::update(&mut tx, &person).await.unwrap();
        plane.commit(tx).await;
        assert_eq!(resolve(&token).await.is_ok(), accepted, "{status}");
    }
    plane.revoke(&record).await;
    assert!(matches!(
        resolve(&token).await,
        Err(ResolveFailure::Caller(_))
    ));
    let (_, token) = plane.token(ada).await;
    plane.scene.time.advance(Duration::days(2));
    assert!(matches!(
        resolve(&token).await,
        Err(ResolveFailure::Token(_))
    ));
}

#[tokio::test]
async fn t62_a_server_without_access_does_not_exist() {
    let plane = Plane::new().await;
    let ada = plane.user("ada@example.com").await;
    let written = shared(&plane, "github");
    plane.insert(&written).await;
    plane.share(&written, &[("X-Key", "shared key")]).await;
    let (_, token) = plane.token(ada).await;
    let resolve = async |id| plane.resolver.resolve(&token, id).await.map(drop);
    let nowhere = ServerId::new(&plane.scene.time.clock());
    for id in [written.id, nowhere] {
        assert!(matches!(
            resolve(id).await,
            Err(ResolveFailure::NoSuchServer)
        ));
    }
    plane.permit(&written, ada).await;
    assert!(resolve(written.id).await.is_ok());
    let mut tx = plane.begin().await;
    collaborators::delete(&mut tx, written.id, ada.into())
        .await
        .unwrap();
    plane.commit(tx).await;
    assert!(matches!(
        resolve(written.id).await,
        Err(ResolveFailure::NoSuchServer)
    ));
}

#[tokio::test]
async fn additional_headers_come_along_also_while_values_are_missing() {
    let plane = Plane::new().await;
    let ada = plane.user("ada@example.com").await;
    let written = individual(&plane, "github");
    plane.insert(&written).await;
    plane.add_headers(&written, &[("X-Team", "blue")]).await;
    plane.permit(&written, ada).await;
    let (_, token) = plane.token(ada).await;
    let resolved = plane.resolver.resolve(&token, written.id).await.unwrap();
    assert_eq!(text(&resolved.additional), ["X-Team: blue"]);
    assert_eq!(
        (text(&resolved.auth).len(), resolved.missing),
        (0, vec!["KEY".to_owned()])
    );
}

#[tokio::test]
async fn t29_secrets_stay_with_the_origin_that_they_were_entered_for() {
    let plane = Plane::new().await;
    let ada = plane.user("ada@example.com").await;
    let (_, token) = plane.token(ada).await;
    let mut common = shared(&plane, "common");
    let mut own = individual(&plane, "own");
    for server in [&common, &own] {
        plane.insert(server).await;
        plane.permit(server, ada).await;
    }
    plane.share(&common, &[("X-Key", "shared key")]).await;
    plane.enter(&own, ada, &[("KEY", "key of ada")]).await;
    plane.enter(&common, ada, &[("X-Key", "key of ada")]).await;

    for server in [&mut common, &mut own] {
        server.url = "https://evil.example/mcp".parse().unwrap();
        server.revision += 1;
        plane.update(server).await;
    }
    let refused = plane.resolver.resolve(&token, common.id).await.map(drop);
    assert!(
        matches!(refused, Err(ResolveFailure::Quarantined(_))),
        "{refused:?}"
    );
    let resolved = plane.resolver.resolve(&token, own.id).await.unwrap();
    assert!(resolved.auth.is_empty());
    assert_eq!(resolved.missing, ["KEY"]);

    // The manager confirms by entering the shared key again; what Ada entered still waits for Ada.
    plane.share(&common, &[("X-Key", "shared key")]).await;
    let resolved = plane.resolver.resolve(&token, common.id).await.unwrap();
    assert!(
        resolved.auth.is_empty(),
        "not somebody else's key instead of hers"
    );
    assert_eq!(resolved.missing, ["X-Key"]);
    assert_eq!(resolved.origin, "https://evil.example");
}
