use chrono::Duration;
use warder_control_plane::domain::{Server, ServerAuth, Timeouts, UserStatus};
use warder_control_plane::service::feed::Watcher;
use warder_control_plane::store::{
    changes, collaborators, servers, teams, users, virtual_accounts,
};
use warder_shared::policy::{Grant, Role, ToolPolicy};
use warder_shared::principal::{Principal, Subject};
use warder_shared::proto::v1::change::Change as Wire;
use warder_shared::proto::v1::{self, WatchResponse};
use warder_shared::snapshot::{Proof, Snapshot};

use crate::planes::scene::Plane;
use crate::support::{server, user};

fn wires(response: &WatchResponse) -> Vec<Wire> {
    response
        .changes
        .iter()
        .filter_map(|change| change.change.clone())
        .collect()
}

/// A pod: it applies what it is sent.
struct Pod {
    watcher: Watcher,
    snapshot: Snapshot,
    epoch: String,
    version: u64,
}

impl Pod {
    fn new(plane: &Plane) -> Self {
        let watcher = plane.feed.watch(String::new(), 0);
        Self {
            watcher,
            snapshot: Snapshot::default(),
            epoch: String::new(),
            version: 0,
        }
    }

    async fn step(&mut self, plane: &Plane) -> Vec<Wire> {
        let (mut reset, mut changes) = (false, Vec::new());
        loop {
            let response = self.watcher.next().await;
            reset |= response.reset;
            changes.extend(response.changes);
            if !response.more {
                assert!(reset || response.version >= self.version, "versions grow");
                (self.epoch, self.version) = (response.epoch, response.version);
                break;
            }
        }
        self.snapshot = self
            .snapshot
            .apply(reset, &changes, plane.scene.time.now())
            .unwrap();
        changes
            .into_iter()
            .filter_map(|change| change.change)
            .collect()
    }
}

#[tokio::test]
async fn a_new_pod_is_told_everything() {
    let plane = Plane::new().await;
    let mut ada = plane.scene.user("ada@example.com").await;
    let team = plane.scene.team("blue").await;
    let robot = plane.scene.virtual_account("robot").await;
    let template = "Bearer {{KEY}}".parse().unwrap();
    let written = Server {
        auth: ServerAuth::IndividualHeader {
            headers: [("Authorization".to_owned(), template)].into(),
        },
        tool_policy: ToolPolicy {
            enabled_by_default: false,
            enabled: vec!["read_*".to_owned()],
            disabled: vec!["read_all".to_owned()],
        },
        ca_cert: Some("PEM".to_owned()),
        timeouts: Timeouts {
            connect_ms: Some(5),
            response_ms: None,
            idle_ms: Some(7),
        },
        revision: 3,
        allow_header_override: false,
        ..server(&plane.scene.time, "github")
    };
    let grants = [
        Grant {
            subject: Subject::Team(team.id),
            role: Role::Manager,
            tools: Some(vec!["read_*".to_owned()]),
            deny_tools: vec!["x".to_owned()],
        },
        Grant {
            subject: Subject::VirtualAccount(robot.id),
            role: Role::User,
            tools: None,
            deny_tools: Vec::new(),
        },
    ];
    let mut tx = plane.begin().await;
    ada.status = UserStatus::Disabled;
    users::update(&mut tx, &ada).await.unwrap();
    teams::replace_members(&mut tx, team.id, &[ada.id])
        .await
        .unwrap();
    servers::insert(&mut tx, &written).await.unwrap();
    collaborators::replace_of_server(&mut tx, written.id, &grants)
        .await
        .unwrap();
    plane.commit(tx).await;
    let (token, _) = plane.token(Principal::User(ada.id)).await;
    plane.revoke(&token).await;

    let mut watcher = plane.feed.watch(String::new(), 0);
    let response = watcher.next().await;
    assert!(response.reset && !response.more);
    assert_eq!(
        response.version,
        u64::try_from(plane.scene.version().await).unwrap()
    );
    assert_eq!(
        response.sent_at,
        Some(warder_shared::proto::timestamp(plane.scene.time.now()))
    );
    let told = wires(&response);
    let Wire::Keys(keys) = &told[0] else {
        panic!("keys come first: {told:?}")
    };
    assert_eq!((keys.verifying_keys.len(), keys.session_keys.len()), (1, 1));
    let grant = |subject, role: v1::Role, tools, deny_tools: &[&str]| v1::Grant {
        subject: Some(v1::Subject {
            subject: Some(subject),
        }),
        role: role.into(),
        tools,
        deny_tools: deny_tools.iter().map(|tool| (*tool).to_owned()).collect(),
    };
    let patterns = v1::ToolPatterns {
        patterns: vec!["read_*".to_owned()],
    };
    let team_id = v1::subject::Subject::Team(team.id.to_string());
    let robot_id = v1::subject::Subject::VirtualAccount(robot.id.to_string());
    let expected = [
        Wire::RevokedToken(v1::RevokedToken {
            jti: token.id.to_string(),
            expires_at: Some(warder_shared::proto::timestamp(token.expires_at)),
        }),
        Wire::User(v1::User {
            id: ada.id.to_string(),
            disabled: true,
            team_ids: vec![team.id.to_string()],
            ..Default::default()
        }),
        Wire::VirtualAccount(v1::VirtualAccount {
            id: robot.id.to_string(),
            ..Default::default()
        }),
        Wire::Server(v1::Server {
            id: written.id.to_string(),
            name: "github".to_owned(),
            display_name: "The server github".to_owned(),
            revision: 3,
            url: "https://mcp.example:8443/mcp?x=1".to_owned(),
            grants: vec![
                grant(team_id, v1::Role::Manager, Some(patterns), &["x"]),
                grant(robot_id, v1::Role::User, None, &[]),
            ],
            tool_policy: Some(v1::ToolPolicy {
                enabled_by_default: false,
                enabled: vec!["read_*".to_owned()],
                disabled: vec!["read_all".to_owned()],
            }),
            outbound: Some(v1::Outbound {
                kind: v1::OutboundKind::HeaderIndividual.into(),
                header_names: vec!["Authorization".to_owned()],
                additional_headers: false,
                forwardable: Vec::new(),
            }),
            prompts_enabled: true,
            resources_enabled: false,
            allow_header_override: false,
            ca_cert: "PEM".to_owned(),
            timeouts: Some(v1::Timeouts {
                connect_ms: 5,
                response_ms: 0,
                idle_ms: 7,
            }),
        }),
    ];
    assert_eq!(told[1..], expected);
}

#[tokio::test]
async fn every_way_to_authenticate_upstream_is_told_by_name_only() {
    let plane = Plane::new().await;
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let auths = [
        (ServerAuth::None, v1::OutboundKind::None, &[][..], &[][..]),
        (
            ServerAuth::SharedHeader {
                names: names(&["X-Key"]),
            },
            v1::OutboundKind::HeaderShared,
            &["X-Key"],
            &[],
        ),
        (
            ServerAuth::Forwarding { headers: None },
            v1::OutboundKind::Forwarding,
            &[],
            &[],
        ),
        (
            ServerAuth::Forwarding {
                headers: Some(names(&["X-Own"])),
            },
            v1::OutboundKind::Forwarding,
            &[],
            &["X-Own"],
        ),
    ];
    let mut pod = Pod::new(&plane);
    pod.step(&plane).await;
    for (number, (auth, kind, header_names, forwardable)) in auths.into_iter().enumerate() {
        let written = Server {
            auth,
            ..server(&plane.scene.time, &format!("server-{number}"))
        };
        plane.insert(&written).await;
        plane.share(&written, &[("X-Key", "canary-secret")]).await;
        plane
            .add_headers(&written, &[("X-More", "canary-secret")])
            .await;
        for _ in 0..3 {
            let told = pod.step(&plane).await;
            let [Wire::Server(told)] = told.as_slice() else {
                panic!("one server: {told:?}")
            };
            let outbound = told.outbound.clone().unwrap();
            assert_eq!(outbound.kind(), kind);
            assert_eq!(outbound.header_names, header_names);
            assert_eq!(outbound.forwardable, forwardable);
            assert!(!format!("{told:?}").contains("canary"), "t57: {told:?}");
        }
    }
}

#[tokio::test]
async fn what_somebody_entered_makes_pods_ask_for_it() {
    let plane = Plane::new().await;
    let ada = plane.user("ada@example.com").await;
    let written = server(&plane.scene.time, "github");
    plane.insert(&written).await;
    let mut pod = Pod::new(&plane);
    pod.step(&plane).await;
    plane.enter(&written, ada, &[("X-Key", "own")]).await;
    let told = pod.step(&plane).await;
    let changed = Wire::CredentialChanged(v1::CredentialChanged {
        server_id: written.id.to_string(),
        principal: ada.to_string(),
    });
    assert!(told.contains(&changed), "{told:?}");
    assert!(
        pod.snapshot
            .server("github")
            .unwrap()
            .outbound
            .additional_headers
    );
}

#[tokio::test]
async fn r03_each_commit_is_told_and_pods_end_where_the_database_is() {
    let plane = Plane::new().await;
    let mut pod = Pod::new(&plane);
    pod.step(&plane).await;
    let ada = plane.user("ada@example.com").await;
    let (record, token) = plane.token(ada).await;
    let claims = Proof::Gateway(plane.keys.verify(&token).unwrap());
    let written = server(&plane.scene.time, "github");
    plane.insert(&written).await;
    plane.permit(&written, ada).await;
    for _ in 0..3 {
        pod.step(&plane).await;
    }
    let caller = pod.snapshot.admit(&claims).unwrap();
    let policy = &pod.snapshot.server("github").unwrap().policy;
    assert!(policy.access(caller.principal, &caller.teams).is_some());

    let mut tx = plane.begin().await;
    collaborators::delete(&mut tx, written.id, ada.into())
        .await
        .unwrap();
    plane.commit(tx).await;
    pod.step(&plane).await;
    let policy = &pod.snapshot.server("github").unwrap().policy;
    assert!(policy.access(caller.principal, &caller.teams).is_none());

    plane.revoke(&record).await;
    pod.step(&plane).await;
    assert!(pod.snapshot.admit(&claims).is_err());

    let mut tx = plane.begin().await;
    servers::delete(&mut tx, written.id).await.unwrap();
    plane.vault.settle(&mut tx).await.unwrap();
    let Principal::User(id) = ada else {
        panic!("a user")
    };
    users::delete(&mut tx, id).await.unwrap();
    let robot = short_lived_account(&mut tx, &plane).await;
    plane.commit(tx).await;
    let told = pod.step(&plane).await;
    assert!(told.contains(&Wire::ServerRemoved(written.id.to_string())));
    assert!(told.contains(&Wire::UserRemoved(id.to_string())));
    assert!(told.contains(&Wire::VirtualAccountRemoved(robot)));
    assert!(pod.snapshot.server("github").is_none());
    assert_eq!(
        pod.version,
        u64::try_from(plane.scene.version().await).unwrap()
    );
}

/// A virtual account that is made and removed in one transaction.
async fn short_lived_account(tx: &mut warder_control_plane::store::Tx, plane: &Plane) -> String {
    let account = crate::support::virtual_account(&plane.scene.time, "robot");
    virtual_accounts::insert(tx, &account).await.unwrap();
    virtual_accounts::delete(tx, account.id).await.unwrap();
    account.id.to_string()
}

#[tokio::test]
async fn a_pod_that_comes_back_hears_what_it_missed_and_no_more() {
    let plane = Plane::new().await;
    let ada = plane.scene.user("ada@example.com").await;
    plane.feed.refresh().await.unwrap();
    let start = plane.feed.watch(String::new(), 0).next().await;

    let mut current = plane.feed.watch(start.epoch.clone(), start.version);
    let heartbeat = current.next().await;
    assert!(!heartbeat.reset && heartbeat.changes.is_empty());
    assert_eq!(heartbeat.version, start.version);

    let mut tx = plane.begin().await;
    users::delete(&mut tx, ada.id).await.unwrap();
    plane.commit(tx).await;
    let bob = plane.scene.user("bob@example.com").await;
    plane.feed.refresh().await.unwrap();
    let missed = plane
        .feed
        .watch(start.epoch.clone(), start.version)
        .next()
        .await;
    assert!(!missed.reset);
    assert_eq!(missed.version, start.version + 2);
    let bob = v1::User {
        id: bob.id.to_string(),
        ..Default::default()
    };
    assert_eq!(
        wires(&missed),
        [Wire::UserRemoved(ada.id.to_string()), Wire::User(bob)]
    );
}

#[tokio::test]
async fn t55_a_pod_that_followed_another_history_gets_the_whole_state() {
    let plane = Plane::new().await;
    let start = plane.feed.watch(String::new(), 0).next().await;
    let strangers = [
        ("another-database".to_owned(), start.version),
        (String::new(), start.version),
        // Ahead of the database, which was put back from a backup.
        (start.epoch.clone(), start.version + 1),
        (start.epoch.clone(), u64::MAX),
    ];
    for (epoch, version) in strangers {
        let told = plane.feed.watch(epoch.clone(), version).next().await;
        assert!(told.reset, "{epoch} {version}");
        assert_eq!(told.version, start.version);
    }
}

#[tokio::test]
async fn a_pod_that_is_too_far_behind_gets_the_whole_state() {
    let plane = Plane::new().await;
    let start = plane.feed.watch(String::new(), 0).next().await;
    for number in 0..3 {
        plane.user(&format!("user{number}@example.com")).await;
    }
    let mut tx = plane.begin().await;
    changes::forget(&mut tx, 2).await.unwrap();
    tx.commit().await.unwrap();
    let told = plane
        .feed
        .watch(start.epoch.clone(), start.version)
        .next()
        .await;
    assert!(told.reset);
    let told = plane
        .feed
        .watch(start.epoch, start.version + 1)
        .next()
        .await;
    assert!(!told.reset);
}

#[tokio::test]
async fn a_slow_pod_catches_up() {
    const COMMITS: usize = 300;
    let plane = Plane::new().await;
    let mut pod = Pod::new(&plane);
    pod.step(&plane).await;
    for number in 0..COMMITS {
        let ada = user(&plane.scene.time, &format!("user{number}@example.com"));
        let mut tx = plane.begin().await;
        users::insert(&mut tx, &ada).await.unwrap();
        plane.commit(tx).await;
    }
    let mut told = 0;
    while pod.version < u64::try_from(plane.scene.version().await).unwrap() {
        told += pod.step(&plane).await.len();
    }
    assert_eq!(told, COMMITS, "each change once, in fewer steps");
}

#[tokio::test]
async fn r20_a_pod_hears_a_heartbeat_every_five_seconds_while_the_database_answers() {
    let plane = Plane::new().await;
    let mut pod = Pod::new(&plane);
    pod.step(&plane).await;
    for _ in 0..2 {
        plane.feed.refresh().await.unwrap();
        tokio::time::pause();
        for _ in 0..2 {
            let before = tokio::time::Instant::now();
            assert_eq!(pod.step(&plane).await, []);
            assert!(before.elapsed().as_secs() <= 5);
        }
        assert!(plane.feed.is_current());
        // Nobody asks the database any more: the state may be old.
        let silent = std::time::Duration::from_secs(60);
        let heard = tokio::time::timeout(silent, pod.step(&plane)).await;
        assert!(heard.is_err(), "{heard:?}");
        assert!(!plane.feed.is_current());
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_revocation_is_forgotten_when_the_token_has_expired() {
    let plane = Plane::new().await;
    let ada = plane.user("ada@example.com").await;
    let (token, _) = plane.token(ada).await;
    plane.revoke(&token).await;
    let told = async || {
        let told = wires(&plane.feed.watch(String::new(), 0).next().await);
        told.iter()
            .any(|wire| matches!(wire, Wire::RevokedToken(_)))
    };
    assert!(told().await);
    plane
        .scene
        .time
        .advance(Duration::days(1) + Duration::minutes(1));
    plane.user("bob@example.com").await;
    assert!(!told().await);
}

#[tokio::test]
async fn a_row_that_pods_could_not_read_is_left_out() {
    let plane = Plane::new().await;
    let ada = plane.user("ada@example.com").await;
    let mut written = server(&plane.scene.time, "github");
    plane.insert(&written).await;
    plane.permit(&written, ada).await;
    let mut pod = Pod::new(&plane);
    pod.step(&plane).await;
    assert!(pod.snapshot.server("github").is_some());
    // A URL that cannot be requested: nothing in the API lets it in.
    written.url = format!("https://mcp.example/{}", "x".repeat(70_000))
        .parse()
        .unwrap();
    plane.update(&written).await;
    assert_eq!(
        pod.step(&plane).await,
        [Wire::ServerRemoved(written.id.to_string())]
    );
    plane.user("bob@example.com").await;
    assert_eq!(pod.step(&plane).await.len(), 1);
}
