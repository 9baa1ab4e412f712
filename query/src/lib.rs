//! Expressions over the fields of messages, and the decoder behind every tool that shows them.
//!
//! Both work from field tables alone ([`MessageSchema`](selvedge_fabric::message::MessageSchema)),
//! as a fabric and a journal carry them: no tool needs the program that wrote a message.
//!
//! ```
//! use selvedge_fabric::frame::{Flags, FrameHeader};
//! use selvedge_fabric::message::MessageSchema;
//! use selvedge_query::{NoNames, Query};
//!
//! selvedge_fabric::message! {
//!     /// One quote.
//!     pub struct Quote: type 7, name "example.quote", version 1 {
//!         /// In 1/10,000 dollars.
//!         pub price: u32, scale -4;
//!         /// `B` or `S`, padded.
//!         pub side: [u8; 4];
//!     }
//! }
//!
//! # fn main() -> Result<(), selvedge_query::QueryError> {
//! let schemas = [MessageSchema::of::<Quote>()];
//! let query = Query::parse("price >= 585.00 && side == \"B\" && sequence > 100", &schemas)?;
//!
//! let descriptor = FrameHeader::descriptor_word(7, 0, 8, Flags::NONE);
//! let header = FrameHeader::new(1, 101, 1_000, 3, 1, descriptor);
//! let mut payload = [0; 8];
//! payload[..4].copy_from_slice(&5_850_000_u32.to_le_bytes());
//! payload[4..].copy_from_slice(b"B   ");
//! assert!(query.matches(&header, &payload, &NoNames));
//! payload[..4].copy_from_slice(&5_849_999_u32.to_le_bytes());
//! assert!(!query.matches(&header, &payload, &NoNames));
//! # Ok(())
//! # }
//! ```
//!
//! # The language
//!
//! | written | means |
//! |---|---|
//! | `field == value`, `!=`, `<`, `<=`, `>`, `>=` | a comparison; the value may also stand first |
//! | `field in (a, b, c)` | equal to one of them |
//! | `&&`, `\|\|`, `!`, `( )` | and, or, not, grouping; `!` before `&&` before `\|\|` |
//! | `true`, `false` | alone: every message, none |
//!
//! `!` takes one condition: `!price > 5` is `!(price > 5)`. Comparisons do not chain, and fields
//! are compared with values, not with one another.
//!
//! ## Fields
//!
//! A name is a field of the message, or one of those that every message has:
//!
//! | field | compared with |
//! |---|---|
//! | `sequence` | number: place in the total order |
//! | `time` | the sequencer's time stamp, see below |
//! | `source` | name of the producer, or its number |
//! | `source_sequence` | number: place among the producer's messages |
//! | `topic` | number |
//! | `type` | name of the message type, or its number |
//!
//! A name in back quotes is always a field of the message: `` `source` `` where a message has a
//! field of that name too, `` `r#type` `` where a name is not a plain word.
//!
//! ## Values
//!
//! - Numbers: `12`, `-0.5`, `1_000_000`, `0xF003`, at most 38 digits, no exponent. Integer fields
//!   are compared exactly, whatever their scale: with scale −4, `price >= 585.00` asks for a raw
//!   integer of at least 5,850,000, and `price == 0.00005` is never true. Floating point fields
//!   are compared with the nearest number of their own width, so that a 32-bit field that shows
//!   `0.1` equals `0.1`; not-a-number is unequal to everything.
//! - Text in double quotes, `\"` and `\\` inside: compared byte by byte with text fields, and
//!   with the name that a number stands for in its field's dictionary ([`Names`]). Spaces and
//!   zeros at the end are padding and do not count on either side. Fields of plain bytes are
//!   compared with hexadecimal: `"00ff"`.
//! - `true` and `false`: an integer field that is not zero, or is. Only with `==`, `!=` and `in`.
//! - Times, only for `time` and always UTC: `"2012-06-21T09:30:00.5Z"` (or with a space for the
//!   `T`, without seconds, without the `Z`) is an instant; `"2012-06-21"` is that day's first
//!   instant; `"09:30:00"` compares the time of day, on whatever day; a number is nanoseconds
//!   since 1970. Up to nine decimals.
//!
//! ## What a message does not have
//!
//! A condition on a field that the message's type lacks is neither true nor false but unknown. So
//! is one on a field that lies beyond the end of the payload, one with a value that this type's
//! field of that name is never compared with, and one on a name that [`Names`] does not know. `!`
//! leaves unknown as it is, `&&` with a false side is false, `||` with a true side is true, and
//! what is unknown in the end does not match. So neither `price > 5` nor `price != 5` nor
//! `!(price > 5)` matches a message without a price, while `price > 5 || size > 10` matches one
//! that has a `size` above 10 and no price.
//!
//! A field or type name that no registered type has is an error, and so is a value that no type's
//! field of that name can be compared with.
//!
//! # Limits
//!
//! [`MAX_QUERY_BYTES`], [`MAX_QUERY_DEPTH`], [`MAX_QUERY_LITERALS`]: an expression over one of
//! them is an error that says which. No input makes parsing or matching panic, recurse deeper
//! than the second, or take memory beyond what the first and third allow.

mod check;
mod compile;
mod decode;
mod error;
mod expression;
mod header_field;
mod limits;
mod names;
mod node;
mod number;
mod operator;
mod parser;
mod query;
mod span;
mod suggest;
mod token;
mod truth;
mod utc;

pub use decode::{CsvText, CsvValue, Decimal, FieldValue, JsonText, JsonValue, fields};
pub use error::QueryError;
pub use limits::{MAX_NUMBER_DIGITS, MAX_QUERY_BYTES, MAX_QUERY_DEPTH, MAX_QUERY_LITERALS};
pub use names::{Names, NoNames};
pub use query::{CompiledQuery, Query};
pub use utc::UtcTime;
