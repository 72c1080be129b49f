//! Identity providers, and the claims of theirs that are mapped to teams and virtual accounts.

use chrono::Duration;
use serde_json::{Value, json};
use warder_control_plane::{
    domain::UserIdentity,
    service::identity_providers::{sign_in_client, sign_in_providers},
    store::{identity_providers, user_identities, users},
};

use crate::support::{Answer, Scene};

/// A body that makes a provider of people, with these fields added or replaced. Nothing is at its address.
fn body(fields: Value) -> Value {
    let mut body = json!({
        "issuer": "https://idp.invalid/realm",
        "audiences": ["https://gateway.example.com"],
        "resolve_to": {"type": "user", "identify_by": "email", "email_domains": ["Example.COM"]},
    });
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    body
}

fn to_accounts(fields: Value) -> Value {
    let mut body = body(json!({"resolve_to": {"type": "virtual_account", "claim": "client_id"}}));
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    body
}

impl Scene {
    async fn provider(&self, name: &str, body: Value) -> Answer {
        let path = format!("/identity-providers/{name}");
        self.put(&self.ada, &path, body).await.expect(201)
    }

    /// Binds a subject of a provider to a user, as their first token does.
    async fn introduce(&self, provider: &str, subject: &str, email: &str) {
        let (name, email) = (provider.parse().unwrap(), email.parse().unwrap());
        let mut tx = self.store.begin().await.unwrap();
        let provider = identity_providers::find_by_name(&mut tx, &name).await;
        let user = users::find_by_email(&mut tx, &email).await;
        let identity = UserIdentity {
            provider: provider.unwrap().unwrap().id,
            subject: subject.to_owned(),
            user: user.unwrap().unwrap().id,
            created_at: self.now(),
        };
        user_identities::insert(&mut tx, &identity).await.unwrap();
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_provider_is_put_and_put_again() {
    let scene = Scene::new().await;
    let made = scene.provider("okta", body(json!({}))).await;
    let expected = json!({
        "name": "okta",
        "display_name": "okta",
        "issuer": "https://idp.invalid/realm",
        "audiences": ["https://gateway.example.com"],
        "algorithms": ["RS256", "ES256", "EdDSA"],
        "token_types": ["at+jwt", "JWT", null],
        "required_claims": {},
        "resolve_to": {
            "type": "user",
            "identify_by": "email",
            "email_claim": "email",
            "provisioning": "invite_only",
            "email_domains": ["example.com"],
        },
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&made.body[field], value, "{field}");
    }
    assert_eq!(made.body.get("login"), None);
    let again = scene
        .put(&scene.ada, "/identity-providers/okta", body(json!({})))
        .await
        .expect(200);
    assert_eq!(again.tag(), made.tag());
    assert_eq!(again.body["updated_at"], made.body["updated_at"]);
    let read = scene
        .get(&scene.ada, "/identity-providers/okta")
        .await
        .expect(200);
    assert_eq!(read.tag(), made.tag());

    let fields = json!({
        "display_name": "Okta",
        "jwks_uri": "https://keys.invalid/jwks",
        "algorithms": ["ES384", "PS512", "ES384"],
        "token_types": ["JWT"],
        "required_claims": {"realm~1x/tenant": ["a", 1, true], "scope": "gateway"},
        "resolve_to": {"type": "user", "identify_by": "subject", "team_claim": "groups", "provisioning": "jit"},
    });
    let changed = scene
        .call("PUT", "/identity-providers/okta")
        .bearer(&scene.ada)
        .header("if-match", made.tag())
        .json(&body(fields))
        .send()
        .await
        .expect(200);
    assert_ne!(changed.tag(), made.tag());
    assert_eq!(changed.body["algorithms"], json!(["PS512", "ES384"]));
    assert_eq!(
        changed.body["required_claims"],
        json!({"realm~1x/tenant": ["a", 1, true], "scope": ["gateway"]})
    );
    assert_eq!(changed.body["resolve_to"]["team_claim"], "groups");
    assert_eq!(changed.body["resolve_to"].get("email_domains"), None);
    scene
        .call("PUT", "/identity-providers/okta")
        .bearer(&scene.ada)
        .header("if-match", made.tag())
        .json(&body(json!({})))
        .send()
        .await
        .problem(412, "precondition-failed");
    scene
        .provider("azure", to_accounts(json!({"issuer": "https://b.invalid"})))
        .await;
    let list = scene
        .get(&scene.ada, "/identity-providers?limit=1")
        .await
        .expect(200);
    assert_eq!(list.each("name"), ["azure"]);
    assert!(list.body["next_cursor"].is_string());

    for name in ["okta", "azure"] {
        let path = format!("/identity-providers/{name}");
        scene.delete(&scene.ada, &path).await.expect(204);
        scene
            .delete(&scene.ada, &path)
            .await
            .problem(404, "not-found");
    }
    let actions = scene.actions().await;
    let actions: Vec<_> = actions
        .iter()
        .filter_map(|action| action.strip_prefix("identity_provider."))
        .collect();
    assert_eq!(actions, ["create", "update", "create", "delete", "delete"]);
}

#[tokio::test]
async fn what_is_no_provider_is_refused() {
    let scene = Scene::new().await;
    let user = |fields: Value| {
        let mut resolve_to =
            json!({"type": "user", "identify_by": "email", "email_domains": ["example.com"]});
        resolve_to
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        json!({ "resolve_to": resolve_to })
    };
    let login = |fields: Value| {
        let mut login = json!({"enabled": true, "client_id": "warder"});
        login
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        json!({ "login": login })
    };
    let cases = [
        (json!({"issuer": "idp"}), "/issuer"),
        (json!({"issuer": "http://idp.example.com@evil/"}), "/issuer"),
        (json!({"issuer": "https://idp.example.com/?x"}), "/issuer"),
        (json!({"issuer": "https://idp.example.com/#x"}), "/issuer"),
        (json!({"issuer": "javascript:alert(1)"}), "/issuer"),
        (json!({"issuer": "file:///etc/passwd"}), "/issuer"),
        (json!({"issuer": "http://127.0.0.1:1/"}), "/issuer"),
        (json!({"issuer": "https://[::1]/"}), "/issuer"),
        (json!({"issuer": "https://169.254.169.254/"}), "/issuer"),
        (json!({"issuer": "https://localhost/"}), "/issuer"),
        (json!({"issuer": "https://warder.example.com"}), "/issuer"),
        (
            json!({"issuer": "https://WARDER.example.com:443/"}),
            "/issuer",
        ),
        (json!({"jwks_uri": "http://10.0.0.1/"}), "/jwks_uri"),
        (json!({"jwks_uri": "data:text/plain,{}"}), "/jwks_uri"),
        (json!({"audiences": []}), "/audiences"),
        (json!({"audiences": ["a", ""]}), "/audiences/1"),
        (json!({"algorithms": []}), "/algorithms"),
        (json!({"algorithms": ["RS256", "HS256"]}), "/algorithms/1"),
        (json!({"algorithms": ["none"]}), "/algorithms/0"),
        (json!({"algorithms": ["rs256"]}), "/algorithms/0"),
        (json!({"token_types": []}), "/token_types"),
        (json!({"token_types": [""]}), "/token_types/0"),
        (json!({"token_types": ["Logout+JWT"]}), "/token_types/0"),
        (
            json!({"required_claims": {"a//b": 1}}),
            "/required_claims/a~1~1b",
        ),
        (json!({"required_claims": {"a": []}}), "/required_claims/a"),
        (
            json!({"required_claims": {"a": null}}),
            "/required_claims/a",
        ),
        (
            json!({"required_claims": {"a": {"b": 1}}}),
            "/required_claims/a",
        ),
        (
            json!({"required_claims": {"a": [1.5]}}),
            "/required_claims/a",
        ),
        (json!({"resolve_to": {"type": "admin"}}), "/resolve_to/type"),
        (
            json!({"resolve_to": {"type": "virtual_account"}}),
            "/resolve_to/claim",
        ),
        (
            json!({"resolve_to": {"type": "virtual_account", "claim": "a", "identify_by": "email"}}),
            "/resolve_to/identify_by",
        ),
        (
            json!({"resolve_to": {"type": "user"}}),
            "/resolve_to/identify_by",
        ),
        (user(json!({"claim": "sub"})), "/resolve_to/claim"),
        (
            user(json!({"email_claim": "a/"})),
            "/resolve_to/email_claim",
        ),
        (user(json!({"team_claim": "~2"})), "/resolve_to/team_claim"),
        (
            user(json!({"provisioning": "always"})),
            "/resolve_to/provisioning",
        ),
        (
            user(json!({"email_domains": []})),
            "/resolve_to/email_domains",
        ),
        (
            user(json!({"email_domains": ["a.com", "*.example.com"]})),
            "/resolve_to/email_domains/1",
        ),
        (
            user(json!({"email_domains": ["a@b.com"]})),
            "/resolve_to/email_domains/0",
        ),
        (
            user(json!({"identify_by": "subject"})),
            "/resolve_to/email_domains",
        ),
        (user(json!({"admin": true})), "/resolve_to/admin"),
        (login(json!({"client_id": ""})), "/login/client_id"),
        (
            login(json!({"client_secret": "a\nb"})),
            "/login/client_secret",
        ),
        (
            login(json!({"client_secret": null})),
            "/login/client_secret",
        ),
        (login(json!({"scopes": ["email"]})), "/login/scopes"),
        (
            login(json!({"scopes": ["openid", "a b"]})),
            "/login/scopes/1",
        ),
        (
            json!({
                "resolve_to": {"type": "virtual_account", "claim": "a"},
                "login": {"enabled": true, "client_id": "warder"},
            }),
            "/login/enabled",
        ),
        (json!({"keys": {}}), "/keys"),
    ];
    for (fields, pointer) in cases {
        let answer = scene
            .put(&scene.ada, "/identity-providers/okta", body(fields.clone()))
            .await
            .problem(400, "validation-failed");
        assert_eq!(answer.pointers(), [pointer], "{fields}");
    }
    let answer = scene
        .put(&scene.ada, "/identity-providers/Okta", body(json!({})))
        .await
        .problem(400, "validation-failed");
    assert_eq!(answer.pointers(), ["name"]);
    let list = scene.get(&scene.ada, "/identity-providers").await;
    assert_eq!(list.body["items"], json!([]));
}

#[tokio::test]
async fn t06_two_providers_never_speak_for_the_same_people() {
    let scene = Scene::new().await;
    scene.provider("okta", body(json!({}))).await;
    let twin = scene
        .put(
            &scene.ada,
            "/identity-providers/azure",
            to_accounts(json!({})),
        )
        .await
        .problem(409, "already-exists");
    assert_eq!(twin.pointers(), ["/issuer"]);
    assert!(twin.text("/detail").contains("`okta`"));
    let other = json!({
        "issuer": "https://other.invalid",
        "resolve_to": {"type": "user", "identify_by": "email", "email_domains": ["b.com", "example.com"]},
    });
    let rival = scene
        .put(&scene.ada, "/identity-providers/azure", body(other.clone()))
        .await
        .problem(409, "already-exists");
    assert_eq!(rival.pointers(), ["/resolve_to/email_domains"]);
    let detail = rival.text("/detail");
    assert!(
        detail.contains("`okta`") && detail.contains("`example.com`"),
        "{detail}"
    );

    // A domain is free again once nobody speaks for it.
    let by_subject = json!({"resolve_to": {"type": "user", "identify_by": "subject"}});
    scene
        .put(&scene.ada, "/identity-providers/okta", body(by_subject))
        .await
        .expect(200);
    scene.provider("azure", body(other)).await;
    scene
        .put(&scene.ada, "/identity-providers/okta", body(json!({})))
        .await
        .problem(409, "already-exists");
}

#[tokio::test]
async fn t29_a_client_secret_is_written_kept_and_never_shown() {
    let scene = Scene::new().await;
    let login = |secret: Value| json!({"login": {"enabled": true, "client_id": "warder", "client_secret": secret}});
    let opened = async || {
        let client = sign_in_client(&scene.services, "okta").await.unwrap();
        use secrecy::ExposeSecret as _;
        client
            .client_secret
            .map(|secret| secret.expose_secret().to_owned())
    };
    let made = scene
        .provider("okta", body(login("canary-secret".into())))
        .await;
    assert!(!made.body.to_string().contains("canary-secret"));
    assert_eq!(
        made.body["login"],
        json!({
            "enabled": true,
            "client_id": "warder",
            "client_secret": null,
            "scopes": ["openid", "email", "profile"],
        })
    );
    assert_eq!(opened().await.as_deref(), Some("canary-secret"));
    assert_eq!(
        sign_in_providers(&scene.services).await.unwrap()[0]
            .name
            .as_str(),
        "okta"
    );
    let put = async |body: Value| {
        scene
            .put(&scene.ada, "/identity-providers/okta", body)
            .await
    };
    for kept in [json!(null), "canary-secret".into()] {
        let again = put(body(login(kept))).await.expect(200);
        assert_eq!(again.tag(), made.tag());
    }
    assert_eq!(opened().await.as_deref(), Some("canary-secret"));
    put(body(login("canary-other".into()))).await.expect(200);
    assert_eq!(opened().await.as_deref(), Some("canary-other"));

    // It does not follow the issuer to another origin, but within its own.
    let moved = |issuer: &str, secret: Value| {
        let mut body = body(login(secret));
        body["issuer"] = issuer.into();
        body
    };
    let refused = put(moved("https://elsewhere.invalid/realm", json!(null)))
        .await
        .problem(400, "validation-failed");
    assert_eq!(refused.pointers(), ["/login/client_secret"]);
    put(moved("https://idp.invalid/other", json!(null)))
        .await
        .expect(200);
    assert_eq!(opened().await.as_deref(), Some("canary-other"));
    put(moved("https://elsewhere.invalid", "canary-third".into()))
        .await
        .expect(200);
    assert_eq!(opened().await.as_deref(), Some("canary-third"));

    let public = json!({"login": {"enabled": true, "client_id": "warder"}});
    let public = put(body(public)).await.expect(200);
    assert_eq!(public.body["login"].get("client_secret"), None);
    assert_eq!(opened().await, None);
    put(body(json!({}))).await.expect(200);
    assert!(sign_in_client(&scene.services, "okta").await.is_err());
    assert!(sign_in_providers(&scene.services).await.unwrap().is_empty());
    let audit = scene.get(&scene.ada, "/audit-events?limit=200").await;
    assert!(!audit.body.to_string().contains("canary-"));
    let files = scene.database_files();
    assert!(!files.windows(7).any(|window| window == b"canary-"), "t56");
}

#[tokio::test]
async fn t05_another_issuer_makes_strangers_of_its_people() {
    let scene = Scene::new().await;
    let bob = scene.member("bob").await;
    scene.provider("okta", body(json!({}))).await;
    scene.introduce("okta", "1", "bob@example.com").await;
    let moved = body(json!({"issuer": "https://other.invalid"}));
    let put = async |query: &str| {
        let path = format!("/identity-providers/okta{query}");
        scene.put(&scene.ada, &path, moved.clone()).await
    };
    let asked = put("").await.problem(409, "confirmation-required");
    assert_eq!(asked.body["would_delete"]["user_identities"], 1);
    let read = scene.get(&scene.ada, "/identity-providers/okta").await;
    assert_eq!(read.body["issuer"], "https://idp.invalid/realm");
    put("?confirm=true").await.expect(200);
    let left = user_identities::all(&scene.store).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    put("").await.expect(200);
    scene.get(&bob, "/me").await.expect(200);
}

#[tokio::test]
async fn claims_are_mapped_to_teams_and_virtual_accounts() {
    let scene = Scene::new().await;
    scene.provider("okta", body(json!({}))).await;
    let issuer = json!({"issuer": "https://ci.invalid"});
    scene.provider("ci", to_accounts(issuer)).await;
    let mapping = json!([
        {"identity_provider": "okta", "value": "developers"},
        {"identity_provider": "ci", "value": "build"},
    ]);
    let sorted = json!([mapping[1], mapping[0]]);
    for path in ["/teams/dev", "/virtual-accounts/robot"] {
        let body = json!({ "identity_provider_mapping": mapping });
        let made = scene.put(&scene.ada, path, body.clone()).await.expect(201);
        assert_eq!(made.body["identity_provider_mapping"], sorted);
        let again = scene.put(&scene.ada, path, body).await.expect(200);
        assert_eq!(again.tag(), made.tag());

        for (item, pointer) in [
            (
                json!({"identity_provider": "nobody", "value": "x"}),
                "identity_provider",
            ),
            (json!({"identity_provider": "okta", "value": ""}), "value"),
            (
                json!({"identity_provider": "okta", "value": "a\u{0}"}),
                "value",
            ),
            (
                json!({"identity_provider": "okta", "value": "a".repeat(513)}),
                "value",
            ),
        ] {
            let body = json!({"identity_provider_mapping": [mapping[0], item]});
            let answer = scene
                .put(&scene.ada, path, body)
                .await
                .problem(400, "validation-failed");
            let expected = format!("/identity_provider_mapping/1/{pointer}");
            assert_eq!(answer.pointers(), [expected]);
        }
    }
    // A value stands for one account; for several teams it may.
    let body = json!({"identity_provider_mapping": [mapping[1]]});
    let taken = scene
        .put(&scene.ada, "/virtual-accounts/other", body.clone())
        .await
        .problem(409, "already-exists");
    assert_eq!(taken.pointers(), ["/identity_provider_mapping/0/value"]);
    assert!(taken.text("/detail").contains("`robot`"));
    scene
        .get(&scene.ada, "/virtual-accounts/other")
        .await
        .problem(404, "not-found");
    scene
        .put(&scene.ada, "/teams/ops", body.clone())
        .await
        .expect(201);
    scene
        .delete(&scene.ada, "/virtual-accounts/robot")
        .await
        .expect(204);
    scene
        .put(&scene.ada, "/virtual-accounts/other", body)
        .await
        .expect(201);

    // What is left out is unmapped; a provider takes its claims along.
    scene
        .put(&scene.ada, "/teams/ops", json!({}))
        .await
        .expect(200);
    scene
        .delete(&scene.ada, "/identity-providers/ci")
        .await
        .expect(204);
    for (path, left) in [
        ("/teams/ops", json!([])),
        ("/teams/dev", json!([mapping[0]])),
        ("/virtual-accounts/other", json!([])),
    ] {
        let read = scene.get(&scene.ada, path).await.expect(200);
        assert_eq!(read.body["identity_provider_mapping"], left, "{path}");
    }
}

#[tokio::test]
async fn t06_a_group_of_a_provider_gives_what_its_team_has() {
    let scene = Scene::new().await;
    let bob = scene.member("bob").await;
    scene.provider("okta", body(json!({}))).await;
    scene.introduce("okta", "1", "bob@example.com").await;
    let mapped = json!({"identity_provider_mapping": [{"identity_provider": "okta", "value": "developers"}]});
    scene
        .put(&scene.ada, "/teams/dev", mapped.clone())
        .await
        .expect(201);
    let grant = json!({"collaborators": [{"subject": "team:dev", "role": "mcp-server-user"}]});
    scene.server("demo", grant).await;
    let say = async |groups: &[&str]| {
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        let mut tx = scene.store.begin().await.unwrap();
        let identity = user_identities::all(&mut tx).await.unwrap().remove(0);
        let (provider, user) = (identity.provider, identity.user);
        user_identities::replace_groups(&mut tx, provider, user, &groups)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    };
    scene
        .get(&bob, "/mcp-servers/demo")
        .await
        .problem(404, "not-found");
    say(&["developers", "others"]).await;
    scene.get(&bob, "/mcp-servers/demo").await.expect(200);
    assert_eq!(scene.get(&bob, "/me").await.body["teams"], json!(["dev"]));
    assert_eq!(scene.get(&bob, "/mcp-servers").await.each("name"), ["demo"]);
    let team = scene.get(&scene.ada, "/teams/dev").await;
    assert_eq!(team.body["members"], json!([]), "nobody put them there");

    scene
        .put(&scene.ada, "/teams/dev", json!({}))
        .await
        .expect(200);
    scene
        .get(&bob, "/mcp-servers/demo")
        .await
        .problem(404, "not-found");
    scene
        .put(&scene.ada, "/teams/dev", mapped)
        .await
        .expect(200);
    say(&["developers"]).await;
    scene.pass(Duration::seconds(1));
    scene.get(&bob, "/mcp-servers/demo").await.expect(200);
    say(&[]).await;
    scene
        .get(&bob, "/mcp-servers/demo")
        .await
        .problem(404, "not-found");
}
