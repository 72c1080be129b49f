use std::collections::HashSet;

use tempfile::TempDir;
use uuid::Uuid;
use warder_shared::clock::Clock;
use warder_shared::id::{OverrideId, ServerId, UserId};
use warder_shared::principal::Principal;
use zeroize::Zeroizing;

use super::aead::{Key, NONCE_LENGTH, nonce, random_key};
use super::*;
use crate::store::{Store, key_terms};

const ORIGIN: &str = "https://upstream.example";

/// A database of its own, with a vault on top.
struct Scene {
    folder: TempDir,
    store: Store,
    root_key: secrecy::SecretString,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("warder.db").display());
        let store = Store::connect(&url, Clock::system()).await.unwrap();
        store.migrate().await.unwrap();
        Self {
            folder,
            store,
            root_key: RootKey::generate().unwrap(),
        }
    }

    async fn vault(&self, limit: i64) -> Vault {
        let root_key = RootKey::parse(&self.root_key).unwrap();
        Vault::open_with_limit(self.store.clone(), root_key, limit)
            .await
            .unwrap()
    }

    async fn open(
        &self,
        vault: &Vault,
        binding: &Binding,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let mut tx = self.store.begin_read().await.unwrap();
        vault.open_value(&mut tx, binding, sealed).await
    }

    async fn seal(&self, vault: &Vault, binding: &Binding, plaintext: &[u8]) -> Vec<u8> {
        let mut tx = self.store.begin().await.unwrap();
        let sealed = vault.seal(&mut tx, binding, plaintext).await.unwrap();
        tx.commit().await.unwrap();
        sealed
    }
}

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn binding() -> Binding {
    let subject = Principal::User(UserId::from_uuid(uuid(3)));
    let (id, server) = (OverrideId::from_uuid(uuid(1)), ServerId::from_uuid(uuid(2)));
    Binding::auth_override(id, server, subject, ORIGIN, 7)
}

#[tokio::test]
async fn t52_a_value_opens_with_its_own_binding_only() {
    let scene = Scene::new().await;
    let vault = scene.vault(1000).await;
    let sealed = scene.seal(&vault, &binding(), b"secret").await;
    assert_eq!(
        scene
            .open(&vault, &binding(), &sealed)
            .await
            .unwrap()
            .as_slice(),
        b"secret"
    );

    let moved = [
        Binding {
            table: "mcp_servers",
            ..binding()
        },
        Binding {
            column: "hints",
            ..binding()
        },
        Binding {
            row: uuid(9).to_string(),
            ..binding()
        },
        Binding {
            owner: format!("user:{} server:{}", uuid(4), uuid(2)),
            ..binding()
        },
        Binding {
            owner: format!("virtual-account:{} server:{}", uuid(3), uuid(2)),
            ..binding()
        },
        Binding {
            owner: format!("user:{} server:{}", uuid(3), uuid(5)),
            ..binding()
        },
        Binding {
            origin: "https://upstream.example:8443".to_owned(),
            ..binding()
        },
        Binding {
            origin: String::new(),
            ..binding()
        },
        Binding {
            revision: 8,
            ..binding()
        },
        Binding {
            revision: 6,
            ..binding()
        },
        // The same bytes, cut at other places.
        Binding {
            table: "auth_overridess",
            column: "ecret",
            ..binding()
        },
    ];
    for other in moved {
        let opened = scene.open(&vault, &other, &sealed).await;
        assert!(
            matches!(opened, Err(VaultError::Tampered { .. })),
            "{other:?}: {opened:?}"
        );
    }
}

#[tokio::test]
async fn t52_two_rows_whose_ciphertexts_were_swapped_do_not_open() {
    let scene = Scene::new().await;
    let vault = scene.vault(1000).await;
    let other = Binding {
        row: uuid(9).to_string(),
        ..binding()
    };
    let one = scene.seal(&vault, &binding(), b"secret of one").await;
    let two = scene.seal(&vault, &other, b"secret of two").await;
    assert!(scene.open(&vault, &binding(), &two).await.is_err());
    assert!(scene.open(&vault, &other, &one).await.is_err());
    assert!(scene.open(&vault, &other, &two).await.is_ok());
}

#[tokio::test]
async fn t52_no_byte_of_a_sealed_value_can_be_changed_or_cut() {
    let scene = Scene::new().await;
    let vault = scene.vault(1000).await;
    let sealed = scene.seal(&vault, &binding(), b"secret").await;
    for position in 0..sealed.len() {
        for bit in 0..8 {
            let mut altered = sealed.clone();
            altered[position] ^= 1 << bit;
            let opened = scene.open(&vault, &binding(), &altered).await;
            let expected = match position {
                0 => matches!(opened, Err(VaultError::UnknownFormat { .. })),
                1..5 => matches!(opened, Err(VaultError::UnknownTerm { .. })),
                _ => matches!(opened, Err(VaultError::Tampered { .. })),
            };
            assert!(expected, "bit {bit} of byte {position}: {opened:?}");
        }
        assert!(
            scene
                .open(&vault, &binding(), &sealed[..position])
                .await
                .is_err()
        );
    }
    let longer = [sealed.as_slice(), &[0]].concat();
    assert!(scene.open(&vault, &binding(), &longer).await.is_err());
}

#[tokio::test]
async fn t52_a_value_of_an_earlier_term_cannot_pass_for_one_of_a_later() {
    let scene = Scene::new().await;
    let vault = scene.vault(1).await;
    let mut sealed = scene.seal(&vault, &binding(), b"secret").await;
    scene.seal(&vault, &binding(), b"another").await;
    sealed[4] = 2;
    let opened = scene.open(&vault, &binding(), &sealed).await;
    assert!(
        matches!(opened, Err(VaultError::Tampered { .. })),
        "{opened:?}"
    );
}

#[test]
fn t53_nonces_do_not_repeat() {
    let key = Key::new(&random_key().unwrap()).unwrap();
    let mut seen = HashSet::new();
    for _ in 0..1_000 {
        let sealed = key.seal(b"", b"").unwrap();
        assert!(seen.insert(<[u8; NONCE_LENGTH]>::try_from(&sealed[..NONCE_LENGTH]).unwrap()));
    }
    for _ in 0..1_000_000 {
        assert!(seen.insert(nonce().unwrap()));
    }
}

/// Set for the processes that the next test starts.
const PRINT_NONCES: &str = "WARDER_TEST_PRINT_NONCES";

#[test]
fn t53_processes_of_the_same_state_make_different_nonces() {
    const COUNT: usize = 10_000;
    if let Some(path) = std::env::var_os(PRINT_NONCES) {
        let nonces: Vec<String> = (0..COUNT)
            .map(|_| nonce().unwrap().map(|byte| format!("{byte:02x}")).concat())
            .collect();
        std::fs::write(path, nonces.join("\n")).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let name = "vault::tests::t53_processes_of_the_same_state_make_different_nonces";
    let files: Vec<_> = (0..3)
        .map(|number| folder.path().join(number.to_string()))
        .collect();
    let started: Vec<_> = files
        .iter()
        .map(|file| {
            std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", name])
                .env(PRINT_NONCES, file)
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut process in started {
        assert!(process.wait().unwrap().success());
    }
    let mut seen = HashSet::new();
    for file in files {
        for nonce in std::fs::read_to_string(file).unwrap().lines() {
            assert!(seen.insert(nonce.to_owned()), "{nonce} twice");
        }
    }
    assert_eq!(seen.len(), 3 * COUNT);
}

#[tokio::test]
async fn t53_encryptions_are_counted_with_the_value_and_survive_a_restart() {
    let scene = Scene::new().await;
    let vault = scene.vault(1000).await;
    for _ in 0..3 {
        scene.seal(&vault, &binding(), b"secret").await;
    }
    let mut undone = scene.store.begin().await.unwrap();
    vault
        .seal(&mut undone, &binding(), b"secret")
        .await
        .unwrap();
    drop(undone);
    drop(vault);
    let vault = scene.vault(1000).await;
    scene.seal(&vault, &binding(), b"secret").await;
    let terms = key_terms::list(&scene.store).await.unwrap();
    assert_eq!(
        terms
            .iter()
            .map(|term| term.encryptions)
            .collect::<Vec<_>>(),
        [4]
    );
}

#[tokio::test]
async fn t53_a_new_term_begins_before_a_key_has_sealed_too_many() {
    let scene = Scene::new().await;
    let vault = scene.vault(2).await;
    let mut terms = Vec::new();
    for _ in 0..5 {
        terms.push(scene.seal(&vault, &binding(), b"secret").await[4]);
    }
    assert_eq!(terms, [1, 1, 2, 2, 3]);
}

#[tokio::test]
async fn t53_a_term_that_was_undone_seals_nothing_later() {
    let scene = Scene::new().await;
    let vault = scene.vault(1).await;
    scene.seal(&vault, &binding(), b"one").await;
    let mut undone = scene.store.begin().await.unwrap();
    vault.seal(&mut undone, &binding(), b"two").await.unwrap();
    drop(undone);
    let sealed = scene.seal(&vault, &binding(), b"two").await;
    assert_eq!(sealed[4], 2);
    let restarted = scene.vault(1).await;
    assert_eq!(
        scene
            .open(&restarted, &binding(), &sealed)
            .await
            .unwrap()
            .as_slice(),
        b"two"
    );
}

#[tokio::test]
async fn t54_values_of_earlier_terms_stay_readable_also_after_a_restart() {
    let scene = Scene::new().await;
    let vault = scene.vault(1).await;
    let other = Binding::session_key("first");
    let first = scene.seal(&vault, &other, b"first").await;
    let second = scene.seal(&vault, &binding(), b"second").await;
    for vault in [vault, scene.vault(1).await] {
        assert_eq!(
            scene.open(&vault, &other, &first).await.unwrap().as_slice(),
            b"first"
        );
        assert_eq!(
            scene
                .open(&vault, &binding(), &second)
                .await
                .unwrap()
                .as_slice(),
            b"second"
        );
    }
}

#[tokio::test]
async fn t54_a_replica_opens_values_of_a_term_that_another_one_made() {
    let scene = Scene::new().await;
    let (one, two) = (scene.vault(1).await, scene.vault(1).await);
    scene.seal(&one, &binding(), b"first").await;
    let sealed = scene.seal(&one, &binding(), b"second").await;
    assert_eq!(
        scene
            .open(&two, &binding(), &sealed)
            .await
            .unwrap()
            .as_slice(),
        b"second"
    );
}

#[tokio::test]
async fn t54_another_root_key_is_refused_at_boot_and_changes_nothing() {
    let scene = Scene::new().await;
    let sealed = scene
        .seal(&scene.vault(1000).await, &binding(), b"secret")
        .await;
    let before = key_terms::list(&scene.store).await.unwrap();
    let wrong = RootKey::parse(&RootKey::generate().unwrap()).unwrap();
    let opened = Vault::open(scene.store.clone(), wrong).await;
    assert!(
        matches!(opened, Err(VaultError::WrongRootKey { term: 1 })),
        "{opened:?}"
    );
    assert_eq!(key_terms::list(&scene.store).await.unwrap(), before);
    let opened = scene
        .open(&scene.vault(1000).await, &binding(), &sealed)
        .await;
    assert_eq!(opened.unwrap().as_slice(), b"secret");
}

#[tokio::test]
async fn t54_a_value_of_an_unknown_term_is_an_error() {
    let scene = Scene::new().await;
    let vault = scene.vault(1000).await;
    let mut sealed = scene.seal(&vault, &binding(), b"secret").await;
    sealed[1..5].copy_from_slice(&77_u32.to_be_bytes());
    let opened = scene.open(&vault, &binding(), &sealed).await;
    assert!(
        matches!(opened, Err(VaultError::UnknownTerm { term: 77, .. })),
        "{opened:?}"
    );
}

#[test]
fn a_root_key_file_holds_32_bytes_in_base64() {
    for text in ["", "short", "AAAA", &"A".repeat(43), &"A".repeat(88)] {
        let parsed = RootKey::parse(&secrecy::SecretString::from(text));
        assert!(
            matches!(parsed, Err(VaultError::MalformedRootKey)),
            "{text}"
        );
    }
    let text = format!("{}=\n", "A".repeat(43));
    assert!(RootKey::parse(&secrecy::SecretString::from(text)).is_ok());
}

#[tokio::test]
async fn t56_neither_values_nor_keys_are_in_the_files() {
    let scene = Scene::new().await;
    let vault = scene.vault(1000).await;
    let canary = b"canary-7f3a9c51-canary";
    let sealed = scene.seal(&vault, &binding(), canary).await;
    assert!(!contains(&sealed, canary));
    scene.store.close().await;
    for file in std::fs::read_dir(scene.folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!contains(&bytes, canary));
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}
