//! The lock-free protocols, and nothing else: no files, no processes, no clocks.
//!
//! Everything here works on [`Words`]: runs of 64-bit atomic words that lie in shared memory in
//! the product and in loom's memory in the models of `loom-tests`, which compile this very source.
//! Each ordering goes through [`ordering`], where a model can weaken one to show that it is
//! needed.
//!
//! | module | protocol |
//! |---|---|
//! | [`ingress`] | one producer → the sequencer: slots published in place, room given back by the sequencer's positions |
//! | [`stream`] | the sequencer → any number of readers: slots published in place, gating cursors, the overwrite bound |
//! | [`gating`] | cursors of consumers that hold the sequencer back |
//! | [`epoch`] | which sequencer counts: takeover, closing the old epoch, the readers' and producers' check |
//! | [`record`] | table entries that are never read torn |
//! | [`snapshot`] | source → last source sequence, for sources quieter than the ring |

pub mod epoch;
pub mod gating;
pub mod ingress;
pub mod ordering;
pub mod record;
pub mod snapshot;
pub mod stream;
mod sync;
mod words;

pub use sync::{AtomicU64, Ordering};
pub use words::{View, Words};

/// Words in the unit that different cores write apart: 128 bytes, because the adjacent-line
/// prefetcher pulls cache lines in pairs.
pub const LINE_WORDS: usize = 16;
