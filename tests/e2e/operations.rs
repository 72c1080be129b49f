//! What an operator sees: health, readiness, metrics, and one clear line when something is configured wrong.

use std::process::Command;

use e2e::files::{root_key, write_secret};
use e2e::gateway::Gateway;
use e2e::process::{Signal, run};
use e2e::sink::Sink;
use e2e::wait::PATIENCE;
use e2e::warder::Options;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Scene;

async fn get(admin: &Gateway, path: &str) -> (u16, String) {
    let answer = admin.request_path(Method::GET, path).send().await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn both_planes_are_healthy_ready_and_measured() {
    let scene = Scene::start(Options::default(), Sink::builder().tool("echo")).await;
    let admins = [
        scene.warder.pods[0].admin(),
        scene.warder.control_plane.admin(),
    ];
    for admin in &admins {
        assert_eq!(get(admin, "/healthz").await.0, 200);
        assert_eq!(get(admin, "/readyz").await.0, 200);
        assert_eq!(get(admin, "/metrics").await.0, 200);
        assert_eq!(get(admin, "/nothing").await.0, 404);
    }
    // Admin paths are on the admin port only, and MCP and the API are not.
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert!(
            scene
                .gateway()
                .request_path(Method::GET, path)
                .send()
                .await
                .status
                >= 400,
            "{path}"
        );
        assert!(
            scene
                .warder
                .control_plane
                .origin()
                .request_path(Method::GET, path)
                .send()
                .await
                .status
                >= 400,
            "{path}"
        );
    }
    assert_eq!(get(&admins[0], "/mcp/notes/server").await.0, 404);
    assert_eq!(get(&admins[1], "/api/v1/me").await.0, 404);

    let keys = scene
        .warder
        .control_plane
        .origin()
        .request_path(Method::GET, "/.well-known/jwks.json")
        .send()
        .await;
    let keys = keys.json();
    let key = &keys["keys"][0];
    assert!(key["kid"].is_string() && key["alg"].is_string(), "{keys}");
    assert!(key["d"].is_null(), "the private part is not published");
}

#[tokio::test]
async fn labels_of_metrics_do_not_grow_with_what_strangers_send() {
    let scene = Scene::start(Options::default(), Sink::builder().tool("echo")).await;
    let admin = scene.warder.pods[0].admin();
    let gateway = scene.gateway();
    let provoke = async |round: usize| {
        for index in 0..25 {
            let word = format!("stranger-{round}-{index}");
            let token = &scene.ann.token;
            drop(gateway.call("notes", token, "echo", &json!({})).await);
            drop(gateway.call("notes", token, &word, &json!({})).await);
            drop(gateway.call(&word, token, "echo", &json!({})).await);
            drop(gateway.call("notes", &word, "echo", &json!({})).await);
            drop(
                gateway
                    .request_path(Method::GET, &format!("/{word}"))
                    .send()
                    .await,
            );
            let message = json!({"jsonrpc": "2.0", "id": 1, "method": word});
            drop(
                gateway
                    .post("notes")
                    .token(token)
                    .message(&message)
                    .send()
                    .await,
            );
            drop(
                gateway
                    .post("notes")
                    .token(token)
                    .header("user-agent", &word)
                    .header("mcp-protocol-version", &word)
                    .message(&message)
                    .send()
                    .await,
            );
        }
        let metrics = get(&admin, "/metrics").await.1;
        assert!(!metrics.contains("stranger-"), "{metrics}");
        metrics
            .lines()
            .filter(|line| !line.starts_with('#'))
            .count()
    };
    let before = provoke(0).await;
    assert_eq!(
        provoke(1).await,
        before,
        "the number of series is settled after the first round"
    );
}

#[tokio::test]
async fn every_call_is_audited_with_its_outcome() {
    let scene = Scene::start(Options::default(), Sink::builder().tool("echo")).await;
    let gateway = scene.gateway();
    assert_eq!(
        gateway
            .call("notes", &scene.ann.token, "echo", &json!({}))
            .await
            .tool_text(),
        "echo"
    );
    let service = scene.warder.api.virtual_account("reporter").await;
    e2e::wait::until_true(
        "the pod knows the account",
        e2e::wait::PATIENCE,
        async || {
            gateway
                .call("notes", &service.token, "echo", &json!({}))
                .await
                .status
                == 404
        },
    )
    .await;
    let events = async || {
        scene.warder.api.get("/audit-events?limit=200").await["items"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    };
    let (found, _) = e2e::wait::until(
        "the calls are in the audit log",
        e2e::wait::PATIENCE,
        async || {
            let events = events().await;
            let call = |tool: &Value, outcome: &str| {
                events.iter().any(|event| {
                    event["tool"] == *tool
                        && event["server"] == "notes"
                        && event["outcome"] == outcome
                })
            };
            (call(&json!("echo"), "allowed")
                && events
                    .iter()
                    .any(|event| event["outcome"] == "denied" && event["server"] == "notes"))
            .then_some(events.clone())
        },
    )
    .await;
    assert!(!json!(found).to_string().contains(&scene.ann.token));
}

#[tokio::test]
async fn t58_a_flood_of_strangers_is_audited_as_a_count() {
    let mut scene = Scene::start(Options::default(), Sink::builder().tool("echo")).await;
    let gateway = scene.gateway();
    for _ in 0..150 {
        for token in ["wrong", "worse"] {
            let answer = gateway.call("notes", token, "echo", &json!({})).await;
            assert_eq!(answer.status, 401, "{answer:?}");
        }
    }
    // What is counted is not lost when the pod ends.
    scene.warder.pods[0].signal(Signal::TERM);
    scene.warder.pods[0].ended(PATIENCE).await;
    let events = scene.warder.api.get("/audit-events?limit=200").await;
    let of_strangers: Vec<&Value> = events["items"]
        .as_array()
        .expect("a page of events")
        .iter()
        .filter(|event| event["detail"]["http_status"] == 401)
        .collect();
    let count = |event: &&Value| event["detail"]["count"].as_u64().unwrap_or(1);
    assert_eq!(of_strangers.iter().map(count).sum::<u64>(), 300, "{events}");
    assert!(of_strangers.len() <= 4, "{of_strangers:?}");
    assert!(
        of_strangers
            .iter()
            .all(|event| event["server"] == "notes" && event["outcome"] == "denied"),
        "{of_strangers:?}"
    );
}

/// Runs a binary that must refuse to start, and returns the one line that says why.
async fn refuses(what: &str, command: Command) -> String {
    let (status, output, errors) = run(what, command, None).await;
    assert!(!status.success(), "{what}: started\n{output}\n{errors}");
    let text = format!("{output}{errors}");
    assert!(
        !text.contains("panicked") && !text.contains("stack backtrace"),
        "{what}: {text}"
    );
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    assert!(!lines.is_empty(), "{what}: ended without a word");
    assert!(lines.len() <= 8, "{what}: not one clear line but {text}");
    text
}

#[tokio::test]
async fn wrong_configuration_is_told_in_one_line() {
    let scene = Scene::start(Options::default(), Sink::builder()).await;
    let folder = scene.warder.folder().to_owned();
    let file = |name: &str, content: &str| {
        let path = folder.join(name);
        write_secret(&path, content);
        path.display().to_string()
    };
    let free = "127.0.0.1:0".to_owned();
    let cases = [
        (
            "WARDER_ROOT_KEY_FILE",
            "/nowhere/root.key".to_owned(),
            "root.key",
        ),
        (
            "WARDER_ROOT_KEY_FILE",
            file("short.key", "c2hvcnQ="),
            "WARDER_ROOT_KEY_FILE",
        ),
        (
            "WARDER_ROOT_KEY_FILE",
            file("garbage.key", "not base64 at all!"),
            "WARDER_ROOT_KEY_FILE",
        ),
        (
            "WARDER_NODE_TOKEN_FILE",
            file("short.txt", "short"),
            "WARDER_NODE_TOKEN_FILE",
        ),
        (
            "WARDER_NODE_TOKEN_FILE",
            file("empty.txt", ""),
            "WARDER_NODE_TOKEN_FILE",
        ),
        (
            "WARDER_DATABASE_URL",
            "mysql://localhost/warder".to_owned(),
            "WARDER_DATABASE_URL",
        ),
        (
            "WARDER_DATABASE_URL",
            "nonsense".to_owned(),
            "WARDER_DATABASE_URL",
        ),
        (
            "WARDER_EGRESS_ALLOW",
            "10.0.0.0/64".to_owned(),
            "egress-allow",
        ),
        ("WARDER_HTTP_ADDR", "not-an-address".to_owned(), "http-addr"),
        ("WARDER_DRAIN_TIMEOUT", "soon".to_owned(), "drain-timeout"),
        ("WARDER_GATEWAY_URL", "not a url".to_owned(), "gateway-url"),
        (
            "WARDER_GRPC_TLS_CERT_FILE",
            "/nowhere/certificate.pem".to_owned(),
            "certificate.pem",
        ),
        (
            "WARDER_GRPC_TLS_KEY_FILE",
            file("garbage.pem", "no key"),
            "private key",
        ),
        ("WARDER_LOG_FORMAT", "xml".to_owned(), "log-format"),
    ];
    for (name, value, hint) in cases {
        let mut command = scene.warder.control_plane.command(&[]);
        for address in ["WARDER_HTTP_ADDR", "WARDER_GRPC_ADDR", "WARDER_ADMIN_ADDR"] {
            command.env(address, &free);
        }
        let url = format!("sqlite:{}", folder.join("unused.db").display());
        command.env("WARDER_DATABASE_URL", url).env(name, &value);
        let text = refuses(&format!("{name}={value}"), command).await;
        let as_flag = format!("--{hint}");
        assert!(
            text.contains(hint) || text.contains(&as_flag) || text.contains(name),
            "{name}={value}: {text}"
        );
        assert!(
            !text.contains("c2hvcnQ="),
            "the content of a secret file is not repeated: {text}"
        );
    }
}

#[tokio::test]
async fn t54_a_wrong_root_key_is_found_at_boot() {
    let mut scene = Scene::start(Options::default(), Sink::builder()).await;
    scene.warder.control_plane.kill();
    let path = scene.warder.folder().join("other.key");
    write_secret(&path, &root_key());
    let mut command = scene.warder.control_plane.command(&[]);
    command.env("WARDER_ROOT_KEY_FILE", &path);
    let text = refuses("the wrong root key", command).await;
    assert!(text.to_lowercase().contains("root key"), "{text}");
    // Nothing was harmed by trying.
    scene.warder.control_plane.start().await;
    assert_eq!(
        scene.warder.api.get("/me").await["subject"],
        "user:admin@example.com"
    );
}

#[tokio::test]
async fn plaintext_between_the_planes_has_to_be_asked_for() {
    let scene = Scene::start(Options::default(), Sink::builder()).await;
    let mut command = scene.warder.control_plane.command(&[]);
    command
        .env_remove("WARDER_GRPC_TLS_CERT_FILE")
        .env_remove("WARDER_GRPC_TLS_KEY_FILE");
    for address in ["WARDER_HTTP_ADDR", "WARDER_GRPC_ADDR", "WARDER_ADMIN_ADDR"] {
        command.env(address, "127.0.0.1:0");
    }
    let text = refuses("no TLS", command).await;
    assert!(text.contains("TLS") || text.contains("tls"), "{text}");
    let again = refuses(
        "a second administrator",
        scene
            .warder
            .control_plane
            .command(&["bootstrap", "--email", "second@example.com"]),
    )
    .await;
    assert!(!again.contains("eyJ"), "{again}");
}
