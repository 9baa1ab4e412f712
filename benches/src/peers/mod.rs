//! The peers, each with the settings that its own experts would choose.

mod aeron;
mod crossbeam;
mod disruptor;
mod element;
mod iceoryx2;
mod ringbuf;
mod rtrb;
mod threads;

pub use aeron::{AeronPeer, aeron_binary};
pub use crossbeam::{CrossbeamLatency, CrossbeamThroughput};
pub use disruptor::{DisruptorLatency, DisruptorThroughput};
pub use element::Element;
pub use iceoryx2::{Iceoryx2Latency, Iceoryx2Throughput};
pub use ringbuf::{RingbufLatency, RingbufThroughput};
pub use rtrb::{RtrbLatency, RtrbThroughput};

use selvedge_measure::child::Role;

/// What second processes of this crate can do.
pub const ROLES: &[Role] = &[
    ("iceoryx2-answer", iceoryx2::answer),
    ("iceoryx2-take", iceoryx2::take),
];

/// Slots of the rings that latency is measured with.
const LATENCY_CAPACITY: usize = 1024;

/// Elements written or read at a time where a peer can do that.
const BATCH: usize = 64;
