//! The two ways a caller meets the message types one by one, each with its own Rust type.

use selvedge_fabric::message::Message;

/// Something that typed messages can be put into, such as a producer's ring.
pub trait Publish {
    /// Puts one message in. `false`: it was not taken (the ring is full); offer it again later.
    fn publish<M: Message>(&mut self, message: &M) -> bool;
}

/// Something to be done once for each message type, such as registering it with a fabric.
pub trait VisitTypes {
    /// Called with each type.
    fn visit<M: Message>(&mut self);
}
