//! The house rules that a compiler does not know, checked over the source text.

mod source;

use std::collections::BTreeSet;

use source::{files, modules_used, read, root};

/// What each module of the data plane may import of the others. Itself is always allowed.
const DATA_PLANE: &[(&str, &[&str])] = &[
    ("accept", &["error"]),
    ("authenticate", &["accept", "error", "link", "sync"]),
    (
        "authorize",
        &["accept", "audit", "authenticate", "error", "mcp", "sync"],
    ),
    (
        "resolve",
        &[
            "authenticate",
            "authorize",
            "error",
            "link",
            "mcp",
            "metrics",
        ],
    ),
    (
        "forward",
        &[
            "accept",
            "audit",
            "authorize",
            "error",
            "mcp",
            "metrics",
            "resolve",
            "sync",
        ],
    ),
    ("audit", &["error", "link", "metrics"]),
    ("mcp", &[]),
    ("sync", &["link", "mcp", "metrics"]),
    ("link", &[]),
    ("metrics", &[]),
    ("error", &[]),
    ("metadata", &["accept", "error"]),
    ("config", &[]),
    (
        "pipeline",
        &[
            "accept",
            "audit",
            "authenticate",
            "authorize",
            "error",
            "forward",
            "metadata",
            "resolve",
            "sync",
        ],
    ),
];

/// The same for the control plane: arrows point down only.
const CONTROL_PLANE: &[(&str, &[&str])] = &[
    ("accept", &["api"]),
    ("authenticate", &["accept", "domain", "service", "store"]),
    ("authorize", &["authenticate", "domain", "service", "store"]),
    (
        "api",
        &["accept", "authenticate", "authorize", "domain", "service"],
    ),
    (
        "console",
        &[
            "accept",
            "api",
            "authenticate",
            "authorize",
            "domain",
            "html",
            "service",
        ],
    ),
    ("html", &["accept", "api", "authenticate", "service"]),
    (
        "oauth",
        &[
            "accept",
            "api",
            "authenticate",
            "authorize",
            "domain",
            "html",
            "service",
        ],
    ),
    ("grpc", &["domain", "service", "store"]),
    (
        "service",
        &[
            "authenticate",
            "authorize",
            "domain",
            "store",
            "upstream",
            "vault",
        ],
    ),
    ("jobs", &["service", "store", "vault"]),
    ("store", &["domain"]),
    ("vault", &["store"]),
    ("upstream", &["domain"]),
    ("domain", &[]),
    ("config", &[]),
    (
        "router",
        &["accept", "api", "console", "html", "oauth", "service"],
    ),
];

/// Modules that wire the others together.
const WIRING: &[&str] = &["app", "main", "lib"];

#[test]
fn modules_import_only_what_the_table_allows() {
    let mut broken = Vec::new();
    for (plane, table) in [("data-plane", DATA_PLANE), ("control-plane", CONTROL_PLANE)] {
        for (path, text) in files(&format!("{plane}/src"), "rs") {
            let module = source::top_module(&path);
            if WIRING.contains(&module.as_str()) {
                continue;
            }
            let Some((_, allowed)) = table.iter().find(|(name, _)| *name == module) else {
                broken.push(format!("{path}: the module {module} is not in the table"));
                continue;
            };
            let used = modules_used(source::before_tests(&text));
            broken.extend(
                used.iter()
                    .filter(|used| **used != module && !allowed.contains(&used.as_str()))
                    .map(|used| format!("{path} imports {used}")),
            );
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_domain_never_waits() {
    for (path, text) in files("control-plane/src/domain", "rs") {
        assert!(!text.contains("async fn"), "{path}");
    }
}

#[test]
fn sql_stands_in_the_store_only() {
    for (path, text) in files("control-plane/src", "rs") {
        let outside = !path.contains("/store");
        let sql = ["sqlx::query", "INSERT INTO", "DELETE FROM", "SELECT "];
        let found = sql
            .iter()
            .find(|words| outside && source::before_tests(&text).contains(**words));
        assert!(found.is_none(), "{path}: {found:?}");
    }
}

#[test]
fn no_file_is_long() {
    let mut long = Vec::new();
    for folder in ["shared", "control-plane", "data-plane", "cli", "tests"] {
        for (path, text) in files(folder, "rs") {
            let lines = source::before_tests(&text).lines().count();
            if lines > 600 {
                long.push(format!("{path}: {lines} lines"));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |database: &str| -> BTreeSet<String> {
        files(&format!("control-plane/migrations/{database}"), "sql")
            .into_iter()
            .filter_map(|(path, _)| path.rsplit('/').next().map(ToOwned::to_owned))
            .collect()
    };
    assert_eq!(names("sqlite"), names("postgres"));
    assert!(!names("sqlite").is_empty());
}

#[test]
fn every_setting_is_in_the_chart() {
    let values = read("deploy/helm/warder/values.yaml");
    for plane in ["control-plane", "data-plane"] {
        let config = read(&format!("{plane}/src/config.rs"));
        let settings: Vec<_> = config
            .split("env = \"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert!(settings.len() > 10, "{plane}: {settings:?}");
        // Only for whoever starts the process by hand.
        let missing: Vec<_> = settings
            .iter()
            .filter(|setting| **setting != "WARDER_ADDRESSES_FILE" && !values.contains(**setting))
            .collect();
        assert!(
            missing.is_empty(),
            "{plane}: {missing:?} are not in values.yaml"
        );
    }
}

#[test]
fn every_path_in_the_documents_exists() {
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "STYLE.md",
        "proto/README.md",
        "deploy/README.md",
    ] {
        let text = read(document);
        let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
        for quoted in text.split('`').skip(1).step_by(2) {
            let is_path = quoted.contains('/')
                && quoted.split('/').next().is_some_and(|first| {
                    [
                        "proto",
                        "shared",
                        "control-plane",
                        "data-plane",
                        "cli",
                        "tests",
                        "deploy",
                        ".ci",
                    ]
                    .contains(&first)
                })
                && quoted
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
            let known = root().join(quoted).exists() || root().join(folder).join(quoted).exists();
            assert!(
                !is_path || known,
                "{document} names {quoted}, which is not there"
            );
        }
    }
}

#[test]
fn nothing_is_skipped_silenced_or_left_for_later() {
    let banned = [
        concat!("#[", "ignore"),
        concat!("#[", "allow("),
        concat!("#![", "allow("),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("assert!(", "true"),
    ];
    for folder in ["shared", "control-plane", "data-plane", "cli", "tests"] {
        for (path, text) in files(folder, "rs") {
            let found = banned.iter().find(|words| text.contains(**words));
            assert!(found.is_none(), "{path}: {found:?}");
        }
    }
}

/// The name of an rpc as a method has it.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(character.to_lowercase());
    }
    snake
}

/// Every rpc is called in a story by somebody who may not.
#[test]
fn every_rpc_is_tried_by_somebody_else() {
    let story = read("tests/e2e/node_credentials.rs");
    for (path, text) in files("proto", "proto") {
        for rpc in text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("rpc "))
        {
            let name = snake_case(rpc.split('(').next().unwrap_or_default());
            assert!(
                story.contains(&format!(".{name}(")),
                "{path}: nobody else tries {name}"
            );
        }
    }
}
