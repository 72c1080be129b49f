//! Ready when every part has said so, and not after the first said otherwise.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

/// What the process still waits for.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeSet<&'static str>>>);

/// Something that the process waits for. Dropping it says that it is there.
#[derive(Debug)]
pub struct Pending {
    readiness: Readiness,
    part: &'static str,
}

impl Readiness {
    /// Not ready until the answer is dropped.
    #[must_use]
    pub fn wait_for(&self, part: &'static str) -> Pending {
        self.set(part, false);
        Pending {
            readiness: self.clone(),
            part,
        }
    }

    /// Says that a part is there (again), or that it is not (any more).
    pub fn set(&self, part: &'static str, ready: bool) {
        let mut missing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ready {
            missing.remove(part);
        } else {
            missing.insert(part);
        }
    }

    /// What is missing; empty when ready.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .copied()
            .collect()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.readiness.set(self.part, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_every_part_is_there() {
        let readiness = Readiness::default();
        let (first, second) = (readiness.wait_for("keys"), readiness.wait_for("snapshot"));
        drop(first);
        assert_eq!(readiness.missing(), ["snapshot"]);
        drop(second);
        assert!(readiness.missing().is_empty());
        readiness.set("draining", false);
        assert_eq!(readiness.missing(), ["draining"]);
    }
}
