//! A generator of realistic ITCH 5.0 sessions.
//!
//! A whole trading day, from the start of messages to their end, with every message type of the
//! specification. It is consistent: every execution, cancel, delete and replace is about a live
//! order, executions hit the order with price-time priority, books never lock or cross, trades
//! that are broken have happened. Prices follow a fair value that walks at random; messages come
//! in bursts. The same settings give the same bytes, on every machine.

mod arrivals;
mod random;
mod session;

pub use session::{Generator, GeneratorConfig};
