//! What the order gateway is, live and in the replay alike: messages in, answers out.

use selvedge_market::MarketError;
use selvedge_market::book::BookLimits;
use selvedge_market::exchange::{Exchange, ExchangeCounters};
use selvedge_market::messages::MarketMessage;

/// The simulated exchange, and whether the day is over for it.
pub struct ExchangeCore {
    exchange: Exchange,
    finished: bool,
}

impl ExchangeCore {
    /// An exchange that has seen nothing yet.
    pub fn new() -> Result<Self, MarketError> {
        Ok(ExchangeCore {
            exchange: Exchange::new(BookLimits::default())?,
            finished: false,
        })
    }

    /// Takes a message of the market.
    #[inline]
    pub fn on_message(
        &mut self,
        sequence: u64,
        message: Option<&MarketMessage>,
        output: &mut impl FnMut(&MarketMessage),
    ) -> Result<(), MarketError> {
        let Some(message) = message else {
            return Ok(());
        };
        self.finished |= matches!(message, MarketMessage::StrategyFinished(_));
        self.exchange.on_message(sequence, message, output)
    }

    /// Whether the strategy has sent its last order.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// What it counted.
    pub fn counters(&self) -> &ExchangeCounters {
        self.exchange.counters()
    }
}
