//! Messages as lines of text and as JSON, by their field tables.

use selvedge_fabric::frame::FrameHeader;
use selvedge_fabric::message::MessageSchema;
use selvedge_query::{JsonText, fields};
use std::fmt::Write as _;

/// A frame as a line: place, time, source, then the fields.
pub fn frame_text(
    header: &FrameHeader,
    source: &str,
    schema: Option<&MessageSchema>,
    payload: &[u8],
    line: &mut String,
) {
    // Writing into a string does not fail.
    let _ = write!(
        line,
        "{:>10} {} {source}#{} ",
        header.sequence(),
        header.timestamp(),
        header.source_sequence()
    );
    let Some(schema) = schema else {
        let number = header.message_type();
        let _ = write!(line, "type {number:#06x}, {} bytes", payload.len());
        return;
    };
    line.push_str(&schema.name);
    for (field, value) in fields(schema, payload) {
        if let Some(value) = value {
            let _ = write!(line, " {}={value}", field.name);
        }
    }
}

/// A frame as an object: header, then `fields`, or `payload` in hexadecimal where no table is
/// known.
pub fn frame_json(
    header: &FrameHeader,
    source: &str,
    schema: Option<&MessageSchema>,
    payload: &[u8],
    line: &mut String,
) {
    // Writing into a string does not fail.
    let _ = write!(
        line,
        "{{\"sequence\":{},\"timestamp_ns\":{},\"source\":{},\"source_sequence\":{},\"type\":{},\"topic\":{}",
        header.sequence(),
        header.timestamp(),
        JsonText(source),
        header.source_sequence(),
        header.message_type(),
        header.topic()
    );
    match schema {
        Some(schema) if !schema.fields.is_empty() => {
            let _ = write!(line, ",\"name\":{},\"fields\":{{", JsonText(&schema.name));
            let mut separator = "";
            for (field, value) in fields(schema, payload) {
                if let Some(value) = value {
                    let _ = write!(
                        line,
                        "{separator}{}:{}",
                        JsonText(&field.name),
                        value.json()
                    );
                    separator = ",";
                }
            }
            line.push_str("}}");
        }
        _ => {
            line.push_str(",\"payload\":\"");
            for byte in payload {
                let _ = write!(line, "{byte:02x}");
            }
            line.push_str("\"}");
        }
    }
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

    fn json(
        header: &FrameHeader,
        schema: Option<&MessageSchema>,
        payload: &[u8],
    ) -> serde_json::Value {
        let mut line = String::new();
        frame_json(header, "feed", schema, payload, &mut line);
        serde_json::from_str(&line).expect("an object")
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
        let object = json(&header, Some(&schema), sample.as_bytes());
        assert_eq!(
            object["fields"]["price"].to_string().trim_matches('"'),
            "-1.2345"
        );
        assert_eq!(object["fields"]["change"], -2);
        assert_eq!(object["fields"]["text"], "ab");
        assert_eq!(object["sequence"], 7);
        assert_eq!(object["source"], "feed");
        let unknown = json(&header, None, &[0xAB, 1]);
        assert_eq!(unknown["payload"], "ab01");
    }
}
