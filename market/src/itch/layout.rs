//! The layout of every ITCH 5.0 message, as structs that lie directly over the received bytes.

use super::wire::{ItchHeader, U32, U64};
use crate::MarketError;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Declares the message structs, the enum over them, and everything that goes by message type.
macro_rules! itch_messages {
    (
        $(
            $(#[$attribute:meta])*
            $name:ident: code $code:literal, bytes $bytes:literal {
                $( $(#[$field_attribute:meta])* $field:ident: $type:ty, )*
            }
        )+
    ) => {
        $(
            $(#[$attribute])*
            #[derive(
                Clone, Copy, PartialEq, Eq, Debug,
                FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
            )]
            #[repr(C)]
            pub struct $name {
                /// Type, locate code, tracking number, time.
                pub header: ItchHeader,
                $( $(#[$field_attribute])* pub $field: $type, )*
            }

            impl $name {
                /// The message type.
                pub const CODE: u8 = $code;
            }

            const _: () = assert!(size_of::<$name>() == $bytes);
        )+

        /// One ITCH 5.0 message, as a reference into the bytes it was decoded from.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum ItchMessage<'a> {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $name(&'a $name),
            )+
        }

        /// The message types of ITCH 5.0, in the order of the specification.
        pub const ITCH_TYPES: &[u8] = &[$($code),+];

        impl<'a> ItchMessage<'a> {
            /// Decodes one message without its length prefix. Copies nothing.
            ///
            /// `None`: a type that ITCH 5.0 does not have, to be counted and passed over.
            ///
            /// # Errors
            ///
            /// [`MarketError::MessageLength`] where the bytes are none at all, or not exactly as
            /// many as the type has.
            #[inline]
            pub fn decode(bytes: &'a [u8]) -> Result<Option<Self>, MarketError> {
                let Some(&code) = bytes.first() else {
                    return Err(MarketError::MessageLength { code: 0, expected: 1, found: 0 });
                };
                match code {
                    $(
                        $code => match $name::ref_from_bytes(bytes) {
                            Ok(message) => Ok(Some(ItchMessage::$name(message))),
                            Err(_) => Err(MarketError::MessageLength {
                                code,
                                expected: $bytes,
                                found: bytes.len(),
                            }),
                        },
                    )+
                    _ => Ok(None),
                }
            }

            /// The message's bytes, without a length prefix.
            pub fn as_bytes(&self) -> &'a [u8] {
                match self {
                    $( ItchMessage::$name(message) => message.as_bytes(), )+
                }
            }

            /// Type, locate code, tracking number, time.
            pub fn header(&self) -> &'a ItchHeader {
                match self {
                    $( ItchMessage::$name(message) => &message.header, )+
                }
            }
        }

        /// Bytes of a message of type `code` without its length prefix; `None` for a type that
        /// ITCH 5.0 does not have.
        #[inline]
        pub const fn itch_length(code: u8) -> Option<usize> {
            match code {
                $( $code => Some($bytes), )+
                _ => None,
            }
        }
    };
}

itch_messages! {
    /// System Event, section 4.1: the day's milestones.
    SystemEvent: code b'S', bytes 12 {
        /// `O` start of messages, `S` start of system hours, `Q` start of market hours, `M` end of
        /// market hours, `E` end of system hours, `C` end of messages.
        event: u8,
    }

    /// Stock Directory, section 4.2.1: what a locate code stands for.
    StockDirectory: code b'R', bytes 39 {
        /// The symbol, padded with spaces.
        stock: [u8; 8],
        /// The listing market, such as `Q` for the NASDAQ Global Select Market.
        market_category: u8,
        /// `N` normal, `D` deficient and so on; a space where not available.
        financial_status: u8,
        /// Shares in a round lot.
        round_lot_size: U32,
        /// `Y` where only round lots are accepted.
        round_lots_only: u8,
        /// The class of security, such as `C` for common stock.
        issue_classification: u8,
        /// The sub-type, such as `Z ` for not applicable.
        issue_subtype: [u8; 2],
        /// `P` production, `T` test.
        authenticity: u8,
        /// `Y`, `N` or space.
        short_sale_threshold: u8,
        /// `Y`, `N` or space.
        ipo_flag: u8,
        /// `1`, `2` or space.
        luld_tier: u8,
        /// `Y`, `N` or space.
        etp_flag: u8,
        /// The leverage of an exchange traded product.
        etp_leverage: U32,
        /// `Y` for an inverse exchange traded product.
        inverse: u8,
    }

    /// Stock Trading Action, section 4.2.2: halted, paused, quotation only, trading.
    StockTradingAction: code b'H', bytes 25 {
        /// The symbol, padded with spaces.
        stock: [u8; 8],
        /// `H` halted, `P` paused, `Q` quotation only, `T` trading.
        state: u8,
        /// Not used.
        reserved: u8,
        /// The reason, padded with spaces.
        reason: [u8; 4],
    }

    /// Reg SHO Short Sale Price Test Restricted Indicator, section 4.2.3.
    RegSho: code b'Y', bytes 20 {
        /// The symbol, padded with spaces.
        stock: [u8; 8],
        /// `0` no restriction, `1` imposed intra-day, `2` remains in effect.
        action: u8,
    }

    /// Market Participant Position, section 4.2.4.
    ParticipantPosition: code b'L', bytes 26 {
        /// The market participant.
        participant: [u8; 4],
        /// The symbol, padded with spaces.
        stock: [u8; 8],
        /// `Y` where it is a primary market maker.
        primary_market_maker: u8,
        /// `N` normal, `P` passive, `S` syndicate, `R` pre-syndicate, `L` penalty.
        market_maker_mode: u8,
        /// `A` active, `E` excused, `W` withdrawn, `S` suspended, `D` deleted.
        state: u8,
    }

    /// Market-Wide Circuit Breaker Decline Level, section 4.2.5.1.
    MwcbDeclineLevel: code b'V', bytes 35 {
        /// Level 1 in 1/100,000,000 of the index.
        level_1: U64,
        /// Level 2 in 1/100,000,000 of the index.
        level_2: U64,
        /// Level 3 in 1/100,000,000 of the index.
        level_3: U64,
    }

    /// Market-Wide Circuit Breaker Status, section 4.2.5.2.
    MwcbStatus: code b'W', bytes 12 {
        /// The level that was breached: `1`, `2` or `3`.
        breached_level: u8,
    }

    /// IPO Quoting Period Update, section 4.2.6.
    IpoQuotingPeriod: code b'K', bytes 28 {
        /// The symbol, padded with spaces.
        stock: [u8; 8],
        /// When quotation is released, seconds since midnight.
        release_time: U32,
        /// `A` anticipated, `C` cancelled or postponed.
        release_qualifier: u8,
        /// The IPO price in 1/10,000 dollars.
        price: U32,
    }

    /// Limit Up – Limit Down Auction Collar, section 4.2.7.
    LuldAuctionCollar: code b'J', bytes 35 {
        /// The symbol, padded with spaces.
        stock: [u8; 8],
        /// Reference price in 1/10,000 dollars.
        reference_price: U32,
        /// Upper collar in 1/10,000 dollars.
        upper_price: U32,
        /// Lower collar in 1/10,000 dollars.
        lower_price: U32,
        /// How often the collar was extended.
        extension: U32,
    }

    /// Operational Halt, section 4.2.8.
    OperationalHalt: code b'h', bytes 21 {
        /// The symbol, padded with spaces.
        stock: [u8; 8],
        /// `Q` NASDAQ, `B` BX, `X` PSX.
        market: u8,
        /// `H` halted, `T` halt lifted.
        action: u8,
    }

    /// Add Order without attribution, section 4.3.1.
    AddOrder: code b'A', bytes 36 {
        /// The order's number, unique for the day.
        reference: U64,
        /// `B` or `S`.
        side: u8,
        /// Displayed shares.
        shares: U32,
        /// The symbol, padded with spaces.
        stock: [u8; 8],
        /// Price in 1/10,000 dollars.
        price: U32,
    }

    /// Add Order with attribution, section 4.3.2.
    AddOrderAttributed: code b'F', bytes 40 {
        /// The order's number, unique for the day.
        reference: U64,
        /// `B` or `S`.
        side: u8,
        /// Displayed shares.
        shares: U32,
        /// The symbol, padded with spaces.
        stock: [u8; 8],
        /// Price in 1/10,000 dollars.
        price: U32,
        /// The market participant that entered it.
        attribution: [u8; 4],
    }

    /// Order Executed at its own price, section 4.4.1.
    OrderExecuted: code b'E', bytes 31 {
        /// The order's number.
        reference: U64,
        /// Shares executed.
        shares: U32,
        /// The trade's number, unique for the day.
        match_number: U64,
    }

    /// Order Executed with Price, section 4.4.2: at another price than the order's own.
    OrderExecutedWithPrice: code b'C', bytes 36 {
        /// The order's number.
        reference: U64,
        /// Shares executed.
        shares: U32,
        /// The trade's number, unique for the day.
        match_number: U64,
        /// `N` where the trade is reported elsewhere and must not be counted again.
        printable: u8,
        /// Price in 1/10,000 dollars.
        price: U32,
    }

    /// Order Cancel, section 4.4.3: an order got smaller.
    OrderCancel: code b'X', bytes 23 {
        /// The order's number.
        reference: U64,
        /// Shares taken off the order.
        shares: U32,
    }

    /// Order Delete, section 4.4.4.
    OrderDelete: code b'D', bytes 19 {
        /// The order's number.
        reference: U64,
    }

    /// Order Replace, section 4.4.5: a new order in place of an old one, same symbol and side.
    OrderReplace: code b'U', bytes 35 {
        /// The number of the order that goes.
        old_reference: U64,
        /// The number of the order that comes.
        new_reference: U64,
        /// Displayed shares of the new order.
        shares: U32,
        /// Its price in 1/10,000 dollars.
        price: U32,
    }

    /// Trade (non-cross), section 4.5.1: a match with a hidden order.
    Trade: code b'P', bytes 44 {
        /// Zero since December 2010.
        reference: U64,
        /// `B` or `S`; always `B` since July 2014.
        side: u8,
        /// Shares.
        shares: U32,
        /// The symbol, padded with spaces.
        stock: [u8; 8],
        /// Price in 1/10,000 dollars.
        price: U32,
        /// The trade's number, unique for the day.
        match_number: U64,
    }

    /// Cross Trade, section 4.5.2.
    CrossTrade: code b'Q', bytes 40 {
        /// Shares matched in the cross.
        shares: U64,
        /// The symbol, padded with spaces.
        stock: [u8; 8],
        /// Price in 1/10,000 dollars.
        price: U32,
        /// The trade's number, unique for the day.
        match_number: U64,
        /// `O` opening, `C` closing, `H` IPO or halted, `I` intra-day.
        cross_type: u8,
    }

    /// Broken Trade, section 4.5.3: an execution that does not count after all.
    BrokenTrade: code b'B', bytes 19 {
        /// The trade's number.
        match_number: U64,
    }

    /// Net Order Imbalance Indicator, section 4.6.
    NetOrderImbalance: code b'I', bytes 50 {
        /// Shares that can be paired at the reference price.
        paired_shares: U64,
        /// Shares that cannot.
        imbalance_shares: U64,
        /// `B`, `S`, `N` none, `O` too few orders, `P` paused.
        direction: u8,
        /// The symbol, padded with spaces.
        stock: [u8; 8],
        /// Far indicative clearing price in 1/10,000 dollars.
        far_price: U32,
        /// Near indicative clearing price in 1/10,000 dollars.
        near_price: U32,
        /// Current reference price in 1/10,000 dollars.
        reference_price: U32,
        /// `O` opening, `C` closing, `H` IPO or halted, `A` extended trading close.
        cross_type: u8,
        /// How far the near price is from the reference price, in the letters of the
        /// specification.
        price_variation: u8,
    }

    /// Retail Price Improvement Indicator, section 4.7.
    RetailInterest: code b'N', bytes 20 {
        /// The symbol, padded with spaces.
        stock: [u8; 8],
        /// `B` buy side, `S` sell side, `A` both, `N` none.
        interest: u8,
    }

    /// Direct Listing with Capital Raise Price Discovery, section 4.8.
    DirectListing: code b'O', bytes 48 {
        /// The symbol, padded with spaces.
        stock: [u8; 8],
        /// `Y` where the security may be released for trading.
        open_eligibility: u8,
        /// Lowest price allowed, 1/10,000 dollars.
        minimum_price: U32,
        /// Highest price allowed, 1/10,000 dollars.
        maximum_price: U32,
        /// Current reference price, 1/10,000 dollars.
        near_price: U32,
        /// When the near price was fixed, nanoseconds since midnight.
        near_time: U64,
        /// Lower collar, 1/10,000 dollars.
        lower_price: U32,
        /// Upper collar, 1/10,000 dollars.
        upper_price: U32,
    }
}
