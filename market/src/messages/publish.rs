//! How a caller meets messages one by one, each with its own Rust type.

use selvedge_fabric::message::Message;

/// Something that typed messages can be put into, such as a producer's ring.
pub trait Publish {
    /// Puts one message in. `false`: it was not taken (the ring is full); offer it again later.
    fn publish<M: Message>(&mut self, message: &M) -> bool;
}
