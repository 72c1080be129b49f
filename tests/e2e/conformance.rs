//! What the official conformance suite says: a server behind the gateway is as good as without it.

use e2e::conformance::{gateway, server};
use e2e::upstream::Conformance;
use e2e::warder::{Options, Warder};
use serde_json::json;

use crate::support::until_reachable;

/// How many scenarios a revision requires, and how many of them the server passes by itself; `tests/conformance/README.md` says why not all.
const FIGURES: [(&str, usize, usize); 2] = [("2025-11-25", 33, 33), ("2026-07-28", 50, 40)];

#[tokio::test]
async fn a_server_behind_the_gateway_passes_what_it_passes_alone() {
    let (warder, upstream) = tokio::join!(Warder::start(Options::default()), Conformance.start());
    let ann = warder.api.person("ann@example.com").await;
    let auth = json!({"type": "none"});
    warder
        .api
        .register("suite", upstream.url(), &auth, &[&ann])
        .await;
    until_reachable(&warder, "suite", &ann).await;
    let url = warder.gateway().url("suite");

    for (revision, scenarios, passed) in FIGURES {
        let alone = server(revision, upstream.url()).await;
        assert_eq!(
            (alone.0.len(), alone.passed()),
            (scenarios, passed),
            "{revision}: {:#?}",
            alone.failures()
        );
        let guarded = gateway(revision, &url, &ann.token).await;
        for (scenario, why) in guarded.failures() {
            assert!(
                alone.failures().contains_key(scenario),
                "{revision}: {scenario} passes without the gateway: {why:#?}"
            );
        }
        assert_eq!(
            guarded.0.len(),
            scenarios,
            "{revision}: {:?}",
            guarded.0.keys()
        );
    }
}
