//! Values as JSON.

use super::FieldValue;
use super::value::hexadecimal;
use std::fmt::{self, Write as _};

/// A value as JSON: see [`FieldValue::json`].
///
/// ```
/// use selvedge_query::FieldValue;
///
/// let price = FieldValue::Unsigned { integer: 5_850_000, scale: -4 };
/// assert_eq!(price.json().to_string(), "585.0000");
/// assert_eq!(FieldValue::Text(b"a\"b\n").json().to_string(), r#""a\"b\n""#);
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct JsonValue<'a>(pub(super) FieldValue<'a>);

impl fmt::Display for JsonValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            FieldValue::Float32(value) if !value.is_finite() => f.write_str("null"),
            FieldValue::Float64(value) if !value.is_finite() => f.write_str("null"),
            FieldValue::Text(bytes) => {
                f.write_char('"')?;
                for chunk in bytes.utf8_chunks() {
                    escaped(chunk.valid(), f)?;
                    if !chunk.invalid().is_empty() {
                        f.write_char('\u{FFFD}')?;
                    }
                }
                f.write_char('"')
            }
            FieldValue::Bytes(bytes) => {
                f.write_char('"')?;
                hexadecimal(bytes, f)?;
                f.write_char('"')
            }
            number => number.fmt(f),
        }
    }
}

/// Text as a JSON string, quotes included.
///
/// ```
/// use selvedge_query::JsonText;
///
/// assert_eq!(JsonText("tab\there").to_string(), r#""tab\there""#);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JsonText<'a>(pub &'a str);

impl fmt::Display for JsonText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        escaped(self.0, f)?;
        f.write_char('"')
    }
}

/// Writes what stands between the quotes of a JSON string. Control characters of both ranges are
/// escaped: JSON asks for the first, terminals for the second.
fn escaped(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for character in text.chars() {
        match character {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            control if control.is_control() => write!(f, "\\u{:04x}", control as u32)?,
            other => f.write_char(other)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_json_numbers() {
        let shown = |value: FieldValue<'_>| value.json().to_string();
        let integer = FieldValue::Unsigned {
            integer: u64::MAX,
            scale: 0,
        };
        assert_eq!(shown(integer), "18446744073709551615");
        assert_eq!(
            shown(FieldValue::Signed {
                integer: -5,
                scale: -1
            }),
            "-0.5"
        );
        assert_eq!(shown(FieldValue::Float64(1e300)), "1e300");
        assert_eq!(shown(FieldValue::Float64(-0.0)), "-0.0");
        assert_eq!(shown(FieldValue::Float64(f64::NAN)), "null");
        assert_eq!(shown(FieldValue::Float32(f32::INFINITY)), "null");
        assert_eq!(shown(FieldValue::Bytes(&[1, 0xAB])), "\"01ab\"");
    }

    #[test]
    fn broken_utf8_is_replaced() {
        assert_eq!(
            FieldValue::Text(b"a\xFFb").json().to_string(),
            "\"a\u{FFFD}b\""
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_the_same(text in any::<String>()) {
            let read: String = serde_json::from_str(&JsonText(&text).to_string())
                .expect("a JSON string");
            prop_assert_eq!(&read, &text);
        }

        #[test]
        fn any_bytes_of_a_text_are_a_json_string(
            bytes in proptest::collection::vec(any::<u8>(), 0..40)
        ) {
            let read: String = serde_json::from_str(&FieldValue::Text(&bytes).json().to_string())
                .expect("a JSON string");
            prop_assert_eq!(read, String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn floats_keep_every_bit(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let text = FieldValue::Float64(value).json().to_string();
            prop_assert_eq!(text.parse::<f64>().expect("a number").to_bits(), bits);
            prop_assert!(serde_json::from_str::<f64>(&text).is_ok());
        }
    }
}
