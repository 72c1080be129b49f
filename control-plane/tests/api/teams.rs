//! Teams.

use serde_json::json;

use crate::support::Scene;

#[tokio::test]
async fn a_team_is_put_and_put_again() {
    let scene = Scene::new().await;
    scene.member("bob").await;
    let body = json!({"display_name": "Dev", "members": ["bob@example.com", "ADA@example.com", "bob@example.com"]});
    let made = scene
        .put(&scene.ada, "/teams/dev", body.clone())
        .await
        .expect(201);
    assert_eq!(
        made.body["members"],
        json!(["ada@example.com", "bob@example.com"])
    );
    let again = scene.put(&scene.ada, "/teams/dev", body).await.expect(200);
    assert_eq!((again.tag(), &again.body), (made.tag(), &made.body));
    let actions = scene.actions().await;
    assert_eq!(
        actions
            .iter()
            .filter(|action| action.starts_with("team."))
            .count(),
        1,
        "{actions:?}"
    );

    let put = |body| {
        scene
            .call("PUT", "/teams/dev")
            .bearer(&scene.ada)
            .json(&body)
    };
    put(json!({}))
        .header("if-none-match", "*")
        .send()
        .await
        .problem(412, "precondition-failed");
    put(json!({}))
        .header("if-match", "\"x\", W/\"y\"")
        .send()
        .await
        .problem(412, "precondition-failed");
    let smaller = put(json!({}))
        .header("if-match", &format!("\"x\", {}", made.tag()))
        .send()
        .await
        .expect(200);
    assert_eq!(
        (&smaller.body["members"], &smaller.body["display_name"]),
        (&json!([]), &json!("dev"))
    );
    scene.delete(&scene.ada, "/teams/dev").await.expect(204);
    put(json!({}))
        .header("if-match", "*")
        .send()
        .await
        .problem(412, "precondition-failed");
    scene
        .delete(&scene.ada, "/teams/dev")
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn what_is_no_team_is_refused() {
    let scene = Scene::new().await;
    for (name, body, pointers) in [
        ("Dev", json!({}), vec!["name"]),
        ("x", json!({}), vec!["name"]),
        ("everyone", json!({}), vec!["name"]),
        (
            "dev",
            json!({"members": ["x@example.com", "ada@example.com", "y@example.com"]}),
            vec!["/members/0", "/members/2"],
        ),
        ("dev", json!({"members": ["ada"]}), vec!["/members/0"]),
    ] {
        let answer = scene
            .put(&scene.ada, &format!("/teams/{name}"), body)
            .await
            .problem(400, "validation-failed");
        assert_eq!(answer.pointers(), pointers, "{name}");
    }
}

#[tokio::test]
async fn a_team_gives_its_members_what_it_has() {
    let scene = Scene::new().await;
    let bob = scene.member("bob").await;
    scene
        .put(
            &scene.ada,
            "/teams/dev",
            json!({"members": ["bob@example.com"]}),
        )
        .await
        .expect(201);
    scene
        .server(
            "demo",
            json!({"collaborators": [{"subject": "team:dev", "role": "mcp-server-manager"}]}),
        )
        .await;
    assert_eq!(scene.get(&bob, "/me").await.body["teams"], json!(["dev"]));
    scene
        .get(&bob, "/mcp-servers/demo/collaborators")
        .await
        .expect(200);
    scene
        .put(&scene.ada, "/teams/dev", json!({}))
        .await
        .expect(200);
    scene
        .get(&bob, "/mcp-servers/demo")
        .await
        .problem(404, "not-found");

    scene
        .put(
            &scene.ada,
            "/teams/dev",
            json!({"members": ["bob@example.com"]}),
        )
        .await
        .expect(200);
    scene.get(&bob, "/mcp-servers/demo").await.expect(200);
    scene.delete(&scene.ada, "/teams/dev").await.expect(204);
    scene
        .get(&bob, "/mcp-servers/demo")
        .await
        .problem(404, "not-found");
}
