//! What lies in shared memory, file by file: the layouts that every process must agree on.
//!
//! A fabric is a directory:
//!
//! | file | written by | what |
//! |---|---|---|
//! | `control` | whoever creates the fabric, once | sizes, clock, where the rings lie ([`control`]) |
//! | `epoch` | sequencers, by compare-exchange only | the current epoch and its bank |
//! | `attach.lock` | nobody | serialises attaching under a name |
//! | `banks/N.state` | the sequencer of the epoch that has bank N | positions, registry, snapshots ([`bank`]) |
//! | `banks/N.ring` (ring directory) | the same | the stream's slots and payload ring |
//! | `sources/NAME.NONCE` | that producer | registration: who, which message types ([`registration`]) |
//! | `sources/NAME.NONCE.ring` (ring directory) | that producer | its ingress slots and payload ring |
//! | `consumers/NAME` | that consumer | its cursor ([`cursor`]) |
//! | `latency/source-N-NAME` | the sequencer that has bank N | a latency histogram ([`crate::latency`]) |
//! | `latency/consumer-NAME` | that consumer | the same |
//! | `actions/*.action` | a command that an operator gave | word of it, until the journal has it (`journal/SHARED.md`) |
//! | `errors/AGENT` | that agent | what went wrong, each distinct error once ([`error_log`]) |
//!
//! The ring directory is the fabric's own, or one on hugetlbfs that `control` names.

pub mod bank;
pub mod control;
pub mod cursor;
pub mod error_log;
pub mod names;
pub mod paths;
pub mod registration;
pub mod text;

/// The version of everything in this module. A process attaches only to its own version.
pub const LAYOUT_VERSION: u32 = 1;
