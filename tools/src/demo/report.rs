//! What the roles report, and the day's report made of it.

use super::options::DemoArgs;
use super::plan::{Kind, Plan};
use super::replay::Replayed;
use crate::error::{Result, ToolError};
use hdrhistogram::Histogram;
use selvedge_fabric::memory::MemoryReport;
use selvedge_journal::Verdict;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Percentiles of a latency in nanoseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half are below.
    pub p50: u64,
    /// 99 of 100 are below.
    pub p99: u64,
    /// 999 of 1,000 are below.
    pub p99_9: u64,
    /// None is above.
    pub max: u64,
    /// How many samples there are.
    #[serde(skip_serializing_if = "no_samples", default)]
    pub samples: u64,
}

fn no_samples(samples: &u64) -> bool {
    *samples == 0
}

impl Percentiles {
    /// The percentiles of a histogram.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        Percentiles {
            p50: histogram.value_at_quantile(0.5),
            p99: histogram.value_at_quantile(0.99),
            p99_9: histogram.value_at_quantile(0.999),
            max: histogram.max(),
            samples: histogram.len(),
        }
    }
}

/// What a role did, told when it has finished.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub enum RoleReport {
    /// The feed handler.
    Feed {
        /// ITCH messages published.
        messages: u64,
        /// ITCH messages of types that the specification does not have.
        unknown: u64,
        /// Messages that the ring accepted.
        accepted: u64,
        /// Nanoseconds from the first to the last.
        elapsed_ns: u64,
        /// Why the feed ended early.
        error: Option<String>,
    },
    /// The sequencer.
    Sequencer {
        /// Frames published.
        frames: u64,
        /// Passes in which the stream had no room.
        held_back: u64,
        /// Publish to sequenced.
        latency: Percentiles,
    },
    /// The strategy.
    Strategy {
        /// Orders sent.
        orders: u64,
        /// Fills received.
        fills: u64,
        /// Messages that the ring accepted.
        accepted: u64,
        /// Hash over its whole state.
        state_hash: String,
        /// Hash over its books.
        book_hash: String,
        /// Sequenced to strategy.
        latency: Percentiles,
        /// Tick sequenced to order sequenced.
        tick_to_order: Percentiles,
    },
    /// The order gateway.
    Gateway {
        /// Messages that the ring accepted.
        accepted: u64,
        /// Orders answered.
        orders: u64,
        /// Orders rejected.
        rejected: u64,
    },
    /// The journal.
    Journal {
        /// Frames written.
        frames: u64,
        /// Steps in which the disk did not keep up.
        waited: u64,
    },
}

/// The journal in the JSON output.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct JournalSummary {
    /// Its directory.
    pub path: PathBuf,
    /// Its frames.
    pub frames: u64,
    /// Whether every byte was checked and found right.
    pub verified: bool,
    /// Bytes on disk.
    pub bytes: u64,
    /// One hash over all frames.
    pub digest: String,
}

/// The latencies in the JSON output.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Latencies {
    /// From a producer's publishing to the sequencer's stamp.
    pub publish_to_sequenced: Percentiles,
    /// From the stamp to the strategy's handler.
    pub sequenced_to_strategy: Percentiles,
    /// From a tick's stamp to the stamp of the order it caused.
    pub tick_to_order: Percentiles,
}

/// The memory in the JSON output.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct MemorySummary {
    /// Page size of the rings.
    pub pages: String,
    /// What was not got, and how to get it.
    pub notes: Vec<String>,
}

/// The day.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct DayReport {
    /// ITCH messages played.
    pub messages: u64,
    /// ITCH messages of unknown types.
    pub unknown: u64,
    /// Frames in the total order.
    pub sequenced: u64,
    /// Orders sent by the strategy.
    pub orders: u64,
    /// Fills from the simulated exchange.
    pub fills: u64,
    /// Orders rejected by the simulated exchange.
    pub rejected: u64,
    /// Messages that a producer's ring accepted and the journal does not hold.
    pub lost: u64,
    /// Messages that the journal holds more than once.
    pub duplicated: u64,
    /// Messages that stand before an earlier one of their source.
    pub reordered: u64,
    /// The journal.
    pub journal: JournalSummary,
    /// The strategy's state at the end of the day.
    pub state_hash: String,
    /// The state of a fresh strategy after the replay.
    pub replay_state_hash: String,
    /// The market's books, which depend on the feed alone.
    pub book_hash: String,
    /// Latencies in nanoseconds.
    pub latency_ns: Latencies,
    /// ITCH messages a second.
    pub messages_per_second: f64,
    /// Seconds the whole day took, starting and stopping included.
    pub seconds: f64,
    /// Passes in which the sequencer found no room in the stream.
    pub held_back: u64,
    /// What memory the rings got.
    pub memory: MemorySummary,
    /// What ran where.
    pub placement: String,
    /// Why the feed ended early.
    pub feed_error: Option<String>,
    /// What did not agree, for the exit code.
    #[serde(skip)]
    disagreement: Option<String>,
    /// Whether times mean anything.
    #[serde(skip)]
    pub timed: bool,
}

impl DayReport {
    /// The report of a day.
    #[allow(clippy::too_many_arguments)] // Each is a part of the day, and is named by its type.
    pub fn new(
        args: &DemoArgs,
        plan: &Plan,
        memory: &MemoryReport,
        journal: &Path,
        wall: Duration,
        roles: Vec<RoleReport>,
        verified: selvedge_journal::Report,
        replayed: Replayed,
    ) -> Self {
        let mut report = DayReport {
            messages: 0,
            unknown: 0,
            sequenced: verified.frames,
            orders: 0,
            fills: 0,
            rejected: 0,
            lost: 0,
            duplicated: replayed.duplicated,
            reordered: replayed.reordered,
            journal: JournalSummary {
                path: journal.to_path_buf(),
                frames: verified.frames,
                verified: matches!(verified.verdict, Verdict::Sealed | Verdict::Open),
                bytes: verified.bytes,
                digest: verified.digest.map_or_else(String::new, |hash| hex(&hash)),
            },
            state_hash: String::new(),
            replay_state_hash: replayed.state_hash.clone(),
            book_hash: String::new(),
            latency_ns: Latencies {
                publish_to_sequenced: Percentiles::default(),
                sequenced_to_strategy: Percentiles::default(),
                tick_to_order: Percentiles::default(),
            },
            messages_per_second: 0.0,
            seconds: wall.as_secs_f64(),
            held_back: 0,
            memory: MemorySummary {
                pages: memory.pages.to_string(),
                notes: memory.notes.clone(),
            },
            placement: plan.describe(),
            feed_error: None,
            disagreement: None,
            timed: plan.kind != Kind::Stepped,
        };
        let mut accepted_in_all = 0;
        for role in roles {
            match role {
                RoleReport::Feed {
                    messages,
                    unknown,
                    accepted,
                    elapsed_ns,
                    error,
                } => {
                    report.messages = messages;
                    report.unknown = unknown;
                    accepted_in_all += accepted;
                    let seconds = elapsed_ns as f64 / 1e9;
                    report.messages_per_second = messages as f64 / seconds.max(1e-9);
                    report.feed_error = error;
                }
                RoleReport::Sequencer {
                    held_back, latency, ..
                } => {
                    report.held_back = held_back;
                    report.latency_ns.publish_to_sequenced = latency;
                }
                RoleReport::Strategy {
                    orders,
                    fills,
                    accepted,
                    state_hash,
                    book_hash,
                    latency,
                    tick_to_order,
                } => {
                    report.orders = orders;
                    report.fills = fills;
                    accepted_in_all += accepted;
                    report.state_hash = state_hash;
                    report.book_hash = book_hash;
                    report.latency_ns.sequenced_to_strategy = latency;
                    report.latency_ns.tick_to_order = tick_to_order;
                }
                RoleReport::Gateway {
                    accepted, rejected, ..
                } => {
                    accepted_in_all += accepted;
                    report.rejected = rejected;
                }
                RoleReport::Journal { .. } => {}
            }
        }
        report.lost = accepted_in_all.saturating_sub(replayed.distinct_messages);
        if !report.timed {
            report.latency_ns = Latencies {
                publish_to_sequenced: Percentiles::default(),
                sequenced_to_strategy: Percentiles::default(),
                tick_to_order: Percentiles::default(),
            };
        }
        report.disagreement = report.find_disagreement(&replayed, args);
        report
    }

    fn find_disagreement(&self, replayed: &Replayed, args: &DemoArgs) -> Option<String> {
        let _ = args;
        if self.lost + self.duplicated + self.reordered > 0 {
            return Some(format!(
                "{} messages lost, {} duplicated, {} reordered",
                self.lost, self.duplicated, self.reordered
            ));
        }
        if self.state_hash != self.replay_state_hash {
            return Some(format!(
                "the strategy's state was {}, after the replay it is {}",
                self.state_hash, self.replay_state_hash
            ));
        }
        if self.book_hash != replayed.book_hash {
            return Some(format!(
                "the books were {}, after the replay they are {}",
                self.book_hash, replayed.book_hash
            ));
        }
        replayed.difference.clone()
    }

    /// An error where the day does not add up, or the feed ended early.
    pub fn check(&self) -> Result<()> {
        if let Some(detail) = &self.disagreement {
            return Err(ToolError::ReplayDiffers {
                journal: self.journal.path.display().to_string(),
                detail: detail.clone(),
            });
        }
        match &self.feed_error {
            Some(error) => Err(ToolError::Role {
                role: "feed".to_owned(),
                error: format!("{error} (all messages before were delivered and journaled)"),
            }),
            None => Ok(()),
        }
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
