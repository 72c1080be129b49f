//! What administrators are told about a token of an identity provider.

use chrono::Duration;
use e2e::forgery::{LocalSigner, good_claims};
use serde_json::{Value, json};
use warder_control_plane::{
    domain::ProviderKeys,
    store::{identity_provider_keys, identity_providers, users},
};

use crate::support::{Answer, Scene};

const ISSUER: &str = "https://idp.invalid";
const AUDIENCE: &str = "https://gateway.example.com";

/// A scene with the provider `okta`, whose keys are known.
struct Known {
    scene: Scene,
    signer: LocalSigner,
}

impl Known {
    async fn new(resolve_to: Value) -> Self {
        let (scene, signer) = (Scene::new().await, LocalSigner::new());
        let body = json!({"issuer": ISSUER, "audiences": [AUDIENCE], "resolve_to": resolve_to});
        scene
            .put(&scene.ada, "/identity-providers/okta", body)
            .await
            .expect(201);
        let mut tx = scene.store.begin().await.unwrap();
        let name = "okta".parse().unwrap();
        let provider = identity_providers::find_by_name(&mut tx, &name).await;
        let now = scene.now();
        let keys = ProviderKeys {
            provider: provider.unwrap().unwrap().id,
            metadata: None,
            jwks_uri: None,
            jwks: Some(signer.jwks()),
            fetched_at: Some(now),
            checked_at: Some(now),
            error: None,
        };
        identity_provider_keys::put(&mut tx, &keys, now + Duration::hours(1))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        Self { scene, signer }
    }

    fn claims(&self) -> Value {
        good_claims(ISSUER, AUDIENCE, self.scene.now().timestamp())
    }

    async fn test(&self, token: &str) -> Answer {
        let answer = self
            .scene
            .post(
                &self.scene.ada,
                "/identity-providers/okta/test",
                json!({ "token": token }),
            )
            .await
            .expect(200);
        assert!(token.is_empty() || !answer.body.to_string().contains(token));
        answer
    }
}

/// The steps with this outcome.
fn steps(answer: &Answer, outcome: &str) -> Vec<String> {
    let steps = answer.body["steps"].as_array().unwrap().iter();
    steps
        .filter(|step| step["outcome"] == outcome)
        .map(|step| step["step"].as_str().unwrap().to_owned())
        .collect()
}

fn detail(answer: &Answer, step: &str) -> String {
    let steps = answer.body["steps"].as_array().unwrap();
    let found = steps.iter().find(|one| one["step"] == step);
    found.unwrap()["detail"].as_str().unwrap().to_owned()
}

fn people(provisioning: &str) -> Value {
    json!({
        "type": "user", "identify_by": "email", "team_claim": "groups", "provisioning": provisioning,
        "email_domains": ["example.com"],
    })
}

#[tokio::test]
async fn a_token_is_explained_step_by_step_and_changes_nothing() {
    let known = Known::new(people("jit")).await;
    let scene = &known.scene;
    let mapping = json!([{"identity_provider": "okta", "value": "engineering"}]);
    let body = json!({ "identity_provider_mapping": mapping });
    scene.put(&scene.ada, "/teams/dev", body).await.expect(201);
    let mut claims = known.claims();
    claims["groups"] = json!(["engineering", "nobody"]);
    let answer = known.test(&known.signer.sign(&claims)).await;
    assert_eq!(steps(&answer, "ok").len(), 13, "{:#}", answer.body);
    assert_eq!(answer.body["accepted"], true);
    assert_eq!(answer.body["subject"], "user:alice@example.com");
    assert_eq!(answer.body["teams"], json!(["dev"]));
    assert_eq!(answer.body["would_provision"], "create_user");
    assert_eq!(
        users::all(&scene.store).await.unwrap().len(),
        1,
        "Ada alone"
    );

    scene
        .post(&scene.ada, "/users", json!({"email": "alice@example.com"}))
        .await
        .expect(201);
    let answer = known.test(&known.signer.sign(&claims)).await;
    assert_eq!(answer.body["would_provision"], "link_user");

    // An administrator may look at it behind white space, which a caller may not send.
    let padded = format!("  {}\n", known.signer.sign(&claims));
    assert_eq!(known.test(&padded).await.body["accepted"], true);
}

#[tokio::test]
async fn each_step_can_be_the_one_that_fails() {
    let known = Known::new(people("invite_only")).await;
    let failing = async |name: &str, value: Value| {
        let mut claims = known.claims();
        claims[name] = value;
        let answer = known.test(&known.signer.sign(&claims)).await;
        assert_eq!(answer.body["accepted"], false);
        (steps(&answer, "failed"), answer)
    };
    let (steps_failed, _) = failing("exp", json!(1)).await;
    assert_eq!(
        steps_failed,
        ["expiry", "mapping"],
        "who it was can be seen all the same"
    );
    let (steps_failed, answer) = failing("aud", json!("x")).await;
    assert_eq!(steps_failed, ["audience", "mapping"]);
    assert!(detail(&answer, "audience").contains(AUDIENCE));
    let (steps_failed, answer) = failing("iss", json!("x")).await;
    assert_eq!(steps_failed, ["issuer"]);
    assert_eq!(steps(&answer, "skipped"), ["identity", "mapping", "teams"]);
    assert_eq!(failing("nonce", json!("n")).await.0, ["type", "mapping"]);
    assert_eq!(failing("sub", json!(1)).await.0, ["claims"]);
    let (steps_failed, answer) = failing("email_verified", json!("true")).await;
    assert_eq!(steps_failed, ["mapping"]);
    assert!(detail(&answer, "mapping").contains("email_verified"));
    let (_, answer) = failing("email", json!("eve@evil.example")).await;
    assert!(detail(&answer, "mapping").contains("domain"));

    let forged = LocalSigner::new().sign(&known.claims());
    let answer = known.test(&forged).await;
    assert_eq!(steps(&answer, "failed"), ["signature"]);
    assert_eq!(
        answer.body.get("subject"),
        None,
        "what is not signed leads to nobody"
    );
    for text in ["", "hello", "a.b.c", "e30.e30"] {
        let answer = known.test(text).await;
        assert_eq!(steps(&answer, "failed"), ["format"], "{text}");
        assert_eq!(steps(&answer, "skipped").len(), 12);
    }
}

#[tokio::test]
async fn the_value_that_is_mapped_is_shown() {
    let known = Known::new(json!({"type": "virtual_account", "claim": "client_id"})).await;
    let scene = &known.scene;
    let token = known.signer.sign(&known.claims());
    let answer = known.test(&token).await;
    assert_eq!(steps(&answer, "failed"), ["mapping"]);
    assert!(detail(&answer, "identity").contains("machine"));
    let mapping = json!([{"identity_provider": "okta", "value": "machine"}]);
    let body = json!({ "identity_provider_mapping": mapping });
    scene
        .put(&scene.ada, "/virtual-accounts/batch", body)
        .await
        .expect(201);
    let answer = known.test(&token).await;
    assert_eq!(answer.body["accepted"], true, "{:#}", answer.body);
    assert_eq!(answer.body["subject"], "virtual-account:batch");
    scene
        .post(
            &scene.ada,
            "/identity-providers/none/test",
            json!({"token": token}),
        )
        .await
        .problem(404, "not-found");
}
