//! Shared-memory rings, messages, and attaching to them: the core of the Selvedge messaging
//! fabric.

#[cfg(target_endian = "big")]
compile_error!("shared memory and journal are little-endian; big-endian hosts are not supported");

// The message macro names this crate by its public name, inside it too.
extern crate self as selvedge_fabric;

#[macro_use]
pub mod crash;
pub mod frame;
pub mod message;
pub mod protocol;

// Loom models compile the protocols alone: what follows needs real memory, files and processes.
#[cfg(not(loom))]
pub mod agent;
#[cfg(not(loom))]
pub mod clock;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod fabric;
#[cfg(not(loom))]
pub mod host;
#[cfg(not(loom))]
pub mod latency;
#[cfg(not(loom))]
pub mod memory;
#[cfg(not(loom))]
mod participants;
#[cfg(not(loom))]
pub mod shared;

#[cfg(not(loom))]
pub use error::{ClaimError, FabricError, Result};
#[cfg(not(loom))]
pub use fabric::{Fabric, FabricConfig, Recovery, SequencerView};
#[cfg(not(loom))]
pub use participants::{
    Claim, ClaimBytes, Consumer, ConsumerBuilder, Frame, Observer, ObserverBuilder, Output,
    Participant, PayloadRing, PendingConsumer, PendingProducer, Producer, ProducerBuilder, Start,
    checked_offset,
};

#[doc(hidden)]
pub use zerocopy;
