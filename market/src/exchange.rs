//! A simulated exchange for the order gateway: a pure state machine over the stream.

use crate::MarketError;
use crate::book::{BookLimits, OrderBooks, ReferenceMap};
use crate::messages::{
    MarketMessage, NewOrder, OrderAcknowledged, OrderExpired, OrderFilled, OrderRejected,
    RejectReason, Side,
};

/// The most shares of one order. An order for more is rejected.
pub const MAX_ORDER_SIZE: u32 = 1_000_000;

/// The most fills of one order. What is left then expires.
pub const MAX_FILLS: usize = 32;

/// The most displayed orders one order looks at. What is left then expires.
pub const MAX_ORDERS_VISITED: usize = 1024;

/// The most messages that one message causes: acknowledgement, fills, expiry.
pub const MAX_EXCHANGE_OUTPUTS: usize = MAX_FILLS + 2;

/// What the exchange has done so far.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ExchangeCounters {
    /// Orders received.
    pub orders: u64,
    /// Orders rejected.
    pub rejected: u64,
    /// Fills.
    pub fills: u64,
    /// Shares filled.
    pub filled_size: u64,
    /// Orders of which something expired.
    pub expired: u64,
}

/// Follows the market from the stream and answers each [`NewOrder`] in it.
///
/// Orders are immediate-or-cancel limit orders. They trade with displayed orders at these orders'
/// prices, in price-time priority. The market's own book is never altered: what the simulation has
/// taken of a displayed order is remembered beside it, so that no share is filled twice, and
/// forgotten when the displayed order goes. Where the market executes part of an order of which
/// the simulation had taken something, the simulation's part is kept in full: fills are never more
/// than what is displayed.
///
/// The answers are a function of the messages alone. Messages of order routing other than
/// [`NewOrder`], thus also its own answers, are ignored.
#[derive(Clone, Debug)]
pub struct Exchange {
    books: OrderBooks,
    /// Shares taken, by number of the displayed order. At most one entry a live order.
    taken: ReferenceMap,
    time_ns: u64,
    counters: ExchangeCounters,
}

/// Displayed orders that memory is set aside for from the start.
const FIRST_TAKEN: usize = 16_384;

impl Exchange {
    /// An exchange that has seen nothing yet.
    ///
    /// # Errors
    ///
    /// [`MarketError::Setting`] where a limit is outside its range.
    pub fn new(limits: BookLimits) -> Result<Self, MarketError> {
        Ok(Exchange {
            books: OrderBooks::new(limits)?,
            taken: ReferenceMap::with_capacity(FIRST_TAKEN),
            time_ns: 0,
            counters: ExchangeCounters::default(),
        })
    }

    /// Takes the message with global sequence `sequence`; `output` is called with each answer, in
    /// order, at most [`MAX_EXCHANGE_OUTPUTS`] times.
    ///
    /// # Errors
    ///
    /// Those of [`OrderBooks::apply`].
    #[inline]
    pub fn on_message(
        &mut self,
        _sequence: u64,
        message: &MarketMessage,
        output: &mut impl FnMut(&MarketMessage),
    ) -> Result<(), MarketError> {
        if let MarketMessage::NewOrder(order) = message {
            self.on_order(order, output);
            return Ok(());
        }
        if message.is_routing() {
            return Ok(());
        }
        if let Some(time_ns) = message.time_ns() {
            self.time_ns = time_ns;
        }
        self.books.apply(message)?;
        if !self.taken.is_empty() {
            self.forget(message);
        }
        Ok(())
    }

    /// Forgets what was taken of the order that `message` is about, if that order is gone.
    #[inline]
    fn forget(&mut self, message: &MarketMessage) {
        let reference = match message {
            MarketMessage::OrderDeleted(m) => m.reference,
            MarketMessage::OrderExecuted(m) => m.reference,
            MarketMessage::OrderCancelled(m) => m.reference,
            MarketMessage::OrderReplaced(m) => {
                // The new order may carry the old number: it is another order all the same.
                self.taken.remove(m.old_reference);
                return;
            }
            MarketMessage::OrderExecutedAtPrice(m) => m.reference,
            MarketMessage::OrderExecutedUnprinted(m) => m.reference,
            _ => return,
        };
        if self.books.order(reference).is_none() {
            self.taken.remove(reference);
        }
    }

    fn reason_to_reject(&self, order: &NewOrder) -> Option<RejectReason> {
        if self.books.symbol_place(order.symbol).is_none() {
            Some(RejectReason::UnknownSymbol)
        } else if !self.books.is_market_open() {
            Some(RejectReason::MarketClosed)
        } else if !self.books.is_trading(order.symbol) {
            Some(RejectReason::Halted)
        } else if order.size == 0 || order.size > MAX_ORDER_SIZE {
            Some(RejectReason::Size)
        } else if order.price == 0 {
            Some(RejectReason::Price)
        } else {
            None
        }
    }

    fn on_order(&mut self, order: &NewOrder, output: &mut impl FnMut(&MarketMessage)) {
        self.counters.orders += 1;
        let reason = self.reason_to_reject(order);
        let side = match (Side::from_letter(order.side), reason) {
            (Some(side), None) => side,
            (_, reason) => {
                self.counters.rejected += 1;
                let rejected = OrderRejected {
                    client_order: order.client_order,
                    trigger_sequence: order.trigger_sequence,
                    time_ns: self.time_ns,
                    symbol: order.symbol,
                    reason: [reason.unwrap_or(RejectReason::Side) as u8],
                    reserved: [0; 5],
                };
                output(&rejected.into());
                return;
            }
        };
        let acknowledged = OrderAcknowledged {
            client_order: order.client_order,
            trigger_sequence: order.trigger_sequence,
            time_ns: self.time_ns,
            size: order.size,
            symbol: order.symbol,
            side: order.side,
            reserved: [0],
        };
        output(&acknowledged.into());
        let remaining = self.match_order(order, side, output);
        if remaining > 0 {
            self.counters.expired += 1;
            let expired = OrderExpired {
                client_order: order.client_order,
                time_ns: self.time_ns,
                filled: order.size - remaining,
                unfilled: remaining,
                symbol: order.symbol,
                side: order.side,
                reserved: [0; 5],
            };
            output(&expired.into());
        }
    }

    /// Trades with what is displayed; the shares left over.
    fn match_order(
        &mut self,
        order: &NewOrder,
        side: Side,
        output: &mut impl FnMut(&MarketMessage),
    ) -> u32 {
        let mut remaining = order.size;
        let mut fills = 0;
        let displayed = self
            .books
            .orders(order.symbol, side.opposite())
            .take(MAX_ORDERS_VISITED);
        for resting in displayed {
            let reachable = match side {
                Side::Buy => resting.price <= order.price,
                Side::Sell => resting.price >= order.price,
            };
            if !reachable || remaining == 0 || fills == MAX_FILLS {
                break;
            }
            let taken = self.taken.get(resting.reference).unwrap_or(0);
            let size = resting.size.saturating_sub(taken).min(remaining);
            if size == 0 {
                continue;
            }
            self.taken.insert(resting.reference, taken + size);
            remaining -= size;
            fills += 1;
            self.counters.fills += 1;
            self.counters.filled_size += u64::from(size);
            let filled = OrderFilled {
                client_order: order.client_order,
                reference: resting.reference,
                price: resting.price,
                size,
                remaining,
                symbol: order.symbol,
                side: order.side,
                reserved: [0],
            };
            output(&filled.into());
        }
        remaining
    }

    /// The market's books as the stream so far has them.
    pub fn books(&self) -> &OrderBooks {
        &self.books
    }

    /// What the exchange has done so far.
    pub fn counters(&self) -> &ExchangeCounters {
        &self.counters
    }
}
