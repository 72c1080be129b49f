//! The protocol between the planes, generated from `proto/warder/v1`.

/// Package `warder.v1`.
#[expect(
    missing_docs,
    clippy::allow_attributes,
    clippy::all,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("warder.v1");
}

use chrono::{DateTime, Utc};
use prost_types::Timestamp;

/// A time as the protocol carries it.
#[must_use]
pub fn timestamp(at: DateTime<Utc>) -> Timestamp {
    let nanos = i32::try_from(at.timestamp_subsec_nanos()).unwrap_or(0);
    Timestamp {
        seconds: at.timestamp(),
        nanos,
    }
}

/// The time that the protocol carried, or `None` for one that no calendar has.
#[must_use]
pub fn datetime(at: &Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(at.seconds, u32::try_from(at.nanos).ok()?)
}
