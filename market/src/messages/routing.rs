//! Order routing messages, types `0x0200` to `0x02FF`: between strategies and the order gateway.
//!
//! Every order is an immediate-or-cancel limit order. The answers to one are, in this order:
//! one [`OrderAcknowledged`] or [`OrderRejected`]; after an acknowledgement, an [`OrderFilled`] for
//! each displayed order matched; and one [`OrderExpired`] where shares are left. The order is done
//! with its rejection, its expiry, or the fill that leaves nothing remaining.
//!
//! The upper 16 bits of a client order number are the strategy's number, the lower 48 count its
//! orders from 1. Prices are in 1/10,000 dollars.

use selvedge_fabric::message;

message! {
    /// A strategy wants to trade, now or not at all.
    pub struct NewOrder: type 0x0200, name "routing.new_order", version 1 {
        /// The order's number, unique within the fabric.
        pub client_order: u64;
        /// Global sequence of the message that caused it.
        pub trigger_sequence: u64;
        /// The worst price accepted.
        pub price: u32, scale -4;
        /// Shares.
        pub size: u32;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// `B` or `S`.
        pub side: [u8; 1];
        /// Zero.
        pub reserved: [u8; 5];
    }
}

message! {
    /// The exchange took an order.
    pub struct OrderAcknowledged: type 0x0201, name "routing.order_acknowledged", version 1 {
        /// The order's number.
        pub client_order: u64;
        /// Global sequence of the message that caused the order.
        pub trigger_sequence: u64;
        /// Exchange time: that of the last market message before.
        pub time_ns: u64;
        /// Shares of the order.
        pub size: u32;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// `B` or `S`.
        pub side: [u8; 1];
        /// Zero.
        pub reserved: [u8; 1];
    }
}

message! {
    /// An order traded with one displayed order.
    pub struct OrderFilled: type 0x0202, name "routing.order_filled", version 1 {
        /// The order's number.
        pub client_order: u64;
        /// The number of the displayed order it traded with.
        pub reference: u64;
        /// Price of the trade.
        pub price: u32, scale -4;
        /// Shares of the trade.
        pub size: u32;
        /// Shares of the order that are not yet filled.
        pub remaining: u32;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// `B` where the order bought, `S` where it sold.
        pub side: [u8; 1];
        /// Zero.
        pub reserved: [u8; 1];
    }
}

message! {
    /// The exchange did not take an order.
    pub struct OrderRejected: type 0x0203, name "routing.order_rejected", version 1 {
        /// The order's number.
        pub client_order: u64;
        /// Global sequence of the message that caused the order.
        pub trigger_sequence: u64;
        /// Exchange time: that of the last market message before.
        pub time_ns: u64;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// Why, a letter: see [`RejectReason`].
        pub reason: [u8; 1];
        /// Zero.
        pub reserved: [u8; 5];
    }
}

message! {
    /// What was left of an order is cancelled: nothing more was to be had at its price.
    pub struct OrderExpired: type 0x0204, name "routing.order_expired", version 1 {
        /// The order's number.
        pub client_order: u64;
        /// Exchange time: that of the last market message before.
        pub time_ns: u64;
        /// Shares that were filled.
        pub filled: u32;
        /// Shares that were not.
        pub unfilled: u32;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// `B` or `S`.
        pub side: [u8; 1];
        /// Zero.
        pub reserved: [u8; 5];
    }
}

message! {
    /// A strategy is done: its feed has ended and none of its orders is open.
    pub struct StrategyFinished: type 0x0205, name "routing.strategy_finished", version 1 {
        /// Orders sent.
        pub orders: u64;
        /// Fills received.
        pub fills: u64;
        /// Cash from all trades.
        pub cash: i64, scale -4;
        /// Orders rejected.
        pub rejected: u32;
        /// The strategy's number.
        pub strategy: u16;
        /// Zero.
        pub reserved: [u8; 2];
    }
}

/// Why the exchange did not take an order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum RejectReason {
    /// No symbol has that locate code.
    UnknownSymbol = b'U',
    /// The symbol is not in the state "trading".
    Halted = b'H',
    /// Market hours have not begun, or are over.
    MarketClosed = b'M',
    /// Zero shares, or more than [`crate::exchange::MAX_ORDER_SIZE`].
    Size = b'Z',
    /// A price of zero.
    Price = b'P',
    /// The side is neither `B` nor `S`.
    Side = b'S',
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_fits_a_slot() {
        for size in [
            size_of::<NewOrder>(),
            size_of::<OrderAcknowledged>(),
            size_of::<OrderFilled>(),
            size_of::<OrderRejected>(),
            size_of::<OrderExpired>(),
            size_of::<StrategyFinished>(),
        ] {
            assert!(size <= 32, "{size} bytes");
        }
    }
}
