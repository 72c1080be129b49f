//! The source text, and what can be read off it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a folder above")
        .to_owned()
}

/// A file of the project.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file with this ending below a folder, as path and text.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(&root().join(folder), ending, &mut found);
    assert!(!found.is_empty(), "{folder} has no .{ending} files");
    found
}

fn collect(folder: &Path, ending: &str, found: &mut Vec<(String, String)>) {
    let skipped = ["node_modules", ".cache", "target"];
    for entry in
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() && !skipped.contains(&name) {
            collect(&path, ending, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == ending)
        {
            let text = fs::read_to_string(&path).expect("readable");
            let path = path
                .strip_prefix(root())
                .expect("below the root")
                .display()
                .to_string();
            found.push((path, text));
        }
    }
}

/// The module right below `src` that a file belongs to.
pub(crate) fn top_module(path: &str) -> String {
    let below = path.split_once("/src/").map_or(path, |(_, below)| below);
    below
        .split(['/', '.'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// A file's text up to its unit tests.
pub(crate) fn before_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

/// The modules named after `crate::`, also in groups.
pub(crate) fn modules_used(text: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for rest in text.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            let mut naming = true;
            for character in group.chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        used.insert(std::mem::take(&mut name));
                        naming = true;
                    }
                    ':' => naming = false,
                    character if naming && depth == 0 && is_word(character) => name.push(character),
                    _ => {}
                }
            }
            used.insert(name);
        } else {
            used.insert(
                rest.chars()
                    .take_while(|character| is_word(*character))
                    .collect(),
            );
        }
    }
    // Types and functions of the crate's root are no modules.
    used.retain(|name| name.chars().next().is_some_and(char::is_lowercase));
    used
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

#[test]
fn imports_are_read_from_every_form() {
    let text = "use crate::{\n    accept::{self, body},\n    error::Rejection,\n    mcp,\n};\nuse crate::sync::Live;\nlet a = crate::audit::open();\nuse crate::Thing;";
    let expected = ["accept", "audit", "error", "mcp", "sync"].map(ToOwned::to_owned);
    assert_eq!(modules_used(text), BTreeSet::from(expected));
}
