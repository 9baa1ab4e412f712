//! The crate's one error type.

use std::path::PathBuf;

/// What can go wrong with market data. Every message names the place and what to do about it.
///
/// Causes are kept as text, so that an error can be copied: a source that has failed gives the
/// same error again and again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MarketError {
    /// A file cannot be opened.
    #[error("cannot open {path:?}: {reason}. Check the path and its permissions")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A file holds nothing.
    #[error("{path:?} is empty: it holds no ITCH message. Download or generate it again")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read on, or its compressed data is damaged.
    #[error(
        "cannot read {path:?} beyond uncompressed byte {offset}: {reason}. The file is damaged or cut short; \
         everything before this byte was delivered. Download or generate it again"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Bytes of uncompressed data that were read.
        offset: u64,
        /// What the system or the decompressor said.
        reason: String,
    },
    /// A file ends inside a message.
    #[error(
        "{path:?} ends inside the message at uncompressed byte {offset}: {found} of {needed} bytes are there. \
         Everything before was delivered. Download or generate it again"
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where the message's length prefix begins, in the uncompressed stream.
        offset: u64,
        /// Bytes of the message with its length prefix (2 where the prefix itself is cut).
        needed: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// A length prefix that no ITCH message has.
    #[error(
        "{path:?} has a message of {length} bytes at uncompressed byte {offset}, above the limit of {limit}. \
         This is not BinaryFILE-framed ITCH 5.0, or it is damaged from here on"
    )]
    ImpossibleLength {
        /// The file.
        path: PathBuf,
        /// Where the length prefix begins, in the uncompressed stream.
        offset: u64,
        /// The length found.
        length: usize,
        /// The longest message that is accepted.
        limit: usize,
    },
    /// A message of a known type does not have that type's length, in a file.
    #[error(
        "{path:?} has a message of type '{}' with {found} bytes at uncompressed byte {offset}, but ITCH 5.0 has {expected}. \
         The file is of another ITCH version, or damaged from here on",
        char::from(*code)
    )]
    WrongLength {
        /// The file.
        path: PathBuf,
        /// Where the length prefix begins, in the uncompressed stream.
        offset: u64,
        /// The message type.
        code: u8,
        /// Bytes of such a message.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// Bytes to decode do not have the length of their message type.
    #[error(
        "an ITCH message of type '{}' has {found} bytes, but ITCH 5.0 has {expected}. Check the framing and the ITCH version",
        char::from(*code)
    )]
    MessageLength {
        /// The message type, 0 where there is not even that.
        code: u8,
        /// Bytes of such a message.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A file goes on after the end of its session.
    #[error(
        "{path:?} goes on after the end of the session, at uncompressed byte {offset}. A message's length was \
         damaged to zero, or sessions were put together in one file: give each its own file"
    )]
    AfterEnd {
        /// The file.
        path: PathBuf,
        /// The first byte after the end marker, in the uncompressed stream.
        offset: u64,
    },
    /// A file cannot be written.
    #[error("cannot write {path:?}: {reason}. Check the disk's free space and the permissions")]
    Write {
        /// The file, or what stands for it.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A message handed to a writer is longer than the framing allows.
    #[error(
        "an ITCH message of {length} bytes cannot be written: the limit is {limit} and the least is 1"
    )]
    Unframeable {
        /// The length asked for.
        length: usize,
        /// The longest that is accepted.
        limit: usize,
    },
    /// A payload of the stream does not have the size of its message type.
    #[error(
        "message {name} (type {message_type:#06x}) has a payload of {found} bytes, but this build knows it with {expected}. \
         Run the same version of the producer and the consumer"
    )]
    PayloadSize {
        /// The type's name.
        name: &'static str,
        /// The type's number.
        message_type: u16,
        /// Bytes in this build.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// More orders are live at once than the book may hold.
    #[error(
        "order {reference} of symbol {symbol} would be live order number {limit} + 1: the limit is {limit}. \
         Raise BookLimits::live_orders"
    )]
    TooManyOrders {
        /// The order that found no place.
        reference: u64,
        /// Its symbol's locate code.
        symbol: u16,
        /// The limit.
        limit: usize,
    },
    /// One side of one symbol has more price levels than the book may hold.
    #[error(
        "price {price} of symbol {symbol} would be price level number {limit} + 1 on its side: the limit is {limit}. \
         Raise BookLimits::levels_per_side"
    )]
    TooManyLevels {
        /// The price in 1/10,000 dollars.
        price: u32,
        /// The symbol's locate code.
        symbol: u16,
        /// The limit.
        limit: usize,
    },
    /// A setting is outside its range.
    #[error("{setting} is {value}, but must be from {least} to {most}")]
    Setting {
        /// The setting's name.
        setting: &'static str,
        /// Its value.
        value: u64,
        /// The least value allowed.
        least: u64,
        /// The greatest value allowed.
        most: u64,
    },
}
