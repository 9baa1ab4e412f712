//! One field's value.

use super::{CsvValue, Decimal, JsonValue};
use crate::names::Names;
use selvedge_fabric::message::{FieldKind, FieldSchema};
use std::borrow::Cow;
use std::fmt;

/// The value of one field of one message.
///
/// Its [`Display`](fmt::Display) is for people: numbers with their decimals, text in quotes with
/// what would disturb a terminal escaped, bytes in hexadecimal. [`json`](Self::json) and
/// [`csv`](Self::csv) are for programs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum FieldValue<'a> {
    /// `integer` times ten to the power `scale`.
    Unsigned {
        /// The integer in the payload.
        integer: u64,
        /// The field's scale.
        scale: i8,
    },
    /// `integer` times ten to the power `scale`.
    Signed {
        /// The integer in the payload.
        integer: i64,
        /// The field's scale.
        scale: i8,
    },
    /// Floating point of 32 bits.
    Float32(f32),
    /// Floating point of 64 bits.
    Float64(f64),
    /// Text, without its padding; meant to be UTF-8, but whatever the payload holds.
    Text(&'a [u8]),
    /// Bytes without meaning.
    Bytes(&'a [u8]),
}

impl<'a> FieldValue<'a> {
    /// The value of `field` in a message's payload. `None`: the payload ends before the field does.
    ///
    /// Numbers of a size that their kind does not have are [`Bytes`](Self::Bytes).
    ///
    /// ```
    /// use selvedge_fabric::message::{FieldKind, FieldSchema};
    /// use selvedge_query::FieldValue;
    ///
    /// let field = FieldSchema {
    ///     name: "price".to_owned(),
    ///     offset: 2,
    ///     size: 2,
    ///     kind: FieldKind::Signed,
    ///     scale: -2,
    ///     dictionary: String::new(),
    /// };
    /// let value = FieldValue::decode(&field, &[0, 0, 0x9C, 0xFF]);
    /// assert_eq!(value, Some(FieldValue::Signed { integer: -100, scale: -2 }));
    /// assert_eq!(value.map(|value| value.to_string()).as_deref(), Some("-1.00"));
    /// assert_eq!(FieldValue::decode(&field, &[0, 0, 0x9C]), None);
    /// ```
    #[inline]
    pub fn decode(field: &FieldSchema, payload: &'a [u8]) -> Option<Self> {
        let start = usize::from(field.offset);
        let bytes = payload.get(start..start + usize::from(field.size))?;
        let scale = field.scale;
        Some(match Shape::of(field) {
            Shape::Unsigned => FieldValue::Unsigned {
                integer: little_endian(bytes),
                scale,
            },
            Shape::Signed => {
                let unused = 64 - 8 * bytes.len() as u32;
                FieldValue::Signed {
                    integer: (little_endian(bytes) << unused) as i64 >> unused,
                    scale,
                }
            }
            Shape::Float32 => FieldValue::Float32(f32::from_bits(little_endian(bytes) as u32)),
            Shape::Float64 => FieldValue::Float64(f64::from_bits(little_endian(bytes))),
            Shape::Text => FieldValue::Text(without_padding(bytes)),
            Shape::Bytes => FieldValue::Bytes(bytes),
        })
    }

    /// The integer in the payload, where the value is one: without its scale.
    #[inline]
    pub fn integer(&self) -> Option<i128> {
        match *self {
            FieldValue::Unsigned { integer, .. } => Some(integer.into()),
            FieldValue::Signed { integer, .. } => Some(integer.into()),
            _ => None,
        }
    }

    /// What the value stands for in the dictionary of `field`. `None`: the field has no
    /// dictionary, or the name is not known.
    pub fn name<'n>(&self, field: &FieldSchema, names: &'n dyn Names) -> Option<Cow<'n, str>> {
        if field.dictionary.is_empty() {
            return None;
        }
        let id = u64::try_from(self.integer()?).ok()?;
        names.dictionary(&field.dictionary, id)
    }

    /// The value as JSON: numbers as JSON numbers with all their digits (a reader that takes
    /// them for floating point may round), text and hexadecimal as strings; what JSON has no
    /// number for (infinity, not-a-number) as `null`. Bytes of a text that are not UTF-8 become
    /// U+FFFD.
    pub fn json(&self) -> JsonValue<'a> {
        JsonValue(*self)
    }

    /// The value as one field of a CSV file (RFC 4180): quoted where it must be. An empty text
    /// is `""`, so that it differs from no value at all.
    pub fn csv(&self) -> CsvValue<'a> {
        CsvValue(*self)
    }
}

impl fmt::Display for FieldValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            FieldValue::Unsigned { integer, scale } => {
                let integer = integer.into();
                Decimal { integer, scale }.fmt(f)
            }
            FieldValue::Signed { integer, scale } => {
                let integer = integer.into();
                Decimal { integer, scale }.fmt(f)
            }
            // The shortest text that means this number, with an exponent where it is long.
            FieldValue::Float32(value) => write!(f, "{value:?}"),
            FieldValue::Float64(value) => write!(f, "{value:?}"),
            FieldValue::Text(bytes) => write!(f, "{:?}", String::from_utf8_lossy(bytes)),
            FieldValue::Bytes(bytes) => hexadecimal(bytes, f),
        }
    }
}

/// What a field of this kind and size is decoded to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// [`FieldValue::Unsigned`].
    Unsigned,
    /// [`FieldValue::Signed`].
    Signed,
    /// [`FieldValue::Float32`].
    Float32,
    /// [`FieldValue::Float64`].
    Float64,
    /// [`FieldValue::Text`].
    Text,
    /// [`FieldValue::Bytes`].
    Bytes,
}

impl Shape {
    /// What `field` is decoded to.
    #[inline]
    pub(crate) const fn of(field: &FieldSchema) -> Self {
        match (field.kind, field.size) {
            (FieldKind::Unsigned, 1..=8) => Shape::Unsigned,
            (FieldKind::Signed, 1..=8) => Shape::Signed,
            (FieldKind::Float, 4) => Shape::Float32,
            (FieldKind::Float, 8) => Shape::Float64,
            (FieldKind::Text, _) => Shape::Text,
            _ => Shape::Bytes,
        }
    }
}

/// At most eight bytes as an integer.
#[inline]
fn little_endian(bytes: &[u8]) -> u64 {
    let mut wide = [0; 8];
    for (place, byte) in wide.iter_mut().zip(bytes) {
        *place = *byte;
    }
    u64::from_le_bytes(wide)
}

/// Text without the spaces and zeros at its end.
#[inline]
pub(crate) fn without_padding(bytes: &[u8]) -> &[u8] {
    let kept = bytes
        .iter()
        .rposition(|byte| !matches!(byte, b' ' | 0))
        .map_or(0, |last| last + 1);
    bytes.get(..kept).unwrap_or_default()
}

/// Writes two digits for each byte.
pub(super) fn hexadecimal(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(kind: FieldKind, offset: u16, size: u16, scale: i8) -> FieldSchema {
        FieldSchema {
            name: "x".to_owned(),
            offset,
            size,
            kind,
            scale,
            dictionary: String::new(),
        }
    }

    fn shown(kind: FieldKind, bytes: &[u8]) -> String {
        let field = field(kind, 0, bytes.len() as u16, 0);
        FieldValue::decode(&field, bytes)
            .expect("a value")
            .to_string()
    }

    #[test]
    fn integers_of_every_size_keep_sign_and_value() {
        assert_eq!(shown(FieldKind::Unsigned, &[0xFF]), "255");
        assert_eq!(shown(FieldKind::Signed, &[0xFF]), "-1");
        assert_eq!(shown(FieldKind::Signed, &(-5_i16).to_le_bytes()), "-5");
        assert_eq!(
            shown(FieldKind::Signed, &i32::MIN.to_le_bytes()),
            i32::MIN.to_string()
        );
        assert_eq!(
            shown(FieldKind::Signed, &i64::MIN.to_le_bytes()),
            i64::MIN.to_string()
        );
        assert_eq!(
            shown(FieldKind::Unsigned, &u64::MAX.to_le_bytes()),
            u64::MAX.to_string()
        );
    }

    #[test]
    fn floats_are_shown_in_the_digits_of_their_width() {
        assert_eq!(shown(FieldKind::Float, &0.1_f32.to_le_bytes()), "0.1");
        assert_eq!(shown(FieldKind::Float, &0.1_f64.to_le_bytes()), "0.1");
        assert_eq!(shown(FieldKind::Float, &1e300_f64.to_le_bytes()), "1e300");
        assert_eq!(shown(FieldKind::Float, &f64::NAN.to_le_bytes()), "NaN");
    }

    #[test]
    fn text_loses_its_padding_only() {
        assert_eq!(shown(FieldKind::Text, b"a b \0 \0"), "\"a b\"");
        assert_eq!(shown(FieldKind::Text, b" \0"), "\"\"");
        assert_eq!(shown(FieldKind::Text, b"\x1b[2J\""), r#""\u{1b}[2J\"""#);
    }

    #[test]
    fn odd_sizes_are_bytes() {
        assert_eq!(shown(FieldKind::Unsigned, &[1; 9]), "01".repeat(9));
        assert_eq!(shown(FieldKind::Float, &[1, 2, 0xAB]), "0102ab");
        assert_eq!(shown(FieldKind::Signed, &[]), "");
        assert_eq!(shown(FieldKind::Bytes, &[0, 0x20]), "0020");
    }

    #[test]
    fn a_field_beyond_the_payload_has_no_value() {
        let last = field(FieldKind::Unsigned, u16::MAX, u16::MAX, 0);
        assert_eq!(FieldValue::decode(&last, &[0; 64]), None);
        let short = field(FieldKind::Unsigned, 2, 4, 0);
        assert_eq!(FieldValue::decode(&short, &[0; 5]), None);
        assert!(FieldValue::decode(&short, &[0; 6]).is_some());
    }

    #[test]
    fn names_are_for_fields_with_a_dictionary() {
        struct Symbols;
        impl Names for Symbols {
            fn source(&self, _id: u16) -> Option<&str> {
                None
            }
            fn dictionary(&self, name: &str, id: u64) -> Option<Cow<'_, str>> {
                (name == "symbol" && id == 7).then_some(Cow::Borrowed("AAPL"))
            }
        }
        let mut symbol = field(FieldKind::Signed, 0, 1, 0);
        let seven = FieldValue::Signed {
            integer: 7,
            scale: 0,
        };
        assert_eq!(seven.name(&symbol, &Symbols), None);
        symbol.dictionary = "symbol".to_owned();
        assert_eq!(seven.name(&symbol, &Symbols).as_deref(), Some("AAPL"));
        let negative = FieldValue::Signed {
            integer: -7,
            scale: 0,
        };
        assert_eq!(negative.name(&symbol, &Symbols), None);
    }

    proptest! {
        #[test]
        fn any_schema_and_payload_decode(
            code in 1_u8..=5,
            offset in 0_u16..40,
            size in 0_u16..40,
            scale in any::<i8>(),
            payload in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let kind = FieldKind::from_code(code).expect("a kind");
            let field = field(kind, offset, size, scale);
            let value = FieldValue::decode(&field, &payload);
            prop_assert_eq!(value.is_some(), usize::from(offset + size) <= payload.len());
            if let Some(value) = value {
                let json = value.json().to_string();
                prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
                let csv = value.csv().to_string();
                prop_assert!(csv.starts_with('"') || !csv.contains(['"', ',', '\n', '\r']), "{csv}");
                prop_assert!(!value.to_string().contains(char::is_control));
            }
        }
    }
}
