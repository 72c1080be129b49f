//! `warder dev`: one command from nothing to a tool call, and back to it the next day.

use std::path::Path;
use std::process::Command;

use e2e::files::{binary, tests_folder};
use e2e::gateway::{Gateway, call_message};
use e2e::process::{Process, Signal, run};
use e2e::wait::{PATIENCE, until};
use serde_json::{Value, json};

/// Starts `warder dev --demo` and returns it with what it wrote to its state file.
async fn start(folder: &Path) -> (Process, Value) {
    let state_file = folder.join("state.json");
    // Left by the start before; missing at the first one.
    drop(std::fs::remove_file(&state_file));
    let mut command = Command::new(binary("warder"));
    command
        .arg("dev")
        .arg("--data-dir")
        .arg(folder.join("data"))
        .arg("--state-file")
        .arg(&state_file)
        .arg("--demo");
    command
        .args([
            "--control-plane-port",
            "0",
            "--grpc-port",
            "0",
            "--gateway-port",
            "0",
        ])
        .current_dir(folder);
    let mut process = Process::spawn("warder dev", command, &folder.join("output.txt"));
    let (state, _) = until("warder dev is ready", PATIENCE, async || {
        if let Some(status) = process.ended() {
            panic!("warder dev ended with {status}: {}", process.log());
        }
        let text = std::fs::read_to_string(&state_file).ok()?;
        // The snippets are printed right after the file is written.
        process
            .log()
            .contains("asyncio.run(main())")
            .then(|| serde_json::from_str(&text).expect("JSON"))
    })
    .await;
    (process, state)
}

/// The printed lines from `first` to `last`, both included: what a person would paste.
fn snippet(output: &str, first: &str, last: &str) -> String {
    let lines: Vec<&str> = output
        .lines()
        .skip_while(|line| !line.starts_with(first))
        .collect();
    let end = lines
        .iter()
        .position(|line| line.trim_end().ends_with(last))
        .unwrap_or_else(|| panic!("no snippet in {output}"));
    lines[..=end].join("\n")
}

#[tokio::test]
async fn the_printed_snippets_work_and_the_second_start_finds_everything() {
    let folder = tempfile::TempDir::new().expect("the temporary folder is writable");
    let (mut warder, state) = start(folder.path()).await;
    for field in [
        "control_plane_url",
        "gateway_url",
        "grpc_url",
        "admin_email",
        "admin_token",
        "demo_server",
    ] {
        assert!(
            state[field].as_str().is_some_and(|text| !text.is_empty()),
            "{field} in {state}"
        );
    }
    assert!(
        state["pids"]
            .as_object()
            .is_some_and(|pids| pids.values().any(|pid| *pid == warder.id())),
        "{state}"
    );

    let output = warder.log();
    let mut shell = Command::new("bash");
    shell
        .args(["-c", &snippet(&output, "curl ", "'")])
        .current_dir(folder.path());
    let (status, answer, errors) = run("the curl snippet", shell, None).await;
    assert!(
        status.success() && answer.contains("hello"),
        "{answer}\n{errors}"
    );
    let mut python = Command::new(tests_folder().join(".cache/venv/bin/python"));
    python
        .args([
            "-c",
            &snippet(&output, "import asyncio", "asyncio.run(main())"),
        ])
        .current_dir(folder.path());
    let (status, answer, errors) = run("the Python snippet", python, None).await;
    assert!(
        status.success() && answer.contains("'echo'") && answer.contains("hello"),
        "{answer}\n{errors}"
    );

    warder.signal(Signal::INT);
    let status = warder.wait(PATIENCE).await;
    assert!(
        status.success(),
        "Ctrl-C is a clean end: {status}: {}",
        warder.log()
    );

    let (mut warder, again) = start(folder.path()).await;
    for field in [
        "control_plane_url",
        "gateway_url",
        "admin_email",
        "admin_token",
        "demo_server",
    ] {
        assert_eq!(
            again[field], state[field],
            "{field} is the same the next day"
        );
    }
    let (gateway, server) = (
        Gateway::new(again["gateway_url"].as_str().expect("a URL")),
        again["demo_server"].as_str().expect("a name"),
    );
    let token = state["admin_token"].as_str().expect("a token");
    let message = call_message(1, "echo", &json!({"text": "again"}));
    assert!(
        gateway
            .post(server)
            .token(token)
            .modern_message(message)
            .send()
            .await
            .tool_text()
            .contains("again")
    );
    assert_eq!(
        gateway
            .call(server, "nobody", "echo", &json!({"text": "again"}))
            .await
            .status,
        401
    );

    for secret in ["root.key", "admin-token", "node-token", "warder.db"] {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.path().join("data").join(secret);
        let mode = std::fs::metadata(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{secret} is readable by others");
    }
    warder.signal(Signal::TERM);
    assert!(warder.wait(PATIENCE).await.success());
}
