//! What is measured: the limits of the machine, and the fabric's own paths.

mod bare_ring;
mod limits;
mod messages;
mod payloads;
mod raw_channels;
mod ring;
mod sequenced;
mod sequencer_process;
mod silence;

pub use bare_ring::BareRing;
pub use limits::{CopyLimit, RawLine, RawWord};
pub use messages::{BYTES_TYPE, Line, bytes_schema, sum_words};
pub use payloads::RingPayload;
pub use raw_channels::RawChannels;
pub(crate) use ring::{PING, PONG, RUN, admit, stepped_sequencer};
pub use ring::{RingLatency, RingThroughput};
pub use sequenced::{SequencedLatency, SequencedThroughput};
pub use sequencer_process::SequencerProcess;
pub use silence::FirstAfterSilence;

use crate::child::Role;

/// What second processes of this crate can do.
pub(crate) const ROLES: &[Role] = &[
    ("raw-word", limits::answer_word),
    ("raw-line", limits::answer_line),
    ("raw-channels", raw_channels::answer),
    ("copy", limits::take_copies),
    ("ring-answer", ring::answer),
    ("ring-take", ring::take),
    ("ring-payload", payloads::take),
    ("sequencer", sequencer_process::run),
    ("one-way", crate::bench::one_way),
    ("fan-out", crate::bench::consume),
    ("counters", crate::bench::tell_counters),
];
