//! A simple strategy: a pure state machine over the stream.

use crate::MarketError;
use crate::book::{BookEffect, BookLimits, OrderBooks};
use crate::messages::{MarketMessage, NewOrder, Side, StrategyFinished};
use zerocopy::IntoBytes;

/// How a [`Strategy`] trades.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StrategyConfig {
    /// The strategy's number: the upper 16 bits of its order numbers. Strategies in one fabric have
    /// different ones.
    pub strategy: u16,
    /// Price levels of each side that count, from 1 to 64.
    pub levels: usize,
    /// It buys where the bids have at least this share of the displayed size of both sides, and
    /// sells where the offers have: per mille, from 501 to 1,000.
    pub threshold_per_mille: u32,
    /// Shares of an order, from 1 to [`crate::exchange::MAX_ORDER_SIZE`].
    pub order_size: u32,
    /// The most shares long or short in one symbol, from 1.
    pub position_limit: u32,
    /// Exchange time between two orders in one symbol, nanoseconds.
    pub cool_down_ns: u64,
    /// What its books may hold.
    pub limits: BookLimits,
}

impl Default for StrategyConfig {
    /// Strategy 1: three levels, 70 %, 100 shares an order, 1,000 shares at most, 100 ms between
    /// orders.
    fn default() -> Self {
        StrategyConfig {
            strategy: 1,
            levels: 3,
            threshold_per_mille: 700,
            order_size: 100,
            position_limit: 1_000,
            cool_down_ns: 100_000_000,
            limits: BookLimits::default(),
        }
    }
}

/// What a strategy has done so far.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct StrategyCounters {
    /// Orders sent.
    pub orders: u64,
    /// Orders acknowledged.
    pub acknowledged: u64,
    /// Fills received.
    pub fills: u64,
    /// Shares traded.
    pub filled_size: u64,
    /// Orders of which something expired.
    pub expired: u64,
    /// Orders rejected.
    pub rejected: u64,
    /// Answers with this strategy's number that fit no order in flight. Passed over.
    pub unexpected: u64,
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    client_order: u64,
    side: Side,
    remaining: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Holding {
    /// Shares, negative when short.
    position: i64,
    in_flight: Option<InFlight>,
    /// Exchange time from which the next order may be sent.
    not_before_ns: u64,
    /// Price of the last execution, 0 before the first.
    last_price: u32,
}

/// The most messages that one message causes: an order, or the end.
pub const MAX_STRATEGY_OUTPUTS: usize = 1;

/// Follows the displayed size of the best levels and takes liquidity on the thin side: where
/// buyers outweigh sellers it buys at the best offer, where sellers outweigh buyers it sells at
/// the best bid.
///
/// A book that is locked or crossed holds orders that are no longer there in truth (some recorded
/// days do, from their beginning). Then only bids at the last execution's price and below count,
/// and offers at it and above.
///
/// It sends orders only in market hours, for symbols that trade, with at most one order in flight
/// a symbol, and never so that all fills together could break the position limit. After
/// [`EndOfFeed`](crate::messages::EndOfFeed) it sends no more, and once nothing is in flight it
/// says [`StrategyFinished`], once.
///
/// Orders and state are a function of the messages alone. Other strategies' messages, and its own
/// orders when they come by in the stream, are ignored.
#[derive(Clone, Debug)]
pub struct Strategy {
    config: StrategyConfig,
    books: OrderBooks,
    /// By the symbol's place in the books.
    holdings: Vec<Holding>,
    /// 1/10,000 dollars.
    cash: i64,
    counters: StrategyCounters,
    in_flight: usize,
    orders_hash: blake3::Hasher,
    feed_ended: bool,
    finished: bool,
}

/// Bits of a client order number that count a strategy's orders.
const ORDER_BITS: u32 = 48;

impl Strategy {
    /// A strategy that has seen nothing yet.
    ///
    /// # Errors
    ///
    /// [`MarketError::Setting`] where a setting is outside its range.
    pub fn new(config: StrategyConfig) -> Result<Self, MarketError> {
        let most_size = u64::from(crate::exchange::MAX_ORDER_SIZE);
        for (setting, value, least, most) in [
            ("StrategyConfig::levels", config.levels as u64, 1, 64),
            (
                "StrategyConfig::threshold_per_mille",
                u64::from(config.threshold_per_mille),
                501,
                1_000,
            ),
            (
                "StrategyConfig::order_size",
                u64::from(config.order_size),
                1,
                most_size,
            ),
            (
                "StrategyConfig::position_limit",
                u64::from(config.position_limit),
                1,
                u64::from(u32::MAX),
            ),
        ] {
            if !(least..=most).contains(&value) {
                return Err(MarketError::Setting {
                    setting,
                    value,
                    least,
                    most,
                });
            }
        }
        Ok(Strategy {
            config,
            books: OrderBooks::new(config.limits)?,
            holdings: Vec::new(),
            cash: 0,
            counters: StrategyCounters::default(),
            in_flight: 0,
            orders_hash: blake3::Hasher::new(),
            feed_ended: false,
            finished: false,
        })
    }

    /// Takes the message with global sequence `sequence`; `output` is called with what the strategy
    /// has to say, at most [`MAX_STRATEGY_OUTPUTS`] times.
    ///
    /// # Errors
    ///
    /// Those of [`OrderBooks::apply`].
    #[inline]
    pub fn on_message(
        &mut self,
        sequence: u64,
        message: &MarketMessage,
        output: &mut impl FnMut(&MarketMessage),
    ) -> Result<(), MarketError> {
        if message.is_routing() {
            self.on_answer(message);
        } else if let MarketMessage::EndOfFeed(_) = message {
            self.feed_ended = true;
        } else {
            self.keep_last_price(message);
            let BookEffect::Changed(symbol) = self.books.apply(message)? else {
                return Ok(());
            };
            let time_ns = message.time_ns().unwrap_or_default();
            if let Some(order) = self.consider(sequence, symbol, time_ns) {
                output(&order.into());
            }
            return Ok(());
        }
        if self.feed_ended && self.in_flight == 0 && !self.finished {
            self.finished = true;
            output(&self.summary().into());
        }
        Ok(())
    }

    /// The order to send now that the book of `symbol` has changed.
    #[inline]
    fn consider(&mut self, sequence: u64, symbol: u16, time_ns: u64) -> Option<NewOrder> {
        let place = self.books.symbol_place(symbol)?;
        let holding = *self.holding(place);
        if holding.in_flight.is_some()
            || time_ns < holding.not_before_ns
            || self.feed_ended
            || !self.books.is_market_open()
            || !self.books.is_trading(symbol)
        {
            return None;
        }
        let bid = self.books.best_bid(symbol)?;
        let ask = self.books.best_ask(symbol)?;
        let (bid_from, ask_from) = if bid.price < ask.price {
            (bid.price, ask.price)
        } else {
            (holding.last_price, holding.last_price)
        };
        let (bid_price, bid_size) = self.touch(symbol, Side::Buy, bid_from)?;
        let (ask_price, ask_size) = self.touch(symbol, Side::Sell, ask_from)?;
        let enough = (bid_size + ask_size) * u128::from(self.config.threshold_per_mille);
        let (side, price) = if bid_size * 1_000 >= enough {
            (Side::Buy, ask_price)
        } else if ask_size * 1_000 >= enough {
            (Side::Sell, bid_price)
        } else {
            return None;
        };
        let limit = i64::from(self.config.position_limit);
        let room = match side {
            Side::Buy => limit - holding.position,
            Side::Sell => limit + holding.position,
        };
        let size = room.clamp(0, i64::from(self.config.order_size)) as u32;
        if size == 0 || price == 0 {
            return None;
        }
        self.counters.orders += 1;
        let client_order = u64::from(self.config.strategy) << ORDER_BITS | self.counters.orders;
        let holding = &mut self.holdings[place];
        holding.not_before_ns = time_ns.saturating_add(self.config.cool_down_ns);
        holding.in_flight = Some(InFlight {
            client_order,
            side,
            remaining: size,
        });
        self.in_flight += 1;
        let order = NewOrder {
            client_order,
            trigger_sequence: sequence,
            price,
            size,
            symbol,
            side: side.letter(),
            reserved: [0; 5],
        };
        self.orders_hash.update(order.as_bytes());
        Some(order)
    }

    /// The best price of a side, from `price` on, and the shares at the levels that count.
    #[inline]
    fn touch(&self, symbol: u16, side: Side, price: u32) -> Option<(u32, u128)> {
        let mut levels = self
            .books
            .levels_from(symbol, side, price)
            .take(self.config.levels);
        let best = levels.next()?;
        let size = levels.map(|level| u128::from(level.size)).sum::<u128>();
        Some((best.price, u128::from(best.size) + size))
    }

    /// Keeps the price of an execution. To be called before the books have it.
    #[inline]
    fn keep_last_price(&mut self, message: &MarketMessage) {
        let (symbol, price) = match message {
            MarketMessage::OrderExecuted(m) => match self.books.order(m.reference) {
                Some(order) => (order.symbol, order.price),
                None => return,
            },
            MarketMessage::OrderExecutedAtPrice(m) => (m.symbol, m.price),
            MarketMessage::Trade(m) => (m.symbol, m.price),
            _ => return,
        };
        if let Some(place) = self.books.symbol_place(symbol) {
            self.holding(place).last_price = price;
        }
    }

    #[inline]
    fn holding(&mut self, place: usize) -> &mut Holding {
        if place >= self.holdings.len() {
            self.holdings.resize(place + 1, Holding::default());
        }
        &mut self.holdings[place]
    }

    /// Takes an answer of the exchange. Anything else of order routing is not for a strategy.
    fn on_answer(&mut self, message: &MarketMessage) {
        let (client_order, symbol) = match message {
            MarketMessage::OrderAcknowledged(m) => (m.client_order, m.symbol),
            MarketMessage::OrderFilled(m) => (m.client_order, m.symbol),
            MarketMessage::OrderExpired(m) => (m.client_order, m.symbol),
            MarketMessage::OrderRejected(m) => (m.client_order, m.symbol),
            _ => return,
        };
        if client_order >> ORDER_BITS != u64::from(self.config.strategy) {
            return;
        }
        let holding = self
            .books
            .symbol_place(symbol)
            .and_then(|place| self.holdings.get_mut(place));
        let Some((holding, mut order)) = holding.and_then(|holding| {
            let order = holding
                .in_flight
                .filter(|order| order.client_order == client_order)?;
            Some((holding, order))
        }) else {
            self.counters.unexpected += 1;
            return;
        };
        let done = match message {
            MarketMessage::OrderAcknowledged(_) => {
                self.counters.acknowledged += 1;
                false
            }
            MarketMessage::OrderFilled(fill) if fill.size <= order.remaining => {
                order.remaining -= fill.size;
                let size = i64::from(fill.size);
                let value = i64::from(fill.price).saturating_mul(size);
                match order.side {
                    Side::Buy => {
                        holding.position += size;
                        self.cash = self.cash.saturating_sub(value);
                    }
                    Side::Sell => {
                        holding.position -= size;
                        self.cash = self.cash.saturating_add(value);
                    }
                }
                self.counters.fills += 1;
                self.counters.filled_size += u64::from(fill.size);
                order.remaining == 0
            }
            MarketMessage::OrderExpired(_) => {
                self.counters.expired += 1;
                true
            }
            MarketMessage::OrderRejected(_) => {
                self.counters.rejected += 1;
                true
            }
            _ => {
                self.counters.unexpected += 1;
                false
            }
        };
        if done {
            holding.in_flight = None;
            self.in_flight -= 1;
        } else {
            holding.in_flight = Some(order);
        }
    }

    fn summary(&self) -> StrategyFinished {
        StrategyFinished {
            orders: self.counters.orders,
            fills: self.counters.fills,
            cash: self.cash,
            rejected: self.counters.rejected.min(u64::from(u32::MAX)) as u32,
            strategy: self.config.strategy,
            reserved: [0; 2],
        }
    }

    /// Shares held of a symbol, negative when short.
    pub fn position(&self, symbol: u16) -> i64 {
        self.books
            .symbol_place(symbol)
            .and_then(|place| self.holdings.get(place))
            .map_or(0, |holding| holding.position)
    }

    /// Cash from all trades, 1/10,000 dollars.
    pub fn cash(&self) -> i64 {
        self.cash
    }

    /// What the strategy has done so far.
    pub fn counters(&self) -> &StrategyCounters {
        &self.counters
    }

    /// Orders that are not yet answered in full.
    pub fn orders_in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether [`StrategyFinished`] was said.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// The books as the stream so far has them.
    pub fn books(&self) -> &OrderBooks {
        &self.books
    }

    /// A BLAKE3 hash over the whole state: counters, cash, positions and orders in flight by
    /// ascending locate code, all orders ever sent, and the books.
    pub fn state_hash(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        let StrategyCounters {
            orders,
            acknowledged,
            fills,
            filled_size,
            expired,
            rejected,
            unexpected,
        } = self.counters;
        for counter in [
            orders,
            acknowledged,
            fills,
            filled_size,
            expired,
            rejected,
            unexpected,
            self.cash as u64,
            self.in_flight as u64,
            u64::from(self.feed_ended),
            u64::from(self.finished),
        ] {
            hasher.update(&counter.to_le_bytes());
        }
        let mut holdings: Vec<(u16, &Holding)> = self.books.symbols().zip(&self.holdings).collect();
        holdings.sort_unstable_by_key(|(symbol, _)| *symbol);
        for (symbol, holding) in holdings {
            hasher.update(&symbol.to_le_bytes());
            hasher.update(&holding.position.to_le_bytes());
            hasher.update(&holding.not_before_ns.to_le_bytes());
            hasher.update(&holding.last_price.to_le_bytes());
            if let Some(order) = holding.in_flight {
                hasher.update(&order.client_order.to_le_bytes());
                hasher.update(&order.remaining.to_le_bytes());
                hasher.update(&order.side.letter());
            }
        }
        hasher.update(self.orders_hash.finalize().as_bytes());
        hasher.update(self.books.book_hash().as_bytes());
        hasher.finalize()
    }
}
