//! NASDAQ TotalView-ITCH 5.0: layouts, decoding and encoding, and files of it.
//!
//! Source: "NASDAQ TotalView-ITCH 5.0" specification, section 4 "Message Formats". A message
//! struct lies directly over the received bytes; decoding checks the length and copies nothing,
//! encoding is [`as_bytes`](zerocopy::IntoBytes::as_bytes).

mod file;
mod layout;
mod source;
mod wire;
mod writer;

pub use file::{ItchFile, MAX_ITCH_BYTES};
pub use layout::*;
pub use source::ItchSource;
pub use wire::{ItchHeader, Timestamp, U16, U32, U64};
pub use writer::ItchWriter;
