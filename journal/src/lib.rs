//! The stream on disk: append-only segments, verified and replayed.
//!
//! A journal is a directory of segment files that hold the frames of the sequenced stream byte
//! for byte, in blocks with a CRC32C and a BLAKE3 hash chain. `FORMAT.md` beside this crate's
//! source describes every byte of it.
//!
//! - [`JournalWriter`] appends frames and never waits for the disk: a helper thread writes and
//!   syncs finished blocks. [`JournalPositions`] tells how far the journal is `recorded` and
//!   `durable`.
//! - [`JournalReader`] streams the frames back, from any sequence, even while the journal is
//!   still being written.
//! - [`verify()`] checks every byte and says what is wrong and which sequences it concerns;
//!   [`digest()`] is one hash by which two recordings of a stream can be compared.
//! - [`inspect()`] tells where a journal ends: last sequence, life, and the last source sequence
//!   of every source.
//!
//! ```
//! use selvedge_fabric::frame::{Flags, FrameHeader};
//! use selvedge_journal::{
//!     Append, Dictionary, JournalConfig, JournalIdentity, JournalReader, JournalWriter,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let directory = tempfile::tempdir()?;
//! let identity = JournalIdentity::new("example", 0x5E17_ED6E, 1)?;
//! let config = JournalConfig { segment_bytes: 1 << 20, ..JournalConfig::default() };
//! let mut writer =
//!     JournalWriter::open(directory.path(), &identity, 1, &Dictionary::default(), &config)?;
//! let descriptor = FrameHeader::descriptor_word(7, 0, 5, Flags::NONE);
//! let header = FrameHeader::new(1, 1, 1_000, 3, 1, descriptor);
//! assert_eq!(writer.append(&header, b"hello")?, Append::Done);
//! let end = writer.finish()?;
//! assert_eq!(end.last_sequence, 1);
//!
//! let mut reader = JournalReader::open(directory.path())?;
//! let (read, payload) = reader.next()?.ok_or("one frame")?;
//! assert_eq!((read, payload), (header, &b"hello"[..]));
//! # Ok(())
//! # }
//! ```

mod agent;
mod ahead;
mod block;
mod body;
mod buffer;
mod config;
mod contents;
mod crc;
mod dictionary;
mod digest;
mod error;
mod fault;
mod final_dictionary;
mod follower;
mod follower_file;
pub mod format;
mod frames;
mod host_clock;
mod identity;
mod keys;
mod marks;
mod memory;
mod merkle;
mod operator_action;
mod placed_record;
mod positions;
mod proof;
mod reader;
mod record;
mod recovery;
mod retain;
mod revive;
mod roll;
mod segment;
mod segment_index;
mod sink;
mod sources;
pub mod staging;
mod state_machine;
pub mod storage;
mod summary;
mod tail;
mod verify;
mod view;
mod watch;
mod writer;

pub use agent::{JOURNAL_CONSUMER, JournalAgent};
pub use ahead::verify_threads;
pub use config::{JournalConfig, SyncPolicy, WhenStopped, WriteMode};
pub use dictionary::{Dictionary, MAX_DICTIONARY_BYTES};
pub use digest::{Digest, digest, digest_in};
pub use error::JournalError;
pub use fault::{BlockFault, SegmentFault};
pub use final_dictionary::{final_dictionary, final_dictionary_in};
pub use follower::{FollowFrom, Follower, FollowerPlace};
pub use follower_file::{FollowerView, dismiss_follower, followers};
pub use identity::JournalIdentity;
pub use keys::{PublicKey, SignatureState, Signer, check_signature, parse_hash};
pub use marks::{MARK_BYTES, MARK_EVERY, Marks};
pub use merkle::{MerkleBuilder, merkle_leaf, merkle_node};
pub use operator_action::announce_action;
pub use placed_record::{PlacedRecord, records, records_in};
pub use positions::{
    Alarm, AlarmState, JournalPositions, POSITIONS_BYTES, POSITIONS_MAGIC, POSITIONS_VERSION,
};
pub use proof::{MAX_PROOF_BYTES, PROOF_MAGIC, ProvenMessage, check_proof, prove, prove_in};
pub use reader::{JournalReader, ReadOptions};
pub use record::Record;
pub use recovery::{JournalEnd, inspect, inspect_in};
pub use retain::{RetainOptions, RetiredSegment, retain_in};
pub use revive::recovery_from;
pub use roll::is_roll_interval;
pub use state_machine::{
    FrameCounts, MAX_SNAPSHOT_BYTES, StateMachine, StateSnapshot, replay_into,
};
pub use summary::{JournalSummary, SegmentSummary, summarise};
pub use tail::{Tail, TornTail};
pub use verify::{Damage, Progress, Report, Verdict, VerifyOptions, verify, verify_in};
pub use view::{JournalView, shared_directory};
pub use writer::{Append, JournalWriter, POSITIONS_FILE, STAGING_FILE};

/// A result whose error is a [`JournalError`].
pub type Result<T> = std::result::Result<T, JournalError>;
