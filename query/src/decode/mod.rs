//! From the bytes of a message to values, and from values to text: for people, as JSON, as CSV.

mod csv;
mod decimal;
mod json;
mod value;

pub use csv::{CsvText, CsvValue};
pub use decimal::Decimal;
pub use json::{JsonText, JsonValue};
pub use value::FieldValue;
pub(crate) use value::{Shape, without_padding};

use selvedge_fabric::message::{FieldSchema, MessageSchema};

/// The fields of a message in the order of its schema, each with its value; `None` where the
/// payload ends before the field does.
///
/// ```
/// use selvedge_fabric::message::MessageSchema;
/// use selvedge_query::fields;
///
/// selvedge_fabric::message! {
///     /// One quote.
///     pub struct Quote: type 7, name "example.quote", version 1 {
///         /// In 1/10,000 dollars.
///         pub price: u32, scale -4;
///         /// `B` or `S`, padded.
///         pub side: [u8; 4];
///     }
/// }
///
/// let schema = MessageSchema::of::<Quote>();
/// let payload = [0x10, 0x27, 0, 0, b'B', b' ', b' ', b' '];
/// let shown: Vec<String> = fields(&schema, &payload)
///     .filter_map(|(field, value)| Some(format!("{}={}", field.name, value?)))
///     .collect();
/// assert_eq!(shown, ["price=1.0000", "side=\"B\""]);
/// ```
pub fn fields<'m>(
    schema: &'m MessageSchema,
    payload: &'m [u8],
) -> impl Iterator<Item = (&'m FieldSchema, Option<FieldValue<'m>>)> {
    schema
        .fields
        .iter()
        .map(move |field| (field, FieldValue::decode(field, payload)))
}
