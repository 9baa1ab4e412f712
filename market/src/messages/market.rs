//! Normalised market data messages, types `0x0100` to `0x01FF`.
//!
//! One for every ITCH 5.0 message type, with the symbol as the exchange's locate code of the day
//! (its name comes once, in [`SymbolDirectory`]). All but the rare ones are at most 32 bytes, so
//! that message and frame header fill one 64-byte slot; where 64 bits of time would not fit, the
//! time is split in two fields ([`time_ns`](OrderReplaced::time_ns) puts it together).
//!
//! Times are exchange time, nanoseconds since midnight (the specification's 48 bits). Prices are
//! in 1/10,000 dollars. Letters are those of the ITCH 5.0 specification; what is not used is zero.

use selvedge_fabric::message;

message! {
    /// A milestone of the day. ITCH `S`.
    pub struct SystemEvent: type 0x0100, name "market.system_event", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// `O` start of messages, `S` start of system hours, `Q` start of market hours, `M` end of
        /// market hours, `E` end of system hours, `C` end of messages.
        pub event: [u8; 1];
        /// Zero.
        pub reserved: [u8; 7];
    }
}

message! {
    /// What a locate code stands for. ITCH `R`. 40 bytes.
    pub struct SymbolDirectory: type 0x0101, name "market.symbol_directory", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// The symbol, padded with spaces.
        pub name: [u8; 8];
        /// Shares in a round lot.
        pub round_lot_size: u32;
        /// The leverage of an exchange traded product.
        pub etp_leverage: u32;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// The issue's sub-type.
        pub issue_subtype: [u8; 2];
        /// The listing market.
        pub market_category: [u8; 1];
        /// `N` normal, `D` deficient and so on.
        pub financial_status: [u8; 1];
        /// `Y` where only round lots are accepted.
        pub round_lots_only: [u8; 1];
        /// The class of security.
        pub issue_classification: [u8; 1];
        /// `P` production, `T` test.
        pub authenticity: [u8; 1];
        /// `Y`, `N` or space.
        pub short_sale_threshold: [u8; 1];
        /// `Y`, `N` or space.
        pub ipo_flag: [u8; 1];
        /// `1`, `2` or space.
        pub luld_tier: [u8; 1];
        /// `Y`, `N` or space.
        pub etp_flag: [u8; 1];
        /// `Y` for an inverse exchange traded product.
        pub inverse: [u8; 1];
        /// Zero.
        pub reserved: [u8; 2];
    }
}

message! {
    /// A symbol's trading state changed. ITCH `H`.
    pub struct TradingAction: type 0x0102, name "market.trading_action", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// `H` halted, `P` paused, `Q` quotation only, `T` trading.
        pub state: [u8; 1];
        /// The specification's reserved byte, as received.
        pub reserved: [u8; 1];
        /// The reason, padded with spaces.
        pub reason: [u8; 4];
    }
}

message! {
    /// A short sale price test restriction. ITCH `Y`.
    pub struct RegSho: type 0x0103, name "market.reg_sho", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// `0` none, `1` imposed intra-day, `2` remains in effect.
        pub action: [u8; 1];
        /// Zero.
        pub reserved: [u8; 5];
    }
}

message! {
    /// A market participant's position in a symbol. ITCH `L`.
    pub struct ParticipantPosition: type 0x0104, name "market.participant_position", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// The market participant.
        pub participant: [u8; 4];
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// `Y` where it is a primary market maker.
        pub primary_market_maker: [u8; 1];
        /// `N` normal, `P` passive, `S` syndicate, `R` pre-syndicate, `L` penalty.
        pub market_maker_mode: [u8; 1];
        /// `A` active, `E` excused, `W` withdrawn, `S` suspended, `D` deleted.
        pub state: [u8; 1];
        /// Zero.
        pub reserved: [u8; 7];
    }
}

message! {
    /// The levels of the market-wide circuit breaker. ITCH `V`.
    pub struct MwcbDeclineLevel: type 0x0105, name "market.mwcb_decline_level", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// Level 1 of the index.
        pub level_1: u64, scale -8;
        /// Level 2 of the index.
        pub level_2: u64, scale -8;
        /// Level 3 of the index.
        pub level_3: u64, scale -8;
    }
}

message! {
    /// A level of the market-wide circuit breaker was breached. ITCH `W`.
    pub struct MwcbStatus: type 0x0106, name "market.mwcb_status", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// `1`, `2` or `3`.
        pub breached_level: [u8; 1];
        /// Zero.
        pub reserved: [u8; 7];
    }
}

message! {
    /// When an IPO's quotation begins. ITCH `K`.
    pub struct IpoQuotingPeriod: type 0x0107, name "market.ipo_quoting_period", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// When quotation is released, seconds since midnight.
        pub release_time_s: u32;
        /// The IPO price.
        pub price: u32, scale -4;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// `A` anticipated, `C` cancelled or postponed.
        pub release_qualifier: [u8; 1];
        /// Zero.
        pub reserved: [u8; 5];
    }
}

message! {
    /// The auction collar of a limit up – limit down pause. ITCH `J`.
    pub struct LuldAuctionCollar: type 0x0108, name "market.luld_auction_collar", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// Reference price.
        pub reference_price: u32, scale -4;
        /// Upper collar.
        pub upper_price: u32, scale -4;
        /// Lower collar.
        pub lower_price: u32, scale -4;
        /// How often the collar was extended.
        pub extension: u32;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// Zero.
        pub reserved: [u8; 6];
    }
}

message! {
    /// One market of the exchange's group stopped or resumed a symbol. ITCH `h`.
    pub struct OperationalHalt: type 0x0109, name "market.operational_halt", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// `Q` NASDAQ, `B` BX, `X` PSX.
        pub market: [u8; 1];
        /// `H` halted, `T` halt lifted.
        pub action: [u8; 1];
        /// Zero.
        pub reserved: [u8; 4];
    }
}

message! {
    /// A displayed order came into the book. ITCH `A` and `F`.
    pub struct AddOrder: type 0x0110, name "market.add_order", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// The order's number, unique for the day.
        pub reference: u64;
        /// Price.
        pub price: u32, scale -4;
        /// Shares.
        pub size: u32;
        /// The market participant that entered it; zeros where not attributed (ITCH `A`).
        pub attribution: [u8; 4];
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// `B` or `S`.
        pub side: [u8; 1];
        /// Zero.
        pub reserved: [u8; 1];
    }
}

message! {
    /// An order was executed, wholly or in part, at its own price. ITCH `E`.
    pub struct OrderExecuted: type 0x0111, name "market.order_executed", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// The order's number.
        pub reference: u64;
        /// The trade's number, unique for the day.
        pub match_number: u64;
        /// Shares executed.
        pub size: u32;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// Zero.
        pub reserved: [u8; 2];
    }
}

message! {
    /// An order was executed at another price than its own, and the trade counts towards the
    /// volume. ITCH `C`, printable.
    pub struct OrderExecutedAtPrice: type 0x0112, name "market.order_executed_at_price", version 1 {
        /// The order's number.
        pub reference: u64;
        /// The trade's number, unique for the day.
        pub match_number: u64;
        /// Shares executed.
        pub size: u32;
        /// Price of the trade.
        pub price: u32, scale -4;
        /// Exchange time, low 32 bits.
        pub time_low_ns: u32;
        /// Exchange time, high 16 bits: units of 2^32 ns.
        pub time_high: u16;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
    }
}

message! {
    /// An order was executed at another price than its own, and the trade is part of one that is
    /// reported as a whole: it must not be counted again. ITCH `C`, not printable.
    pub struct OrderExecutedUnprinted: type 0x0113, name "market.order_executed_unprinted", version 1 {
        /// The order's number.
        pub reference: u64;
        /// The trade's number, unique for the day.
        pub match_number: u64;
        /// Shares executed.
        pub size: u32;
        /// Price of the trade.
        pub price: u32, scale -4;
        /// Exchange time, low 32 bits.
        pub time_low_ns: u32;
        /// Exchange time, high 16 bits: units of 2^32 ns.
        pub time_high: u16;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
    }
}

message! {
    /// An order got smaller. ITCH `X`.
    pub struct OrderCancelled: type 0x0114, name "market.order_cancelled", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// The order's number.
        pub reference: u64;
        /// Shares taken off it.
        pub size: u32;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// Zero.
        pub reserved: [u8; 2];
    }
}

message! {
    /// An order left the book. ITCH `D`.
    pub struct OrderDeleted: type 0x0115, name "market.order_deleted", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// The order's number.
        pub reference: u64;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// Zero.
        pub reserved: [u8; 6];
    }
}

message! {
    /// A new order took an old one's place, on the same side of the same symbol, behind all others
    /// at its price. ITCH `U`.
    pub struct OrderReplaced: type 0x0116, name "market.order_replaced", version 1 {
        /// The number of the order that goes.
        pub old_reference: u64;
        /// The number of the order that comes.
        pub new_reference: u64;
        /// Price of the new order.
        pub price: u32, scale -4;
        /// Shares of the new order.
        pub size: u32;
        /// Exchange time, low 32 bits.
        pub time_low_ns: u32;
        /// Exchange time, high 16 bits: units of 2^32 ns.
        pub time_high: u16;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
    }
}

message! {
    /// A match with a hidden order; the displayed book does not change. ITCH `P`, without the order
    /// number, which is always zero since 2010.
    pub struct Trade: type 0x0117, name "market.trade", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// The trade's number, unique for the day.
        pub match_number: u64;
        /// Price.
        pub price: u32, scale -4;
        /// Shares.
        pub size: u32;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// The hidden order's side, `B` or `S`; always `B` since July 2014.
        pub side: [u8; 1];
        /// Zero.
        pub reserved: [u8; 5];
    }
}

message! {
    /// The outcome of a cross. ITCH `Q`.
    pub struct CrossTrade: type 0x0118, name "market.cross_trade", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// Shares matched.
        pub size: u64;
        /// The trade's number, unique for the day.
        pub match_number: u64;
        /// Price.
        pub price: u32, scale -4;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// `O` opening, `C` closing, `H` IPO or halted, `I` intra-day.
        pub cross_type: [u8; 1];
        /// Zero.
        pub reserved: [u8; 1];
    }
}

message! {
    /// A trade does not count after all. ITCH `B`.
    pub struct BrokenTrade: type 0x0119, name "market.broken_trade", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// The trade's number.
        pub match_number: u64;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// Zero.
        pub reserved: [u8; 6];
    }
}

message! {
    /// What a coming cross would match. ITCH `I`. 48 bytes.
    pub struct Imbalance: type 0x011A, name "market.imbalance", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// Shares that can be paired at the reference price.
        pub paired_size: u64;
        /// Shares that cannot.
        pub imbalance_size: u64;
        /// Far indicative clearing price.
        pub far_price: u32, scale -4;
        /// Near indicative clearing price.
        pub near_price: u32, scale -4;
        /// Current reference price.
        pub reference_price: u32, scale -4;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// `B`, `S`, `N` none, `O` too few orders, `P` paused.
        pub direction: [u8; 1];
        /// `O` opening, `C` closing, `H` IPO or halted, `A` extended trading close.
        pub cross_type: [u8; 1];
        /// Distance of the near price from the reference price, in the specification's letters.
        pub price_variation: [u8; 1];
        /// Zero.
        pub reserved: [u8; 7];
    }
}

message! {
    /// Hidden retail interest in a symbol. ITCH `N`.
    pub struct RetailInterest: type 0x011B, name "market.retail_interest", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// `B` buy side, `S` sell side, `A` both, `N` none.
        pub interest: [u8; 1];
        /// Zero.
        pub reserved: [u8; 5];
    }
}

message! {
    /// Price discovery of a direct listing with capital raise. ITCH `O`. 40 bytes.
    pub struct DirectListing: type 0x011C, name "market.direct_listing", version 1 {
        /// Exchange time.
        pub time_ns: u64;
        /// When the near price was fixed, nanoseconds since midnight.
        pub near_time_ns: u64;
        /// Lowest price allowed.
        pub minimum_price: u32, scale -4;
        /// Highest price allowed.
        pub maximum_price: u32, scale -4;
        /// Current reference price.
        pub near_price: u32, scale -4;
        /// Lower collar.
        pub lower_price: u32, scale -4;
        /// Upper collar.
        pub upper_price: u32, scale -4;
        /// The symbol's locate code.
        pub symbol: u16, dictionary "symbol";
        /// `Y` where the security may be released for trading.
        pub open_eligibility: [u8; 1];
        /// Zero.
        pub reserved: [u8; 1];
    }
}

message! {
    /// The feed has ended; no market data follows from it. Not of ITCH: the feed handler's own.
    pub struct EndOfFeed: type 0x01FF, name "market.end_of_feed", version 1 {
        /// Exchange time of the last message before, 0 for none.
        pub time_ns: u64;
        /// Market data messages that went into the stream.
        pub messages: u64;
        /// Messages passed over because ITCH 5.0 does not know their type.
        pub unknown: u64;
        /// Bytes of the uncompressed input, framing included.
        pub bytes: u64;
    }
}

/// The low 32 bits and the high 16 bits of a time in nanoseconds since midnight.
pub(super) const fn split_time(time_ns: u64) -> (u32, u16) {
    (time_ns as u32, (time_ns >> 32) as u16)
}

macro_rules! split_times {
    ($($name:ident),*) => {
        $(impl $name {
            /// Exchange time, nanoseconds since midnight.
            #[inline]
            pub const fn time_ns(&self) -> u64 {
                (self.time_high as u64) << 32 | self.time_low_ns as u64
            }
        })*
    };
}

split_times!(OrderExecutedAtPrice, OrderExecutedUnprinted, OrderReplaced);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frequent_messages_fit_a_slot() {
        for size in [
            size_of::<AddOrder>(),
            size_of::<OrderExecuted>(),
            size_of::<OrderExecutedAtPrice>(),
            size_of::<OrderExecutedUnprinted>(),
            size_of::<OrderCancelled>(),
            size_of::<OrderDeleted>(),
            size_of::<OrderReplaced>(),
            size_of::<Trade>(),
            size_of::<CrossTrade>(),
        ] {
            assert!(size <= 32, "{size} bytes");
        }
    }
}
