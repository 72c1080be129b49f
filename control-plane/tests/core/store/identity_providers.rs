use std::collections::HashSet;

use chrono::Duration;
use serde_json::json;
use warder_control_plane::domain::{
    Change, ClaimMapping, IdentityProvider, Login, MappingTarget, PageRequest, ProviderKeys,
    ResolveTo, UserIdentity,
};
use warder_control_plane::store::{
    Sealed, StoreError, identity_provider_keys as keys, identity_provider_mappings as mappings,
    identity_providers as providers, servers, teams, user_identities as identities, users,
};
use warder_shared::id::{IdentityProviderId, TeamId, UserId};
use warder_shared::policy::{Grant, Role};
use warder_shared::principal::{Principal, Subject};

use crate::support::{Scene, identity_provider, name, settle};

async fn changed(scene: &Scene, before: i64) -> HashSet<Change> {
    scene.changes_since(before).await.into_iter().collect()
}

fn mapping(provider: &IdentityProvider, value: &str) -> ClaimMapping {
    ClaimMapping {
        provider: provider.id,
        value: value.to_owned(),
    }
}

fn identity(scene: &Scene, provider: IdentityProviderId, who: (&str, UserId)) -> UserIdentity {
    let (subject, user) = (who.0.to_owned(), who.1);
    UserIdentity {
        provider,
        subject,
        user,
        created_at: scene.time.now(),
    }
}

async fn bind(scene: &Scene, provider: IdentityProviderId, who: (&str, UserId)) {
    let mut tx = scene.store.begin().await.unwrap();
    identities::insert(&mut tx, &identity(scene, provider, who))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn map(scene: &Scene, target: MappingTarget, values: &[ClaimMapping]) -> bool {
    let mut tx = scene.store.begin().await.unwrap();
    let changed = mappings::replace(&mut tx, target, values).await.unwrap();
    tx.commit().await.unwrap();
    changed
}

async fn say_groups(
    scene: &Scene,
    provider: IdentityProviderId,
    user: UserId,
    groups: &[&str],
) -> bool {
    let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
    let mut tx = scene.store.begin().await.unwrap();
    let news = identities::replace_groups(&mut tx, provider, user, &groups)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    news
}

async fn teams_of(scene: &Scene, user: UserId) -> Vec<TeamId> {
    let teams = teams::of_user(&scene.store, user).await.unwrap();
    teams.into_iter().map(|team| team.id).collect()
}

pub(crate) async fn a_provider_survives_writing_and_reading(scene: Scene) {
    let before = scene.version().await;
    let mut written = scene.identity_provider("okta").await;
    assert_eq!(
        scene.changes_since(before).await,
        [Change::IdentityProvider(written.id)]
    );
    let found = providers::find(&scene.store, written.id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&written));

    written.issuer = "https://other.example/realms/a".to_owned();
    written.configuration.jwks_uri = Some("https://other.example/jwks".parse().unwrap());
    written.configuration.token_types = vec![None, Some("JWT".to_owned())];
    let values = vec![json!("a"), json!(1), json!(true)];
    let path = "kubernetes.io~1serviceaccount/name".parse().unwrap();
    written.configuration.required_claims = [(path, values)].into();
    written.configuration.resolve_to = ResolveTo::VirtualAccount {
        claim: "client_id".parse().unwrap(),
    };
    written.configuration.login = Some(Login {
        enabled: false,
        client_id: "warder".to_owned(),
        scopes: vec!["openid".to_owned()],
    });
    written.revision = 2;
    written.updated_at += Duration::seconds(1);
    let mut tx = scene.store.begin().await.unwrap();
    assert!(providers::update(&mut tx, &written).await.unwrap());
    let stranger = identity_provider(&scene.time, "nobody");
    assert!(!providers::update(&mut tx, &stranger).await.unwrap());
    tx.commit().await.unwrap();
    let found = providers::find_by_name(&scene.store, &name("okta"))
        .await
        .unwrap();
    assert_eq!(found.as_ref(), Some(&written));

    let azure = scene.identity_provider("azure").await;
    let first = providers::list(&scene.store, &PageRequest::first(1))
        .await
        .unwrap();
    assert_eq!(
        (first.items, first.next),
        (vec![azure.clone()], Some(name("azure")))
    );
    assert_eq!(
        providers::all(&scene.store).await.unwrap(),
        [azure, written]
    );
}

pub(crate) async fn two_providers_cannot_share_an_issuer(scene: Scene) {
    let okta = scene.identity_provider("okta").await;
    let azure = scene.identity_provider("azure").await;
    let mut tx = scene.store.begin().await.unwrap();
    let twin = IdentityProvider {
        issuer: okta.issuer.clone(),
        ..azure.clone()
    };
    let taken = providers::update(&mut tx, &twin).await;
    assert!(matches!(taken, Err(StoreError::Conflict)), "{taken:?}");
    drop(tx);
    let mut tx = scene.store.begin().await.unwrap();
    let twin = identity_provider(&scene.time, "okta");
    let taken = providers::insert(&mut tx, &twin).await;
    assert!(matches!(taken, Err(StoreError::Conflict)), "{taken:?}");
}

pub(crate) async fn a_client_secret_is_apart(scene: Scene) {
    let okta = scene.identity_provider("okta").await;
    let read = async || {
        providers::client_secret(&scene.store, okta.id)
            .await
            .unwrap()
    };
    assert_eq!(read().await, None);
    let sealed = Sealed {
        bytes: vec![0, 1, 255],
        origin: "https://okta.example".to_owned(),
        revision: 7,
    };
    for secret in [Some(&sealed), None, Some(&sealed)] {
        let mut tx = scene.store.begin().await.unwrap();
        providers::set_client_secret(&mut tx, okta.id, secret)
            .await
            .unwrap();
        if secret.is_none() {
            settle(&mut tx);
        }
        tx.commit().await.unwrap();
        assert_eq!(read().await.as_ref(), secret);
    }
    let mut tx = scene.store.begin().await.unwrap();
    providers::update(&mut tx, &okta).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(read().await, Some(sealed));
}

pub(crate) async fn keys_are_read_by_one_at_a_time(scene: Scene) {
    let okta = scene.identity_provider("okta").await;
    let now = || scene.time.now();
    let due = async || keys::due(&scene.store, scene.time.now()).await.unwrap();
    let claim = async || {
        let mut tx = scene.store.begin().await.unwrap();
        let until = tx.now() + Duration::seconds(60);
        let won = keys::claim(&mut tx, okta.id, until).await.unwrap();
        tx.commit().await.unwrap();
        won
    };
    assert_eq!(due().await, [okta.id]);
    assert!(claim().await);
    assert!(!claim().await, "somebody else's turn");
    assert!(due().await.is_empty());
    scene.time.advance(Duration::seconds(60));
    assert_eq!(due().await, [okta.id]);
    assert!(claim().await);

    let ask = async || {
        let mut tx = scene.store.begin().await.unwrap();
        let since = tx.now() - Duration::seconds(30);
        let won = keys::ask(&mut tx, okta.id, since).await.unwrap();
        tx.commit().await.unwrap();
        won
    };
    assert_eq!(keys::asked_at(&scene.store, okta.id).await.unwrap(), None);
    assert!(ask().await);
    let asked_at = now();
    scene.time.advance(Duration::seconds(29));
    assert!(!ask().await);
    assert_eq!(
        keys::asked_at(&scene.store, okta.id).await.unwrap(),
        Some(asked_at)
    );
    scene.time.advance(Duration::seconds(1));
    assert!(ask().await);
}

pub(crate) async fn other_keys_are_a_change_and_the_same_are_none(scene: Scene) {
    let okta = scene.identity_provider("okta").await;
    let now = scene.time.now();
    let mut read = ProviderKeys {
        provider: okta.id,
        metadata: None,
        jwks_uri: Some("https://okta.example/keys".parse().unwrap()),
        jwks: Some(json!({"keys": [{"kid": "a", "kty": "OKP"}]})),
        fetched_at: Some(now),
        checked_at: Some(now),
        error: None,
    };
    let put = async |read: &ProviderKeys| {
        let before = scene.version().await;
        let mut tx = scene.store.begin().await.unwrap();
        keys::put(&mut tx, read, now + Duration::minutes(10))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let found = keys::find(&scene.store, okta.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(read));
        scene.changes_since(before).await
    };
    let change = [Change::IdentityProvider(okta.id)];
    assert_eq!(put(&read).await, change);
    read.error = Some("does not answer".to_owned());
    read.checked_at = Some(now + Duration::seconds(1));
    assert_eq!(put(&read).await, []);
    read.jwks = Some(json!({"keys": [{"kid": "b", "kty": "OKP"}]}));
    assert_eq!(put(&read).await, change);
    read.jwks = None;
    assert_eq!(put(&read).await, change);
    assert_eq!(keys::all(&scene.store).await.unwrap(), [read]);

    let mut tx = scene.store.begin().await.unwrap();
    keys::delete(&mut tx, okta.id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(keys::find(&scene.store, okta.id).await.unwrap(), None);
    assert_eq!(keys::due(&scene.store, now).await.unwrap(), [okta.id]);
}

pub(crate) async fn t05_a_subject_is_exact_and_belongs_to_its_provider(scene: Scene) {
    let okta = scene.identity_provider("okta").await;
    let azure = scene.identity_provider("azure").await;
    let subjects = [
        "1",
        "1 ",
        "01",
        "A",
        "a",
        "1\0",
        "1\u{fffd}",
        "é",
        "e\u{301}",
    ];
    let mut bound = Vec::new();
    for (number, subject) in subjects.iter().enumerate() {
        for provider in [&okta, &azure] {
            let user = scene
                .user(&format!("{number}@{}.example", provider.name))
                .await;
            bind(&scene, provider.id, (subject, user.id)).await;
            bound.push((provider.id, *subject, user.id));
        }
    }
    for (provider, subject, user) in bound {
        let found = identities::find(&scene.store, provider, subject)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((found.user, found.subject.as_str()), (user, subject));
    }
    for stranger in ["", "2", " 1", "B"] {
        let found = identities::find(&scene.store, okta.id, stranger).await;
        assert_eq!(found.unwrap(), None, "{stranger:?}");
    }
    let all = identities::all(&scene.store).await.unwrap();
    assert_eq!(all.len(), 2 * subjects.len());
}

pub(crate) async fn t05_a_provider_has_one_subject_for_a_user(scene: Scene) {
    let okta = scene.identity_provider("okta").await;
    let azure = scene.identity_provider("azure").await;
    let ada = scene.user("ada@example.com").await;
    let bob = scene.user("bob@example.com").await;
    let before = scene.version().await;
    bind(&scene, okta.id, ("1", ada.id)).await;
    assert_eq!(scene.changes_since(before).await, [Change::User(ada.id)]);
    bind(&scene, azure.id, ("1", ada.id)).await;
    for who in [("2", ada.id), ("1", bob.id)] {
        let mut tx = scene.store.begin().await.unwrap();
        let refused = identities::insert(&mut tx, &identity(&scene, okta.id, who)).await;
        assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    }
    let nobody = UserId::new(&scene.time.clock());
    let mut tx = scene.store.begin().await.unwrap();
    let refused = identities::insert(&mut tx, &identity(&scene, okta.id, ("3", nobody))).await;
    assert!(
        matches!(refused, Err(StoreError::MissingReference)),
        "{refused:?}"
    );
    drop(tx);
    let of_ada = identities::of_user(&scene.store, ada.id).await.unwrap();
    assert_eq!(of_ada.len(), 2);

    let mut tx = scene.store.begin().await.unwrap();
    users::delete(&mut tx, ada.id).await.unwrap();
    tx.commit().await.unwrap();
    assert!(identities::all(&scene.store).await.unwrap().is_empty());
}

pub(crate) async fn values_are_mapped_and_unmapped(scene: Scene) {
    let okta = scene.identity_provider("okta").await;
    let (one, other) = (
        scene.virtual_account("one").await,
        scene.virtual_account("other").await,
    );
    let team = scene.team("blue").await;
    let target = MappingTarget::VirtualAccount(one.id);
    let values = [mapping(&okta, "b"), mapping(&okta, "a")];
    let before = scene.version().await;
    assert!(map(&scene, target, &values).await);
    assert!(!map(&scene, target, &values).await);
    assert_eq!(
        scene.changes_since(before).await,
        [Change::VirtualAccount(one.id)]
    );
    let sorted = [values[1].clone(), values[0].clone()];
    let found = mappings::of_target(&scene.store, target).await.unwrap();
    assert_eq!(found, sorted);

    // A value names one virtual account, and any number of teams.
    let mut tx = scene.store.begin().await.unwrap();
    let other = MappingTarget::VirtualAccount(other.id);
    let taken = mappings::replace(&mut tx, other, &values).await;
    assert!(matches!(taken, Err(StoreError::Conflict)), "{taken:?}");
    drop(tx);
    let account = mappings::account_of(&scene.store, &values[0]).await;
    assert_eq!(account.unwrap(), Some(one.id));
    for stranger in ["A", "a ", ""] {
        let account = mappings::account_of(&scene.store, &mapping(&okta, stranger)).await;
        assert_eq!(account.unwrap(), None, "{stranger:?}");
    }
    let green = scene.team("green").await;
    for team in [&team, &green] {
        assert!(map(&scene, MappingTarget::Team(team.id), &values[..1]).await);
    }
    assert_eq!(mappings::all(&scene.store).await.unwrap().len(), 4);
    assert!(map(&scene, target, &[]).await);
    assert!(map(&scene, other, &values[..1]).await);
}

pub(crate) async fn t06_groups_give_teams_as_long_as_they_are_mapped(scene: Scene) {
    let okta = scene.identity_provider("okta").await;
    let azure = scene.identity_provider("azure").await;
    let ada = scene.user("ada@example.com").await;
    let (blue, green) = (scene.team("blue").await, scene.team("green").await);
    bind(&scene, okta.id, ("1", ada.id)).await;
    bind(&scene, azure.id, ("1", ada.id)).await;
    map(
        &scene,
        MappingTarget::Team(blue.id),
        &[mapping(&okta, "dev"), mapping(&azure, "dev")],
    )
    .await;
    let to_green = [mapping(&okta, "ops")];
    map(&scene, MappingTarget::Team(green.id), &to_green).await;

    let before = scene.version().await;
    assert!(say_groups(&scene, okta.id, ada.id, &["dev", "ops", "others"]).await);
    assert!(!say_groups(&scene, okta.id, ada.id, &["ops", "dev", "dev"]).await);
    assert_eq!(scene.changes_since(before).await, [Change::User(ada.id)]);
    assert_eq!(teams_of(&scene, ada.id).await, [blue.id, green.id]);
    let said = identities::teams(&scene.store, Some(ada.id)).await.unwrap();
    assert_eq!(said[&(ada.id, okta.id)].len(), 2);
    assert_eq!(said, identities::teams(&scene.store, None).await.unwrap());

    // What a team may use, its members by claim may see.
    let server = scene.server("github").await;
    let grant = Grant {
        subject: Subject::Team(green.id),
        role: Role::User,
        tools: None,
        deny_tools: Vec::new(),
    };
    let mut tx = scene.store.begin().await.unwrap();
    warder_control_plane::store::collaborators::replace_of_server(&mut tx, server.id, &[grant])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let visible = async || {
        let first = PageRequest::first(5);
        servers::list_visible(&scene.store, Principal::User(ada.id), &first)
            .await
            .unwrap()
            .items
            .len()
    };
    assert_eq!(visible().await, 1);

    // A re-sync takes away only what its own provider gave, and nothing that somebody else did.
    say_groups(&scene, azure.id, ada.id, &["dev"]).await;
    let mut tx = scene.store.begin().await.unwrap();
    teams::replace_members(&mut tx, green.id, &[ada.id])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(say_groups(&scene, okta.id, ada.id, &[]).await);
    assert_eq!(teams_of(&scene, ada.id).await, [blue.id, green.id]);
    assert!(say_groups(&scene, azure.id, ada.id, &[]).await);
    assert_eq!(teams_of(&scene, ada.id).await, [green.id]);
    let mut tx = scene.store.begin().await.unwrap();
    teams::replace_members(&mut tx, green.id, &[])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(visible().await, 0);

    // Unmapping ends it for everybody at once, and mapping again does not bring back what was said.
    say_groups(&scene, okta.id, ada.id, &["ops"]).await;
    assert_eq!(teams_of(&scene, ada.id).await, [green.id]);
    let before = scene.version().await;
    map(&scene, MappingTarget::Team(green.id), &[]).await;
    assert_eq!(
        changed(&scene, before).await,
        [Change::User(ada.id), Change::Team(green.id)].into()
    );
    assert!(teams_of(&scene, ada.id).await.is_empty());
    map(&scene, MappingTarget::Team(green.id), &to_green).await;
    assert!(teams_of(&scene, ada.id).await.is_empty());

    let nobody = scene.user("bob@example.com").await;
    let mut tx = scene.store.begin().await.unwrap();
    let ops = ["ops".to_owned()];
    let refused = identities::replace_groups(&mut tx, okta.id, nobody.id, &ops).await;
    assert!(
        matches!(refused, Err(StoreError::MissingReference)),
        "{refused:?}"
    );
}

pub(crate) async fn deleting_a_provider_deletes_what_hangs_on_it(scene: Scene) {
    let okta = scene.identity_provider("okta").await;
    let ada = scene.user("ada@example.com").await;
    let team = scene.team("blue").await;
    let robot = scene.virtual_account("robot").await;
    bind(&scene, okta.id, ("1", ada.id)).await;
    map(&scene, MappingTarget::Team(team.id), &[mapping(&okta, "x")]).await;
    let account = MappingTarget::VirtualAccount(robot.id);
    map(&scene, account, &[mapping(&okta, "x")]).await;
    say_groups(&scene, okta.id, ada.id, &["x"]).await;
    assert_eq!(
        identities::count_of_provider(&scene.store, okta.id)
            .await
            .unwrap(),
        1
    );

    let before = scene.version().await;
    let mut tx = scene.store.begin().await.unwrap();
    assert!(providers::delete(&mut tx, okta.id).await.unwrap());
    assert!(!providers::delete(&mut tx, okta.id).await.unwrap());
    settle(&mut tx);
    tx.commit().await.unwrap();
    let expected = [
        Change::IdentityProvider(okta.id),
        Change::User(ada.id),
        Change::Team(team.id),
        Change::VirtualAccount(robot.id),
    ];
    assert_eq!(changed(&scene, before).await, expected.into());
    assert!(identities::all(&scene.store).await.unwrap().is_empty());
    assert!(mappings::all(&scene.store).await.unwrap().is_empty());
    assert!(teams_of(&scene, ada.id).await.is_empty());
    let user = users::find(&scene.store, ada.id).await.unwrap();
    assert_eq!(user, Some(ada), "the users stay");
}
