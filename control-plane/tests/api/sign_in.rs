//! Signing in with a password.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::json;

use crate::{
    browser::{Browser, ORIGIN, PASSWORD, set_password},
    support::Scene,
};

const ADA: &str = "ada@example.com";
const SESSION: &str = "__Host-warder-session";
const BROWSER: &str = "__Host-warder-browser";

#[tokio::test]
async fn an_administrator_signs_in_and_out() {
    let scene = Scene::new().await;
    let browser = Browser::signed_in(&scene, ADA).await;
    let home = browser.get("/").await.expect(200);
    assert!(home.text.contains("Welcome, Ada"), "{}", home.text);
    browser.get("/login").await.leads_to("/");
    let session = browser.cookie(SESSION).unwrap();
    browser
        .submit(&home, "/logout", &[])
        .await
        .leads_to("/login");
    assert_eq!(browser.cookie(SESSION), None);
    browser.get("/").await.leads_to("/login");
    // The session is gone, not only the cookie.
    browser.set_cookie(SESSION, &session);
    browser.get("/").await.leads_to("/login");
    let actions = scene.actions().await;
    for action in ["password.set", "session.start", "session.end"] {
        assert!(actions.iter().any(|known| known == action), "{actions:?}");
    }
}

#[tokio::test]
async fn t44_sign_in_leads_back_to_where_the_browser_wanted_to_go() {
    let scene = Scene::new().await;
    set_password(&scene, ADA).await;
    let browser = Browser::new(&scene);
    let wanted = "/tokens?cursor=%2F%2Fevil.example&x=https://evil.example";
    let login = browser.get(wanted).await.expect(303);
    let login = login.location().unwrap();
    let handle = login.strip_prefix("/login?continue=").unwrap();
    assert_eq!(handle.len(), 43);
    // Somebody else's browser goes nowhere with it.
    let other = Browser::at(&scene, "198.51.100.2");
    let page = other.get(login).await.expect(200);
    let fields = [("email", ADA), ("password", PASSWORD), ("continue", handle)];
    other.submit(&page, "/login", &fields).await.leads_to("/");

    let page = browser.get(login).await.expect(200);
    assert_eq!(page.after("name=\"continue\" value=\"", '"'), Some(handle));
    browser
        .submit(&page, "/login", &fields)
        .await
        .leads_to(wanted);
    // Once.
    browser.get(login).await.leads_to("/");
}

#[tokio::test]
async fn t44_no_parameter_leads_to_another_place() {
    let scene = Scene::new().await;
    set_password(&scene, ADA).await;
    let corpus = [
        "//evil.example",
        "\\evil.example",
        "/\\evil.example",
        "https://evil.example",
        "%0d%0aLocation:%20//evil.example",
        "%2F%2Fevil.example",
        "/%09/evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "///evil.example",
        "@evil.example",
        ".evil.example",
        "%E3%80%82evil.example",
        "https:evil.example",
        "/..//evil.example",
        "%00//evil.example",
    ];
    let names = [
        "continue",
        "next",
        "return_to",
        "redirect",
        "redirect_uri",
        "url",
        "r",
    ];
    for (number, bad) in corpus.iter().enumerate() {
        let browser = Browser::at(&scene, &format!("198.51.100.{number}"));
        for name in names {
            let page = browser
                .get(&format!("/login?{name}={}", encoded(bad)))
                .await
                .expect(200);
            assert!(!page.text.contains("evil.example"), "{name}={bad}");
        }
        let page = browser.get("/login").await;
        let fields = [("email", ADA), ("password", PASSWORD), ("continue", bad)];
        browser.submit(&page, "/login", &fields).await.leads_to("/");
        let home = browser.get("/").await;
        browser
            .submit(&home, "/logout", &[("continue", bad)])
            .await
            .leads_to("/login");
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test]
async fn t44_every_sign_in_has_a_session_of_its_own() {
    let scene = Scene::new().await;
    let planted = "A".repeat(43);
    let browser = Browser::new(&scene);
    set_password(&scene, ADA).await;
    browser.set_cookie(SESSION, &planted);
    browser.sign_in(ADA, PASSWORD).await.leads_to("/");
    let first = browser.cookie(SESSION).unwrap();
    assert_ne!(first, planted);
    browser.get("/").await.expect(200);
    let again = Browser::new(&scene);
    again.sign_in(ADA, PASSWORD).await.leads_to("/");
    assert_ne!(again.cookie(SESSION).unwrap(), first);
    let planted = Browser::new(&scene);
    planted.set_cookie(SESSION, &"A".repeat(43));
    planted.get("/").await.leads_to("/login");
}

#[tokio::test]
async fn t44_nobody_signs_another_persons_browser_in() {
    let scene = Scene::new().await;
    set_password(&scene, ADA).await;
    let (attacker, victim) = (Browser::new(&scene), Browser::new(&scene));
    let theirs = attacker.get("/login").await;
    let ours = victim.get("/login").await;
    assert_ne!(theirs.csrf(), ours.csrf());
    let good: [(&'static str, &str); 1] = [("origin", ORIGIN)];
    let cases: [(&str, &[(&'static str, &str)]); 5] = [
        (theirs.csrf(), &good),
        ("", &good),
        (ours.csrf(), &[]),
        (ours.csrf(), &[("origin", "https://evil.example")]),
        (
            ours.csrf(),
            &[("origin", "null"), ("sec-fetch-site", "cross-site")],
        ),
    ];
    for (token, headers) in cases {
        let fields = [("csrf", token), ("email", ADA), ("password", PASSWORD)];
        victim.post("/login", &fields, headers).await.expect(403);
        assert_eq!(victim.cookie(SESSION), None);
    }
    // A browser without a name has not seen the form.
    let nameless = Browser::new(&scene);
    let fields = [
        ("csrf", theirs.csrf()),
        ("email", ADA),
        ("password", PASSWORD),
    ];
    nameless.post("/login", &fields, &good).await.expect(403);
    let fields = [
        ("csrf", ours.csrf()),
        ("email", ADA),
        ("password", PASSWORD),
    ];
    victim.post("/login", &fields, &good).await.leads_to("/");
    assert!(victim.cookie(BROWSER).is_some());
}

#[tokio::test]
async fn t61_all_failures_look_alike_and_are_counted() {
    let scene = Scene::new().await;
    set_password(&scene, ADA).await;
    scene.member("bob").await;
    scene.member("dan").await;
    set_password(&scene, "dan@example.com").await;
    scene
        .patch(
            &scene.ada,
            "/users/dan@example.com",
            json!({"status": "disabled"}),
        )
        .await
        .expect(200);
    let body = async |client: &str, email: &str, password: &str| {
        let page = Browser::at(&scene, client).sign_in(email, password).await;
        let text = page.text.replace(page.csrf(), "").replace(email, "");
        (page.status.as_u16(), text)
    };
    let mut seen = Vec::new();
    let cases = [
        (ADA, "not the password"),
        ("nobody@example.com", PASSWORD),
        ("bob@example.com", PASSWORD),
        ("dan@example.com", PASSWORD),
        ("not an address", PASSWORD),
    ];
    for (number, (email, password)) in cases.into_iter().enumerate() {
        let client = format!("203.0.113.{number}");
        let (status, text) = body(&client, email, password).await;
        assert_eq!(status, 401, "{email}");
        seen.push(text);
    }
    seen.dedup();
    assert_eq!(seen.len(), 1);
    // Five at one account, from wherever, even with the right password then.
    for number in 10..14 {
        let (status, _) = body(&format!("203.0.113.{number}"), ADA, "wrong").await;
        assert_eq!(status, 401);
    }
    let (status, text) = body("203.0.113.20", "ADA@example.com", PASSWORD).await;
    assert_eq!(status, 429);
    assert_eq!(text.replace("ADA@example.com", ""), seen[0]);
    // Five from one client, at whatever accounts.
    for number in 0..5 {
        let (status, _) = body("192.0.2.1", &format!("x{number}@example.com"), "wrong").await;
        assert_eq!(status, 401);
    }
    let limited = Browser::at(&scene, "192.0.2.1")
        .sign_in("y@example.com", "wrong")
        .await;
    assert_eq!(limited.expect(429).headers["retry-after"], "900");
    // What was refused does not count: a quarter of an hour after the last wrong one it works again.
    scene.pass(TimeDelta::minutes(15));
    Browser::at(&scene, "192.0.2.1")
        .sign_in(ADA, PASSWORD)
        .await
        .leads_to("/");
}

#[tokio::test]
async fn t61_a_success_forgets_the_failures_before() {
    let scene = Scene::new().await;
    set_password(&scene, ADA).await;
    for _ in 0..3 {
        let browser = Browser::new(&scene);
        for _ in 0..3 {
            browser.sign_in(ADA, "wrong").await.expect(401);
        }
        browser.sign_in(ADA, PASSWORD).await.leads_to("/");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t61_attempts_at_once_are_no_more_than_the_limit() {
    let scene = Scene::new().await;
    set_password(&scene, ADA).await;
    let browser = Browser::new(&scene);
    let page = browser.get("/login").await;
    let tries =
        (0..40).map(|_| browser.submit(&page, "/login", &[("email", ADA), ("password", "wrong")]));
    let statuses: Vec<u16> = futures_util::future::join_all(tries)
        .await
        .iter()
        .map(|page| page.status.as_u16())
        .collect();
    let compared = statuses.iter().filter(|status| **status == 401).count();
    let others = statuses
        .iter()
        .filter(|status| matches!(**status, 429 | 503))
        .count();
    assert!(compared <= 5, "{statuses:?}");
    assert_eq!(compared + others, 40, "{statuses:?}");
}

/// A flood of wrong passwords from everywhere: whoever asks for something else does not wait behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t61_a_flood_of_wrong_passwords_keeps_nobody_else_waiting() {
    let scene = Scene::new().await;
    let one = Instant::now();
    Browser::at(&scene, "192.0.2.1")
        .sign_in("x@example.com", "wrong")
        .await
        .expect(401);
    let one = one.elapsed();
    let attack = async {
        let begin = Instant::now();
        let browsers: Vec<_> = (0..200)
            .map(|number| Browser::at(&scene, &format!("10.0.0.{number}")))
            .collect();
        let emails: Vec<_> = (0..200)
            .map(|number| format!("u{number}@example.com"))
            .collect();
        let tries = browsers
            .iter()
            .zip(&emails)
            .map(|(browser, email)| browser.sign_in(email, "wrong"));
        let pages = futures_util::future::join_all(tries).await;
        let busy = pages.iter().filter(|page| page.status == 503).count();
        assert!(busy > 0, "more came than the machine takes at a time");
        assert!(
            pages
                .iter()
                .all(|page| matches!(page.status.as_u16(), 401 | 503))
        );
        begin.elapsed()
    };
    let work = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            let begin = Instant::now();
            scene.get(&scene.ada, "/me").await.expect(200);
            slowest = slowest.max(begin.elapsed());
            tokio::task::yield_now().await;
        }
        slowest
    };
    let (flood, slowest) = tokio::join!(attack, work);
    // 200 hashes one after the other would take this long; most were not made.
    assert!(flood < one * 200, "{flood:?} for 200, {one:?} for one");
    assert!(slowest < flood, "{slowest:?} of {flood:?}");
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it() {
    const NEW: &str = "another lamp, another river";
    let scene = Scene::new().await;
    let browser = Browser::signed_in(&scene, ADA).await;
    let elsewhere = Browser::at(&scene, "192.0.2.7");
    elsewhere.sign_in(ADA, PASSWORD).await.leads_to("/");
    let change = async |old, new| {
        browser
            .fill(
                "/account",
                "/account/password",
                &[("old", old), ("password", new)],
            )
            .await
    };
    let page = change("wrong", NEW).await.expect(400);
    assert!(page.text.contains("not the right one"));
    let page = change(PASSWORD, "too short").await.expect(400);
    assert!(page.text.contains("15 to 128 characters"), "{}", page.text);
    assert!(
        !page.text.contains("too short"),
        "a password is not shown again"
    );
    let page = change(PASSWORD, "passwordpassword").await.expect(400);
    assert!(page.text.contains("most common"));
    let before = browser.cookie(SESSION);
    change(PASSWORD, NEW).await.leads_to("/account");
    assert_ne!(browser.cookie(SESSION), before, "a new session");
    browser.get("/account").await.expect(200);
    elsewhere.get("/").await.leads_to("/login");
    elsewhere.sign_in(ADA, PASSWORD).await.expect(401);
    elsewhere.sign_in(ADA, NEW).await.leads_to("/");
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let scene = Scene::new().await;
    let here = Browser::signed_in(&scene, ADA).await;
    let there = Browser::at(&scene, "192.0.2.7");
    there.sign_in(ADA, PASSWORD).await.leads_to("/");
    let page = here.get("/account").await.expect(200);
    let other = page
        .after("name=\"session\" value=\"", '"')
        .unwrap()
        .to_owned();
    here.submit(&page, "/account/sessions/end", &[("session", &other)])
        .await
        .leads_to("/account");
    there.get("/").await.leads_to("/login");
    here.get("/").await.expect(200);
    // Nobody ends a session of somebody else, even if they know its name.
    scene.member("bob").await;
    let bob = Browser::signed_in(&scene, "bob@example.com").await;
    let page = here.get("/account").await;
    there.sign_in(ADA, PASSWORD).await.leads_to("/");
    let name = here
        .get("/account")
        .await
        .after("name=\"session\" value=\"", '"')
        .unwrap()
        .to_owned();
    bob.fill("/account", "/account/sessions/end", &[("session", &name)])
        .await
        .leads_to("/account");
    there.get("/").await.expect(200);
    here.submit(&page, "/account/sessions/end", &[("session", "all")])
        .await
        .leads_to("/login");
    here.get("/").await.leads_to("/login");
    there.get("/").await.leads_to("/login");
    bob.get("/").await.expect(200);
}

#[tokio::test]
async fn t56_nothing_that_signs_in_is_readable_in_the_database() {
    let scene = Scene::new().await;
    let browser = Browser::signed_in(&scene, ADA).await;
    let stranger = Browser::new(&scene);
    let canary = "/account?state=canary-state-of-a-client";
    let login = stranger.get(canary).await.expect(303);
    let handle = login
        .location()
        .unwrap()
        .split('=')
        .next_back()
        .unwrap()
        .to_owned();
    stranger
        .sign_in("canary-account@example.com", "canary-wrong-password")
        .await
        .expect(401);
    let files = scene.database_files();
    let finds = |text: &str| {
        files
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    let secrets = [
        PASSWORD.to_owned(),
        handle,
        browser.cookie(SESSION).unwrap(),
        browser.cookie(BROWSER).unwrap(),
        stranger.cookie(BROWSER).unwrap(),
        "canary-state".into(),
        "canary-account".into(),
        "canary-wrong".into(),
    ];
    for secret in secrets {
        assert!(!finds(&secret), "{secret}");
    }
    assert!(
        finds("$argon2id$v=19$m=19456,t=2,p=1$"),
        "the search finds what is there"
    );
}
