//! One frame as text, CSV or JSON, by the dictionary of the journal.

use selvedge_fabric::frame::{FrameHeader, SourceId};
use selvedge_fabric::message::MessageSchema;
use selvedge_journal::Dictionary;
use selvedge_query::{CsvText, JsonText, Names, UtcTime, fields};
use std::borrow::Cow;
use std::fmt::Write as _;

/// The names that a journal knows.
pub struct JournalNames<'a>(pub &'a Dictionary);

impl Names for JournalNames<'_> {
    fn source(&self, id: SourceId) -> Option<&str> {
        match id {
            0 => Some("(fabric)"),
            _ => self.0.source(id),
        }
    }

    fn dictionary(&self, name: &str, id: u64) -> Option<Cow<'_, str>> {
        self.0.name(name, id).map(Cow::Borrowed)
    }
}

/// The columns that every CSV file begins with.
pub const CSV_COLUMNS: &str = "sequence,time,source,source_sequence,topic,type";

fn source_of(dictionary: &Dictionary, id: SourceId) -> String {
    match JournalNames(dictionary).source(id) {
        Some(name) => name.to_owned(),
        None => id.to_string(),
    }
}

fn type_of(header: &FrameHeader, schema: Option<&MessageSchema>) -> String {
    match schema {
        Some(schema) => schema.name.clone(),
        None => format!("{:#06x}", header.message_type()),
    }
}

// Writing into a string does not fail.

/// A line for people.
pub fn text(header: &FrameHeader, payload: &[u8], dictionary: &Dictionary, line: &mut String) {
    let schema = dictionary.schema(header.message_type());
    let _ = write!(
        line,
        "{:>10} {} {}#{} {}",
        header.sequence(),
        UtcTime(header.timestamp()),
        source_of(dictionary, header.source()),
        header.source_sequence(),
        type_of(header, schema)
    );
    let Some(schema) = schema else {
        let _ = write!(line, ", {} bytes", payload.len());
        return;
    };
    let names = JournalNames(dictionary);
    for (field, value) in fields(schema, payload) {
        let Some(value) = value else { continue };
        let _ = write!(line, " {}={value}", field.name);
        if let Some(name) = value.name(field, &names) {
            let _ = write!(line, "({name})");
        }
    }
}

/// A line of JSON. Fields of a dictionary give their number, and their name beside it.
pub fn json(header: &FrameHeader, payload: &[u8], dictionary: &Dictionary, line: &mut String) {
    let schema = dictionary.schema(header.message_type());
    let _ = write!(
        line,
        "{{\"sequence\":{},\"time\":\"{}\",\"time_ns\":{},\"source\":{},\"source_sequence\":{},\"topic\":{},\"type\":{}",
        header.sequence(),
        UtcTime(header.timestamp()),
        header.timestamp(),
        JsonText(&source_of(dictionary, header.source())),
        header.source_sequence(),
        header.topic(),
        JsonText(&type_of(header, schema))
    );
    let names = JournalNames(dictionary);
    match schema {
        Some(schema) => {
            line.push_str(",\"fields\":{");
            let mut first = true;
            for (field, value) in fields(schema, payload) {
                let Some(value) = value else { continue };
                if !std::mem::take(&mut first) {
                    line.push(',');
                }
                let _ = write!(line, "{}:{}", JsonText(&field.name), value.json());
                if let Some(name) = value.name(field, &names) {
                    let column = format!("{}_name", field.name);
                    let _ = write!(line, ",{}:{}", JsonText(&column), JsonText(&name));
                }
            }
            line.push('}');
        }
        None => {
            let _ = write!(line, ",\"payload\":\"{}\"", super::hex(payload));
        }
    }
    line.push('}');
}

/// The head of a CSV file of messages of one type.
pub fn csv_head(schema: &MessageSchema) -> String {
    let mut line = CSV_COLUMNS.to_owned();
    for field in &schema.fields {
        let _ = write!(line, ",{}", CsvText(&field.name));
        if !field.dictionary.is_empty() {
            let _ = write!(line, ",{}", CsvText(&format!("{}_name", field.name)));
        }
    }
    line
}

/// A row of a CSV file of messages of one type.
pub fn csv(
    header: &FrameHeader,
    payload: &[u8],
    schema: &MessageSchema,
    dictionary: &Dictionary,
    line: &mut String,
) {
    let _ = write!(
        line,
        "{},{},{},{},{},{}",
        header.sequence(),
        UtcTime(header.timestamp()),
        CsvText(&source_of(dictionary, header.source())),
        header.source_sequence(),
        header.topic(),
        CsvText(&schema.name)
    );
    let names = JournalNames(dictionary);
    for (field, value) in fields(schema, payload) {
        line.push(',');
        if let Some(value) = value {
            let _ = write!(line, "{}", value.csv());
        }
        if !field.dictionary.is_empty() {
            line.push(',');
            if let Some(name) = value.and_then(|value| value.name(field, &names)) {
                let _ = write!(line, "{}", CsvText(&name));
            }
        }
    }
}
