//! The first governed tool call: real clients, real servers, both kinds of caller, both databases, two pods.

use e2e::api::Caller;
use e2e::clients::{Client, Outcome, Session, run_session, run_sessions};
use e2e::files::canary;
use e2e::recorded::Request;
use e2e::upstream::{Everything, FastMcp, Upstream};
use e2e::warder::{Database, Options, Warder};
use serde_json::{Value, json};

use crate::support::{until_reachable, user_rule};

const CLIENT_HEADERS: &str = "x-tfy-mcp-headers";

/// Two people's worth of callers and three ways to reach the two real servers.
struct World {
    warder: Warder,
    fastmcp: Upstream,
    everything: Upstream,
    person: Caller,
    service: Caller,
    shared_key: String,
    keys: [(String, String); 2],
}

impl World {
    async fn start(database: Database) -> Self {
        let options = Options {
            database,
            pods: 2,
            ..Options::default()
        };
        let (warder, fastmcp, everything) = tokio::join!(
            Warder::start(options),
            FastMcp::default().start(),
            Everything.start()
        );
        let api = &warder.api;
        let person = api.person("ann@example.com").await;
        let service = api.virtual_account("reporter").await;
        let shared_key = canary("shared-key");
        let server = |url: &str, auth: Value, allowed: &[&str]| {
            let rules: Vec<_> = [&person, &service]
                .iter()
                .map(|caller| user_rule(caller, allowed, &["secret_*", "get-env"]))
                .collect();
            json!({"type": "remote", "url": url, "auth": auth, "collaborators": rules})
        };
        let shared = json!({"type": "header", "level": "shared", "headers": {"Authorization": format!("Bearer {shared_key}")}});
        let individual =
            json!({"type": "header", "level": "individual", "headers": {"X-Api-Key": "{{KEY}}"}});
        api.put(
            "/mcp-servers/notes",
            &server(
                fastmcp.url(),
                shared,
                &["echo", "add", "slow", "fail", "headers", "secret_admin"],
            ),
        )
        .await;
        api.put(
            "/mcp-servers/own",
            &server(everything.url(), individual, &["*"]),
        )
        .await;
        api.put(
            "/mcp-servers/forwarded",
            &server(fastmcp.url(), json!({"type": "forwarding"}), &["*"]),
        )
        .await;
        let closed = json!({"type": "remote", "url": fastmcp.url(), "auth": {"type": "none"}, "collaborators": []});
        api.put("/mcp-servers/closed", &closed).await;
        let mut keys = Vec::new();
        for caller in [&person, &service] {
            let key = canary("own-key");
            api.set_override("own", caller, &json!({"KEY": key})).await;
            keys.push((caller.token.clone(), key));
            for server in ["notes", "own", "forwarded"] {
                until_reachable(&warder, server, caller).await;
            }
        }
        let keys = <[_; 2]>::try_from(keys).expect("two callers");
        Self {
            warder,
            fastmcp,
            everything,
            person,
            service,
            shared_key,
            keys,
        }
    }

    fn callers(&self) -> [&Caller; 2] {
        [&self.person, &self.service]
    }

    /// The endpoint of a server through one of the pods.
    fn url(&self, pod: usize, server: &str) -> String {
        self.warder.pods[pod].gateway().url(server)
    }

    fn assert_no_gateway_token(&self, requests: &[Request]) {
        for request in requests {
            for token in [
                &self.person.token,
                &self.service.token,
                &self.warder.admin.token,
            ] {
                assert!(
                    !request.mentions(token),
                    "the gateway token went upstream: {request:?}"
                );
            }
            assert!(!request.mentions(CLIENT_HEADERS), "{request:?}");
        }
    }
}

/// A forbidden and an unknown tool look the same to every client library.
fn assert_unknown_tool(outcome: &Outcome, step: usize, tool: &str) {
    let error = outcome.error(step);
    assert_eq!(error["code"], -32602, "{error}");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|message| message.contains(&format!("Unknown tool: {tool}"))),
        "{error}"
    );
}

async fn first_calls_on(database: Database) {
    let world = World::start(database).await;
    let clients = [
        Client::FastMcp,
        Client::FastMcpLegacy,
        Client::FastMcpModern,
        Client::TypeScript1,
        Client::TypeScript2,
        Client::TypeScript2Modern,
    ];
    let mut sessions = Vec::new();
    for (turn, caller) in world.callers().into_iter().enumerate() {
        for (index, client) in clients.into_iter().enumerate() {
            let session =
                Session::new(client, &world.url((turn + index) % 2, "notes")).token(&caller.token);
            let session = session
                .list()
                .call("echo", &json!({"text": "hello"}))
                .call("add", &json!({"a": 2, "b": 3}));
            sessions.push(
                session
                    .call("secret_admin", &json!({}))
                    .call("nothing", &json!({}))
                    .call("fail", &json!({})),
            );
        }
    }
    for (session, outcome) in sessions.iter().zip(run_sessions(&sessions).await) {
        assert_eq!(
            outcome.tools(0),
            ["echo", "add", "slow", "fail", "headers"],
            "{session:?}"
        );
        assert_eq!(outcome.text(1), "hello", "{session:?}");
        assert_eq!(outcome.text(2), "5", "{session:?}");
        assert_unknown_tool(&outcome, 3, "secret_admin");
        assert_unknown_tool(&outcome, 4, "nothing");
        assert_eq!(
            outcome.steps()[5]["is_error"],
            true,
            "a failing tool is the tool's own word: {session:?}"
        );
    }
    let requests = world.fastmcp.requests();
    world.assert_no_gateway_token(&requests);
    for request in &requests {
        assert_eq!(
            request.header("authorization"),
            Some(format!("Bearer {}", world.shared_key).as_str()),
            "{request:?}"
        );
    }
    // Three calls of each session, and none that was refused.
    assert_eq!(world.fastmcp.calls().len(), sessions.len() * 3);
    assert!(
        !requests
            .iter()
            .any(|request| request.body.contains("secret_admin"))
    );

    own_keys_reach_the_everything_server(&world).await;
    strangers_are_told_nothing(&world).await;
}

async fn own_keys_reach_the_everything_server(world: &World) {
    for ((_, key), caller) in world.keys.iter().zip(world.callers()) {
        let before = world.everything.requests().len();
        let sessions = [
            Client::FastMcp,
            Client::TypeScript1,
            Client::TypeScript2,
            Client::TypeScript2Auto,
            Client::McpRemote,
        ]
        .map(|client| {
            let session = Session::new(client, &world.url(1, "own"))
                .token(&caller.token)
                .list();
            session
                .call("echo", &json!({"message": "hi"}))
                .call("get-env", &json!({}))
                .step(json!({"do": "prompts"}))
        });
        for outcome in run_sessions(&sessions).await {
            let tools = outcome.tools(0);
            assert!(
                tools.contains(&"echo") && !tools.contains(&"get-env"),
                "{tools:?}"
            );
            assert_eq!(outcome.text(1), "Echo: hi");
            assert_unknown_tool(&outcome, 2, "get-env");
            assert!(
                outcome.steps()[3]["prompts"]
                    .as_array()
                    .is_some_and(|prompts| !prompts.is_empty())
            );
            // Over standard input and output, the library does not say.
            assert!(matches!(
                outcome.protocol_version(),
                Some("2025-11-25") | None
            ));
        }
        let requests = world.everything.requests().split_off(before);
        assert!(requests.len() > sessions.len() * 3);
        world.assert_no_gateway_token(&requests);
        for request in requests {
            assert_eq!(
                request.header("x-api-key"),
                Some(key.as_str()),
                "{request:?}"
            );
            assert!(request.header("authorization").is_none(), "{request:?}");
        }
    }
}

async fn strangers_are_told_nothing(world: &World) {
    let mut sessions = Vec::new();
    for client in [
        Client::FastMcp,
        Client::FastMcpLegacy,
        Client::TypeScript1,
        Client::TypeScript2,
    ] {
        // A server without access, and one that does not exist: the same answer.
        for server in ["closed", "nothing-like-that"] {
            sessions.push(
                Session::new(client, &world.url(0, server))
                    .token(&world.person.token)
                    .list(),
            );
        }
    }
    let before = world.fastmcp.requests().len();
    for (session, outcome) in sessions.iter().zip(run_sessions(&sessions).await) {
        let refusal = outcome.refusal().to_string();
        assert!(
            refusal.contains("404")
                || refusal.contains("NotFound")
                || refusal.contains("Not Found"),
            "{session:?}: {refusal}"
        );
    }
    assert_eq!(world.fastmcp.requests().len(), before);
    let closed = world
        .warder
        .gateway()
        .list("closed", &world.person.token)
        .await;
    let unknown = world
        .warder
        .gateway()
        .list("nothing-like-that", &world.person.token)
        .await;
    assert_eq!(closed.refusal(), (404, "NotFound".to_owned()));
    let anonymous = |text: &str| {
        let mut body: Value = serde_json::from_str(text).expect("JSON");
        body["error"]["request_id"] = "".into();
        body.to_string().replace("nothing-like-that", "closed")
    };
    assert_eq!(
        anonymous(&closed.body),
        anonymous(&unknown.body),
        "whether a server exists is not told"
    );
}

#[tokio::test]
async fn every_client_makes_its_first_call_with_facts_on_sqlite() {
    first_calls_on(Database::Sqlite).await;
}

#[tokio::test]
async fn every_client_makes_its_first_call_with_facts_on_postgresql() {
    first_calls_on(Database::Postgres).await;
}

#[tokio::test]
async fn the_recipe_with_client_headers_works_as_written() {
    let world = World::start(Database::Sqlite).await;
    let custom = json!({"Authorization": "Bearer custom-token", "X-Custom-Header": "custom-value"})
        .to_string();
    let sessions: Vec<Session> = [Client::FastMcp, Client::TypeScript1]
        .into_iter()
        .flat_map(|client| {
            ["forwarded", "notes"].map(|server| Session::new(client, &world.url(0, server)))
        })
        .map(|session| {
            session
                .token(&world.person.token)
                .header(CLIENT_HEADERS, &custom)
                .call("headers", &json!({}))
        })
        .collect();
    for outcome in run_sessions(&sessions).await {
        let seen: Value =
            serde_json::from_str(outcome.text(0)).expect("the tool answers its headers");
        assert_eq!(seen["authorization"], "Bearer custom-token");
        assert_eq!(seen["x-custom-header"], "custom-value");
        assert!(seen[CLIENT_HEADERS].is_null(), "{seen}");
    }
    world.assert_no_gateway_token(&world.fastmcp.requests());
    assert!(
        !world
            .fastmcp
            .requests()
            .iter()
            .any(|request| request.mentions(&world.shared_key))
    );
}

#[tokio::test]
async fn a_client_reads_why_it_was_refused() {
    let warder = Warder::start(Options::default()).await;
    let url = warder.gateway().url("notes");
    let outcome = run_session(
        Session::new(Client::FastMcp, &url)
            .token("not-a-token")
            .list(),
    )
    .await;
    let refusal = outcome.refusal();
    assert_eq!(refusal["kind"], "HTTPStatusError", "{refusal}");
    assert_eq!(refusal["status"], 401, "{refusal}");
    assert_eq!(
        refusal["body"]["error"]["type"], "Unauthorized",
        "{refusal}"
    );
    assert!(
        refusal["body"]["error"]["request_id"].is_string(),
        "{refusal}"
    );
    let outcome = run_session(Session::new(Client::TypeScript2Auto, &url).list()).await;
    assert!(outcome.refusal().to_string().contains("401"), "{outcome:?}");
}

#[tokio::test]
async fn long_lists_progress_prompts_and_resources_pass_through() {
    let upstream = FastMcp {
        extra_tools: 100,
        ..FastMcp::default()
    };
    let json_upstream = FastMcp {
        extra_tools: 100,
        json: true,
        stateless: true,
    };
    let (warder, streaming, plain) = tokio::join!(
        Warder::start(Options::default()),
        upstream.start(),
        json_upstream.start()
    );
    let ann = warder.api.person("ann@example.com").await;
    for (name, server) in [("streaming", &streaming), ("plain", &plain)] {
        let rules = json!([user_rule(&ann, &["*"], &["tool_05*", "secret_admin"])]);
        let body = json!({"type": "remote", "url": server.url(), "auth": {"type": "none"}, "collaborators": rules});
        warder.api.put(&format!("/mcp-servers/{name}"), &body).await;
        until_reachable(&warder, name, &ann).await;
    }
    let gateway = warder.gateway();
    let sessions: Vec<Session> = [
        (Client::FastMcp, "streaming"),
        (Client::FastMcpLegacy, "streaming"),
        (Client::TypeScript1, "streaming"),
        (Client::FastMcpLegacy, "plain"),
        (Client::FastMcp, "plain"),
    ]
    .map(|(client, server)| {
        let session = Session::new(client, &gateway.url(server))
            .token(&ann.token)
            .list()
            .call("tool_099", &json!({"value": "x"}))
            .call("tool_050", &json!({}));
        session
            .call("slow", &json!({"seconds": 0.4}))
            .step(json!({"do": "prompts"}))
            .step(json!({"do": "resources"}))
    })
    .to_vec();
    let outcomes = run_sessions(&sessions).await;
    for outcome in &outcomes {
        // 7 of its own and 100 more, without the ten of tool_05* and the secret one.
        assert_eq!(outcome.tools(0).len(), 96);
        assert_eq!(outcome.text(1), "99:x");
        assert_unknown_tool(outcome, 2, "tool_050");
        assert_eq!(outcome.text(3), "finished after 0.4 seconds");
        assert_eq!(outcome.steps()[4]["prompts"], json!(["greet"]));
        assert_eq!(outcome.steps()[5]["resources"], json!(["memo://note"]));
    }
    assert_eq!(
        outcomes[2].steps()[3]["progress"].as_array().map(Vec::len),
        Some(4),
        "{:?}",
        outcomes[2]
    );
}
