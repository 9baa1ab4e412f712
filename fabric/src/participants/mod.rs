//! Taking part: producers, gating consumers, copying observers, and those who do both.

mod consumer;
mod consumer_file;
mod frame;
mod handler;
mod observer;
mod participant;
mod payload_ring;
mod place;
mod producer;
mod producer_attach;
mod stamps;
mod start;

pub use consumer::{Consumer, ConsumerBuilder, PendingConsumer};
pub use frame::Frame;
pub use observer::{Observer, ObserverBuilder};
pub use participant::{Output, Participant};
pub use payload_ring::{PayloadRing, checked_offset};
pub use producer::{Claim, ClaimBytes, Producer};
pub use producer_attach::{PendingProducer, ProducerBuilder};
pub use start::Start;
