//! Messages as JSON, by their field tables.

use selvedge_fabric::frame::FrameHeader;
use selvedge_fabric::message::{FieldKind, FieldSchema, MessageSchema};
use serde_json::{Map, Value, json};

/// A frame as an object: header, then `fields`, or `payload` in hexadecimal where no table is
/// known.
pub fn frame_json(
    header: &FrameHeader,
    source: &str,
    schema: Option<&MessageSchema>,
    payload: &[u8],
) -> Value {
    let mut object = json!({
        "sequence": header.sequence(),
        "timestamp_ns": header.timestamp(),
        "source": source,
        "source_sequence": header.source_sequence(),
        "type": header.message_type(),
        "topic": header.topic(),
    });
    let Some(object_map) = object.as_object_mut() else {
        return object;
    };
    match schema {
        Some(schema) if !schema.fields.is_empty() => {
            let mut fields = Map::new();
            for field in &schema.fields {
                let start = field.offset as usize;
                if let Some(bytes) = payload.get(start..start + field.size as usize) {
                    fields.insert(field.name.clone(), value(field, bytes));
                }
            }
            object_map.insert("name".to_owned(), Value::String(schema.name.clone()));
            object_map.insert("fields".to_owned(), Value::Object(fields));
        }
        _ => {
            object_map.insert("payload".to_owned(), Value::String(hexadecimal(payload)));
        }
    }
    object
}

/// A field's value: numbers that JSON holds exactly as numbers, scaled ones as decimal text.
fn value(field: &FieldSchema, bytes: &[u8]) -> Value {
    let mut wide = [0; 8];
    let fits = bytes.len() <= 8;
    if fits {
        wide[..bytes.len()].copy_from_slice(bytes);
    }
    match field.kind {
        FieldKind::Unsigned if fits && field.scale == 0 => json!(u64::from_le_bytes(wide)),
        FieldKind::Signed if fits && field.scale == 0 => {
            let shift = 64 - 8 * bytes.len().max(1) as u32;
            json!(i64::from_le_bytes(wide) << shift >> shift)
        }
        FieldKind::Float if bytes.len() == 8 => json!(f64::from_le_bytes(wide)),
        FieldKind::Float if bytes.len() == 4 => {
            json!(f32::from_le_bytes([wide[0], wide[1], wide[2], wide[3]]))
        }
        FieldKind::Text => {
            let text = String::from_utf8_lossy(bytes);
            json!(text.trim_end_matches([' ', '\0']))
        }
        FieldKind::Bytes => json!(hexadecimal(bytes)),
        _ => json!(crate::journal_commands::field_text(field, bytes)),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use selvedge_fabric::frame::Flags;
    use selvedge_fabric::message::Message;
    use selvedge_fabric::zerocopy::IntoBytes;

    selvedge_fabric::message! {
        /// A message of several kinds of field.
        struct Sample: type 9, name "test.sample", version 1 {
            price: i64, scale -4;
            change: i32;
            text: [u8; 4];
        }
    }

    #[test]
    fn fields_are_decoded_by_their_table_and_unknown_types_shown_in_hexadecimal() {
        let sample = Sample {
            price: -12_345,
            change: -2,
            text: *b"ab  ",
        };
        let descriptor = FrameHeader::descriptor_word(Sample::TYPE, 3, 16, Flags::NONE);
        let header = FrameHeader::new(1, 7, 99, 2, 5, descriptor);
        let schema = MessageSchema::of::<Sample>();
        let object = frame_json(&header, "feed", Some(&schema), sample.as_bytes());
        assert_eq!(object["fields"]["price"], "-1.2345");
        assert_eq!(object["fields"]["change"], -2);
        assert_eq!(object["fields"]["text"], "ab");
        assert_eq!(object["sequence"], 7);
        assert_eq!(object["source"], "feed");
        let unknown = frame_json(&header, "feed", None, &[0xAB, 1]);
        assert_eq!(unknown["payload"], "ab01");
    }
}
