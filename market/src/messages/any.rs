//! Any one of the crate's messages.

use super::market::*;
use super::publish::Publish;
use super::routing::*;
use crate::MarketError;
use selvedge_fabric::frame::MessageType;
use selvedge_fabric::message::{Message, MessageSchema};
use zerocopy::{FromBytes, IntoBytes};

macro_rules! messages {
    ($($name:ident),+ $(,)?) => {
        /// One message of the stream: market data or order routing. At most 56 bytes, copied freely.
        #[derive(Clone, Copy, PartialEq, Debug)]
        pub enum MarketMessage {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $name($name),
            )+
        }

        $(
            impl From<$name> for MarketMessage {
                #[inline]
                fn from(message: $name) -> Self {
                    MarketMessage::$name(message)
                }
            }
        )+

        impl MarketMessage {
            /// Decodes a payload of the stream. `None`: the type is not one of this crate's.
            ///
            /// # Errors
            ///
            /// [`MarketError::PayloadSize`] where the payload does not have its type's size.
            #[inline]
            pub fn decode(message_type: MessageType, payload: &[u8]) -> Result<Option<Self>, MarketError> {
                match message_type {
                    $(
                        <$name as Message>::TYPE => match $name::read_from_bytes(payload) {
                            Ok(message) => Ok(Some(MarketMessage::$name(message))),
                            Err(_) => Err(MarketError::PayloadSize {
                                name: $name::NAME,
                                message_type,
                                expected: size_of::<$name>(),
                                found: payload.len(),
                            }),
                        },
                    )+
                    _ => Ok(None),
                }
            }

            /// The message's type number.
            #[inline]
            pub const fn message_type(&self) -> MessageType {
                match self {
                    $( MarketMessage::$name(_) => <$name as Message>::TYPE, )+
                }
            }

            /// The message's type name.
            pub const fn name(&self) -> &'static str {
                match self {
                    $( MarketMessage::$name(_) => <$name as Message>::NAME, )+
                }
            }

            /// The payload.
            #[inline]
            pub fn as_bytes(&self) -> &[u8] {
                match self {
                    $( MarketMessage::$name(message) => message.as_bytes(), )+
                }
            }

            /// Hands the message to `target` with its own type; what `target` answered.
            #[inline]
            pub fn publish<P: Publish>(&self, target: &mut P) -> bool {
                match self {
                    $( MarketMessage::$name(message) => target.publish(message), )+
                }
            }

            /// The field tables of every message type of this crate, market data first.
            pub fn schemas() -> Vec<MessageSchema> {
                vec![ $( MessageSchema::of::<$name>() ),+ ]
            }
        }
    };
}

messages!(
    SystemEvent,
    SymbolDirectory,
    TradingAction,
    RegSho,
    ParticipantPosition,
    MwcbDeclineLevel,
    MwcbStatus,
    IpoQuotingPeriod,
    LuldAuctionCollar,
    OperationalHalt,
    AddOrder,
    OrderExecuted,
    OrderExecutedAtPrice,
    OrderExecutedUnprinted,
    OrderCancelled,
    OrderDeleted,
    OrderReplaced,
    Trade,
    CrossTrade,
    BrokenTrade,
    Imbalance,
    RetailInterest,
    DirectListing,
    EndOfFeed,
    NewOrder,
    OrderAcknowledged,
    OrderFilled,
    OrderRejected,
    OrderExpired,
    StrategyFinished,
);

/// The first type number of order routing; market data lies below.
pub const FIRST_ROUTING_TYPE: MessageType = 0x0200;

impl MarketMessage {
    /// Exchange time in nanoseconds since midnight; `None` for messages that carry none (orders,
    /// fills, the end of a strategy).
    #[inline]
    pub const fn time_ns(&self) -> Option<u64> {
        use MarketMessage as M;
        Some(match self {
            M::SystemEvent(message) => message.time_ns,
            M::SymbolDirectory(message) => message.time_ns,
            M::TradingAction(message) => message.time_ns,
            M::RegSho(message) => message.time_ns,
            M::ParticipantPosition(message) => message.time_ns,
            M::MwcbDeclineLevel(message) => message.time_ns,
            M::MwcbStatus(message) => message.time_ns,
            M::IpoQuotingPeriod(message) => message.time_ns,
            M::LuldAuctionCollar(message) => message.time_ns,
            M::OperationalHalt(message) => message.time_ns,
            M::AddOrder(message) => message.time_ns,
            M::OrderExecuted(message) => message.time_ns,
            M::OrderExecutedAtPrice(message) => message.time_ns(),
            M::OrderExecutedUnprinted(message) => message.time_ns(),
            M::OrderCancelled(message) => message.time_ns,
            M::OrderDeleted(message) => message.time_ns,
            M::OrderReplaced(message) => message.time_ns(),
            M::Trade(message) => message.time_ns,
            M::CrossTrade(message) => message.time_ns,
            M::BrokenTrade(message) => message.time_ns,
            M::Imbalance(message) => message.time_ns,
            M::RetailInterest(message) => message.time_ns,
            M::DirectListing(message) => message.time_ns,
            M::EndOfFeed(message) => message.time_ns,
            M::OrderAcknowledged(message) => message.time_ns,
            M::OrderRejected(message) => message.time_ns,
            M::OrderExpired(message) => message.time_ns,
            M::NewOrder(_) | M::OrderFilled(_) | M::StrategyFinished(_) => return None,
        })
    }

    /// The locate code of the symbol it is about; `None` for messages about no symbol.
    #[inline]
    pub const fn symbol(&self) -> Option<u16> {
        use MarketMessage as M;
        Some(match self {
            M::SymbolDirectory(message) => message.symbol,
            M::TradingAction(message) => message.symbol,
            M::RegSho(message) => message.symbol,
            M::ParticipantPosition(message) => message.symbol,
            M::IpoQuotingPeriod(message) => message.symbol,
            M::LuldAuctionCollar(message) => message.symbol,
            M::OperationalHalt(message) => message.symbol,
            M::AddOrder(message) => message.symbol,
            M::OrderExecuted(message) => message.symbol,
            M::OrderExecutedAtPrice(message) => message.symbol,
            M::OrderExecutedUnprinted(message) => message.symbol,
            M::OrderCancelled(message) => message.symbol,
            M::OrderDeleted(message) => message.symbol,
            M::OrderReplaced(message) => message.symbol,
            M::Trade(message) => message.symbol,
            M::CrossTrade(message) => message.symbol,
            M::BrokenTrade(message) => message.symbol,
            M::Imbalance(message) => message.symbol,
            M::RetailInterest(message) => message.symbol,
            M::DirectListing(message) => message.symbol,
            M::NewOrder(message) => message.symbol,
            M::OrderAcknowledged(message) => message.symbol,
            M::OrderFilled(message) => message.symbol,
            M::OrderRejected(message) => message.symbol,
            M::OrderExpired(message) => message.symbol,
            M::SystemEvent(_)
            | M::MwcbDeclineLevel(_)
            | M::MwcbStatus(_)
            | M::EndOfFeed(_)
            | M::StrategyFinished(_) => return None,
        })
    }

    /// Whether it belongs to order routing, not to market data.
    #[inline]
    pub const fn is_routing(&self) -> bool {
        self.message_type() >= FIRST_ROUTING_TYPE
    }
}
