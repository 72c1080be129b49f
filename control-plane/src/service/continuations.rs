//! Where a browser goes on once it is signed in. The browser carries a handle, never an address, so nobody
//! can send it elsewhere (T44).

use chrono::Duration;

use super::{BearerSecret, Failure, Services};
use crate::store::continuations;

/// How long a person may take to sign in.
const LIFE: Duration = Duration::minutes(15);

/// Most that are kept at a time, since strangers make them. Beyond that, people land on the first page.
const MOST: i64 = 10_000;

/// Longest target, in bytes.
const LONGEST: usize = 8192;

const PURPOSE: &str = "continuation";

/// Keeps `target`, the path and query of a request to one of our pages, for a browser; none when it is not
/// one, or when there are too many.
///
/// # Errors
/// When the database fails.
pub async fn keep(
    services: &Services,
    browser: &BearerSecret,
    target: &str,
) -> Result<Option<BearerSecret>, Failure> {
    if !is_ours(target) {
        return Ok(None);
    }
    let handle = BearerSecret::generate()?;
    let sealed = handle.seal(PURPOSE, target.as_bytes())?;
    let mut tx = services.store.begin_append().await?;
    let now = tx.now();
    continuations::delete_expired(&mut tx, now).await?;
    if continuations::count(&mut tx).await? >= MOST {
        return Ok(None);
    }
    continuations::insert(
        &mut tx,
        &handle.hash(),
        &browser.hash(),
        &sealed,
        now + LIFE,
    )
    .await?;
    tx.commit().await?;
    Ok(Some(handle))
}

/// Takes what was kept for this browser, once.
///
/// # Errors
/// When the database fails.
pub async fn take(
    services: &Services,
    browser: &BearerSecret,
    handle: &BearerSecret,
) -> Result<Option<String>, Failure> {
    let mut tx = services.store.begin_append().await?;
    let sealed = continuations::take(&mut tx, &handle.hash(), &browser.hash()).await?;
    tx.commit().await?;
    let target = sealed.and_then(|sealed| handle.open(PURPOSE, &sealed));
    let target = target.and_then(|target| String::from_utf8(target.to_vec()).ok());
    Ok(target.filter(|target| is_ours(target)))
}

/// Whether a browser reads it as a path at this origin, whatever stands in it.
fn is_ours(target: &str) -> bool {
    target.len() <= LONGEST
        && target.starts_with('/')
        && !target.starts_with("//")
        && target
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t44_only_paths_of_our_own_are_kept() {
        for target in [
            "/",
            "/tokens?x=1",
            "/oauth/authorize?redirect_uri=https%3A%2F%2Fa",
        ] {
            assert!(is_ours(target), "{target}");
        }
        let long = format!("/{}", "a".repeat(LONGEST));
        for target in [
            "",
            "tokens",
            "//evil",
            "///evil",
            "\\evil",
            "/\\evil",
            "/a\\b",
            "https://evil",
            "/a\r\nSet-Cookie: x",
            "/\tevil",
            "/ä",
            " /a",
            &long,
        ] {
            assert!(!is_ours(target), "{target}");
        }
    }
}
