//! What the tests share: names, schemas and frames of real messages.
#![allow(dead_code)] // Each test file uses its part.

use selvedge_fabric::frame::system::SourceJoined;
use selvedge_fabric::frame::{Flags, FrameHeader, MessageType, SourceId};
use selvedge_fabric::message::MessageSchema;
use selvedge_market::messages::MarketMessage;
use selvedge_query::{Names, Query};
use std::borrow::Cow;

/// Two sources, two symbols.
pub struct TestNames;

impl Names for TestNames {
    fn source(&self, id: SourceId) -> Option<&str> {
        match id {
            1 => Some("exchange"),
            2 => Some("gateway"),
            _ => None,
        }
    }

    fn dictionary(&self, name: &str, id: u64) -> Option<Cow<'_, str>> {
        match (name, id) {
            ("symbol", 13) => Some(Cow::Borrowed("AAPL    ")),
            ("symbol", 14) => Some(Cow::Borrowed("MSFT")),
            _ => None,
        }
    }
}

/// Every type of the market crate, and one of the fabric's own.
pub fn schemas() -> Vec<MessageSchema> {
    let mut schemas = vec![MessageSchema::of::<SourceJoined>()];
    schemas.extend(MarketMessage::schemas());
    schemas
}

/// 2012-06-21T09:30:00.5Z.
pub const TIME: u64 = 1_340_271_000_500_000_000;

/// The header of frame 1,000: the 70th of source 1, topic 3.
pub fn header(message_type: MessageType, length: usize) -> FrameHeader {
    let descriptor = FrameHeader::descriptor_word(message_type, 3, length, Flags::NONE);
    FrameHeader::new(1, 1_000, TIME, 1, 70, descriptor)
}

/// Whether `message` matches `text`, asked of all the types.
pub fn matches(text: &str, message: impl Into<MarketMessage>) -> bool {
    let message = message.into();
    let query = Query::parse(text, &schemas()).unwrap_or_else(|error| panic!("{error}"));
    let header = header(message.message_type(), message.as_bytes().len());
    query.matches(&header, message.as_bytes(), &TestNames)
}
