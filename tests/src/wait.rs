//! Waiting for a condition, never for time.

use std::time::{Duration, Instant};

/// How long anything may take that has no deadline of its own. Generous: it only decides how long a broken test hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(10);

/// Asks `probe` until it answers something, and returns the answer with the time that it took.
///
/// # Panics
/// When `within` has passed without an answer; `what` says what was awaited.
pub async fn until<T>(
    what: &str,
    within: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> (T, Duration) {
    let start = Instant::now();
    loop {
        if let Some(answer) = probe().await {
            return (answer, start.elapsed());
        }
        assert!(
            start.elapsed() < within,
            "{what}: still not after {within:?}"
        );
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Asks `probe` until it says yes, and returns the time that it took.
///
/// # Panics
/// When `within` has passed without a yes.
pub async fn until_true(
    what: &str,
    within: Duration,
    mut probe: impl AsyncFnMut() -> bool,
) -> Duration {
    until(what, within, async || probe().await.then_some(()))
        .await
        .1
}
