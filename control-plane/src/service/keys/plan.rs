//! When keys are made and retired: a decision without side effects.

use chrono::{DateTime, Duration, Utc};

use crate::domain::{SessionKeyRecord, SigningKeyRecord};

/// One key, as far as its use over time goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life<'a> {
    pub(super) id: &'a str,
    pub(super) active_from: DateTime<Utc>,
    pub(super) retired_at: Option<DateTime<Utc>>,
}

/// Something to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Make and publish a key that is used from then on.
    Make { active_from: DateTime<Utc> },
    /// Note that a key is not used any more.
    Retire { id: String },
}

impl<'a> From<&'a SigningKeyRecord> for Life<'a> {
    fn from(record: &'a SigningKeyRecord) -> Self {
        Self {
            id: &record.kid,
            active_from: record.active_from,
            retired_at: record.retired_at,
        }
    }
}

impl<'a> From<&'a SessionKeyRecord> for Life<'a> {
    fn from(record: &'a SessionKeyRecord) -> Self {
        Self {
            id: &record.id,
            active_from: record.active_from,
            retired_at: record.retired_at,
        }
    }
}

/// What is due at `now` for keys that are used for `rotation` and published `lead` before.
pub(super) fn plan(
    keys: &[Life<'_>],
    now: DateTime<Utc>,
    rotation: Duration,
    lead: Duration,
) -> Vec<Step> {
    let lead = lead.min(rotation / 2);
    let usable = || keys.iter().filter(|key| key.retired_at.is_none());
    let Some(current) = usable()
        .filter(|key| key.active_from <= now)
        .max_by_key(|key| key.active_from)
    else {
        // Nobody can be surprised by the first key.
        return vec![Step::Make { active_from: now }];
    };
    let mut steps: Vec<Step> = usable()
        .filter(|key| key.active_from <= now && key.id != current.id)
        .map(|key| Step::Retire {
            id: key.id.to_owned(),
        })
        .collect();
    let successor_is_published = usable().any(|key| key.active_from > now);
    if !successor_is_published && current.active_from + rotation - lead <= now {
        steps.push(Step::Make {
            active_from: now + lead,
        });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROTATION: Duration = Duration::days(30);
    const LEAD: Duration = Duration::minutes(10);

    fn at(offset: Duration) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap() + offset
    }

    fn key(id: &str, active_from: Duration, retired: bool) -> Life<'_> {
        let active_from = at(active_from);
        Life {
            id,
            active_from,
            retired_at: retired.then_some(active_from),
        }
    }

    fn steps(keys: &[Life<'_>], now: Duration) -> Vec<Step> {
        plan(keys, at(now), ROTATION, LEAD)
    }

    #[test]
    fn the_first_key_is_used_at_once() {
        let now = Duration::zero();
        for keys in [&[][..], &[key("a", -ROTATION, true)]] {
            assert_eq!(
                steps(keys, now),
                [Step::Make {
                    active_from: at(now)
                }]
            );
        }
    }

    #[test]
    fn r22_a_successor_is_published_before_it_is_used() {
        let first = key("a", Duration::zero(), false);
        assert_eq!(steps(&[first], ROTATION - LEAD - Duration::seconds(1)), []);
        let due = ROTATION - LEAD;
        assert_eq!(
            steps(&[first], due),
            [Step::Make {
                active_from: at(ROTATION)
            }]
        );
        let second = key("b", ROTATION, false);
        assert_eq!(steps(&[first, second], due), []);
        assert_eq!(steps(&[first, second], ROTATION - Duration::seconds(1)), []);
        assert_eq!(
            steps(&[first, second], ROTATION),
            [Step::Retire { id: "a".to_owned() }]
        );
        assert_eq!(
            steps(&[key("a", Duration::zero(), true), second], ROTATION),
            []
        );
    }

    #[test]
    fn a_control_plane_that_was_away_for_long_still_publishes_first() {
        let late = ROTATION * 10;
        let steps = steps(&[key("a", Duration::zero(), false)], late);
        assert_eq!(
            steps,
            [Step::Make {
                active_from: at(late + LEAD)
            }]
        );
    }

    #[test]
    fn a_short_rotation_shortens_the_lead() {
        let rotation = Duration::seconds(10);
        let keys = [key("a", Duration::zero(), false)];
        assert_eq!(plan(&keys, at(Duration::seconds(4)), rotation, LEAD), []);
        let made = plan(&keys, at(Duration::seconds(5)), rotation, LEAD);
        assert_eq!(
            made,
            [Step::Make {
                active_from: at(Duration::seconds(10))
            }]
        );
    }
}
