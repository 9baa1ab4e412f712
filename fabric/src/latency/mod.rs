//! Latency histograms that are always on: written in shared memory by those who measure, readable
//! by anybody while they run.
//!
//! | module | concept |
//! |---|---|
//! | `buckets` | which bucket a value falls into |
//! | `file` | a histogram's file: one writer, any number of readers |
//! | `consumed` | what a consumer measures, once a run |
//! | `snapshot` | a histogram read: percentiles, differences |
//!
//! A histogram is never cleared by anybody but its writer's successor: who wants to start from
//! zero takes a snapshot and subtracts it ([`LatencySnapshot::since`]). So resetting needs no word
//! with the writer and no cycle of its time.

mod buckets;
mod consumed;
mod file;
mod snapshot;

pub use buckets::{BUCKETS, MAX_NS, bucket_of, highest_of, lowest_of};
pub(crate) use consumed::ConsumedLatency;
pub use file::{LatencyFile, LatencyRecorder, LatencySubject};
pub use snapshot::LatencySnapshot;
