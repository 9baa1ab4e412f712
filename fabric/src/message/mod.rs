//! Typed messages: fixed layouts that describe themselves.
//!
//! A message type is a plain struct whose bytes are the message. [`message!`](crate::message!)
//! declares one together with its field table, so that tools can decode it without the program
//! that wrote it, and so that two programs with different ideas of a layout are told at attach.

mod declare;
mod field;
mod schema;

pub use field::{Field, FieldKind, FieldType};
pub use schema::{
    FieldSchema, MessageSchema, SCHEMA_MAX_FIELDS, SCHEMA_MAX_NAME_BYTES, SchemaError,
};

use crate::frame::MessageType;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A message of fixed layout. Declare one with [`message!`](crate::message!).
///
/// The layout is little-endian and without padding; alignment is at most eight bytes.
pub trait Message: FromBytes + IntoBytes + Immutable + KnownLayout + Copy + 'static {
    /// The type's number within the fabric, `1..=0xEFFF` for applications.
    const TYPE: MessageType;
    /// The type's name, such as `market.add_order`.
    const NAME: &'static str;
    /// Raised whenever the layout or a field's meaning changes.
    const VERSION: u16;
    /// The fields, in the order of their offsets.
    const FIELDS: &'static [Field];
}
