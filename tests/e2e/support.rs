//! What most stories begin with.

use e2e::api::Caller;
use e2e::gateway::{Answer, Call, Gateway};
use e2e::sink::{Builder, Sink};
use e2e::warder::{Options, Warder};
use serde_json::{Value, json};

/// A Warder with one upstream inside the test, registered as `notes`, and one user of it.
pub(crate) struct Scene {
    pub(crate) warder: Warder,
    pub(crate) sink: Sink,
    pub(crate) ann: Caller,
}

impl Scene {
    /// Starts everything; the upstream asks for no credential.
    pub(crate) async fn start(options: Options, sink: Builder) -> Self {
        let (warder, sink) = tokio::join!(Warder::start(options), sink.start());
        let ann = warder.api.person("ann@example.com").await;
        warder
            .api
            .register("notes", &sink.url(), &json!({"type": "none"}), &[&ann])
            .await;
        let scene = Self { warder, sink, ann };
        scene.until_reachable("notes", &scene.ann).await;
        scene
    }

    pub(crate) fn gateway(&self) -> Gateway {
        self.warder.gateway()
    }

    /// A correct POST to `notes` by Ann, without its body.
    pub(crate) fn post(&self) -> Call {
        self.gateway().post("notes").token(&self.ann.token)
    }

    /// Waits until every pod lets the caller through to a server, and forgets what the upstream saw of it.
    pub(crate) async fn until_reachable(&self, server: &str, caller: &Caller) {
        until_reachable(&self.warder, server, caller).await;
        drop(self.sink.take());
    }

    /// Fails if anything has reached the upstream.
    #[track_caller]
    pub(crate) fn assert_nothing_sent(&self, case: &str) {
        let requests = self.sink.take();
        assert!(
            requests.is_empty(),
            "{case}: the upstream received {requests:?}"
        );
    }
}

/// Waits until every pod knows that the caller may use the server.
pub(crate) async fn until_reachable(warder: &Warder, server: &str, caller: &Caller) {
    for gateway in warder.gateways() {
        let what = format!("{} knows {server}", gateway.origin());
        e2e::wait::until_true(&what, e2e::wait::PATIENCE, async || {
            // A message that every pod refuses by itself: 400 once the server exists for this caller, 404 before.
            let answer = gateway
                .post(server)
                .token(&caller.token)
                .body("not a message")
                .send()
                .await;
            answer.status == 400
        })
        .await;
    }
}

/// What an answer is, in one comparable value: a tool's text, a JSON-RPC error or an error of the gateway.
pub(crate) fn summary(answer: &Answer) -> String {
    let status = answer.status;
    match serde_json::from_str::<Value>(&answer.body) {
        Ok(body) if body["error"]["type"].is_string() => {
            let (status, kind) = answer.refusal();
            format!("{status} {kind}")
        }
        Ok(body) if body["error"]["code"].is_i64() => {
            let (status, code) = answer.rpc_error();
            format!("{status} {code}")
        }
        Ok(body) if body.get("result").is_some() => format!("{status} result"),
        _ => format!("{status} other"),
    }
}

/// The policy of a collaborator who may use some tools.
pub(crate) fn user_rule(caller: &Caller, tools: &[&str], deny_tools: &[&str]) -> Value {
    json!({"subject": caller.subject, "role": "mcp-server-user", "tools": tools, "deny_tools": deny_tools})
}
