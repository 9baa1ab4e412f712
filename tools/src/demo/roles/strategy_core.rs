//! What the strategy is, live and in the replay alike: frames in, orders out.

use super::FEED;
use selvedge_fabric::frame::system::{SourceJoined, SourceLeft};
use selvedge_fabric::frame::{FrameHeader, SourceId};
use selvedge_fabric::message::Message;
use selvedge_fabric::zerocopy::FromBytes;
use selvedge_market::MarketError;
use selvedge_market::messages::{EndOfFeed, MarketMessage};
use selvedge_market::strategy::{Strategy, StrategyConfig, StrategyCounters};

/// The strategy, and what it knows of the feed's coming and going.
pub struct StrategyCore {
    strategy: Strategy,
    feed: Option<SourceId>,
    feed_ended: bool,
    last_time_ns: u64,
    messages: u64,
}

impl StrategyCore {
    /// A strategy that has seen nothing yet.
    pub fn new() -> Result<Self, MarketError> {
        Ok(StrategyCore {
            strategy: Strategy::new(StrategyConfig::default())?,
            feed: None,
            feed_ended: false,
            last_time_ns: 0,
            messages: 0,
        })
    }

    /// Takes a frame; `message` is its payload decoded, if it is of the market.
    ///
    /// A feed that leaves without saying that it has ended (its file was damaged, its process
    /// died) counts as ended.
    #[inline]
    pub fn on_frame(
        &mut self,
        header: &FrameHeader,
        payload: &[u8],
        message: Option<&MarketMessage>,
        output: &mut impl FnMut(&MarketMessage),
    ) -> Result<(), MarketError> {
        let Some(message) = message else {
            return self.on_system(header, payload, output);
        };
        if matches!(message, MarketMessage::EndOfFeed(_)) {
            self.feed_ended = true;
        } else if !message.is_routing() {
            self.messages += 1;
            self.last_time_ns = message.time_ns().unwrap_or(self.last_time_ns);
        }
        self.strategy.on_message(header.sequence(), message, output)
    }

    fn on_system(
        &mut self,
        header: &FrameHeader,
        payload: &[u8],
        output: &mut impl FnMut(&MarketMessage),
    ) -> Result<(), MarketError> {
        if header.source() != 0 {
            return Ok(());
        }
        if header.message_type() == SourceJoined::TYPE
            && let Ok(joined) = SourceJoined::read_from_bytes(payload)
            && joined.name.starts_with(FEED.as_bytes())
            && joined.name_length as usize == FEED.len()
        {
            self.feed = Some(joined.source);
        }
        if header.message_type() == SourceLeft::TYPE
            && let Ok(left) = SourceLeft::read_from_bytes(payload)
            && self.feed == Some(left.source)
            && !self.feed_ended
        {
            self.feed_ended = true;
            let end = EndOfFeed {
                time_ns: self.last_time_ns,
                messages: self.messages,
                unknown: 0,
                bytes: 0,
            };
            return self
                .strategy
                .on_message(header.sequence(), &end.into(), output);
        }
        Ok(())
    }

    /// Whether the strategy has nothing more to say.
    pub fn is_finished(&self) -> bool {
        self.strategy.is_finished()
    }

    /// What it counted.
    pub fn counters(&self) -> &StrategyCounters {
        self.strategy.counters()
    }

    /// Hash over its whole state.
    pub fn state_hash(&self) -> String {
        self.strategy.state_hash().to_hex().to_string()
    }

    /// Hash over its books.
    pub fn book_hash(&self) -> String {
        self.strategy.books().book_hash().to_hex().to_string()
    }
}
