//! Market data and order routing on the fabric: the parts of a trading system that know what the
//! messages mean.
//!
//! Everything here is a state machine or a codec: no threads, no shared memory, no clock, and no
//! input or output but the files named. Agents of the fabric wrap these parts. What comes out is a
//! function of what went in, so a journal replayed gives the same orders, books and hashes.
//!
//! | module | what it does |
//! |---|---|
//! | [`itch`] | NASDAQ TotalView-ITCH 5.0: layouts, decoding, encoding, BinaryFILE files |
//! | [`generator`] | makes up realistic ITCH sessions, from a seed |
//! | [`feed`] | from ITCH bytes to normalised messages, one at a time, nothing lost when a ring is full |
//! | [`pace`] | when the messages of a replayed session are due |
//! | [`messages`] | the normalised market data and order routing messages, and [`messages::MarketMessage`], any one of them |
//! | [`book`] | full-depth, order-level books of all symbols, with a hash over them |
//! | [`bbo`] | a CSV file of the best bid and offer after every change |
//! | [`exchange`] | a simulated exchange that answers orders |
//! | [`strategy`] | a simple strategy that sends them |
//!
//! The way of a message: an [`itch::ItchSource`] (an [`itch::ItchFile`] or a
//! [`generator::Generator`]) gives bytes; a [`feed::Feed`] makes them [`messages::MarketMessage`]s
//! and publishes each with its own type; consumers turn a frame back with
//! [`messages::MarketMessage::decode`] and hand it to [`book::OrderBooks::apply`],
//! [`strategy::Strategy::on_message`] or [`exchange::Exchange::on_message`].
//!
//! Prices are unsigned integers in 1/10,000 dollars, sizes are shares, times are exchange time in
//! nanoseconds since midnight, and a symbol is its locate code: the number that the exchange gave
//! it for the day.
//!
//! Decoding, book updates, strategy and exchange allocate nothing once their memory has grown to
//! the day's needs (see [`book::BookLimits::initial_orders`]). There is no unsafe code.

#![forbid(unsafe_code)]

pub mod bbo;
pub mod book;
mod error;
pub mod exchange;
pub mod feed;
pub mod generator;
pub mod itch;
pub mod messages;
pub mod pace;
pub mod strategy;

pub use error::MarketError;
