//! The API's description is committed and reviewed; every operation is in the policy table.

use std::collections::BTreeSet;

use warder_control_plane::api::{description, policy};

use crate::support::Scene;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

/// `WARDER_UPDATE_OPENAPI=1` writes the file anew, for review.
#[tokio::test]
async fn openapi_json_is_the_description_that_is_served() {
    let scene = Scene::new().await;
    let served = scene
        .call("GET", "/openapi.json")
        .send()
        .await
        .expect(200)
        .body;
    let text = format!("{served:#}\n");
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch of this test, not configuration"
    )]
    if std::env::var("WARDER_UPDATE_OPENAPI").is_ok_and(|value| value == "1") {
        std::fs::write(COMMITTED, &text).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    assert!(
        text == committed,
        "openapi.json is out of date: run this test with WARDER_UPDATE_OPENAPI=1 and review the change"
    );
}

#[test]
fn t59_the_route_table_is_the_policy_table() {
    let operations = operations();
    let described: BTreeSet<&str> = operations
        .iter()
        .map(|operation| operation.id.as_str())
        .collect();
    assert_eq!(
        described.len(),
        operations.len(),
        "operation ids are unique"
    );
    let governed: BTreeSet<&str> = policy::POLICY.iter().map(|(id, _)| *id).collect();
    assert_eq!(governed.len(), policy::POLICY.len(), "policies are unique");
    assert_eq!(described, governed);
    for operation in operations {
        let access = policy::access(&operation.id).unwrap();
        assert_eq!(
            operation.access.as_deref(),
            Some(access.as_str()),
            "{}",
            operation.id
        );
    }
}

/// An operation of the description.
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) access: Option<String>,
}

/// Every operation of the description.
pub(crate) fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(description::document()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push(Operation {
                id: operation["operationId"].as_str().unwrap().into(),
                method: method.to_uppercase(),
                path: path.clone(),
                access: operation["x-warder-access"].as_str().map(str::to_owned),
            });
        }
    }
    assert!(
        operations.len() > 30,
        "the description lists the operations"
    );
    operations
}
