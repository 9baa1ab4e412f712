//! `describe`: what messages a fabric carries, field by field.

use crate::error::{Result, ToolError};
use clap::Args;
use selvedge_fabric::Fabric;
use selvedge_fabric::frame::system::{
    EndOfStream, EpochOpened, SourceJoined, SourceLeft, TYPE_REGISTERED,
};
use selvedge_fabric::message::{FieldKind, MessageSchema};
use std::fmt::Write as _;

/// Options of `describe`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  selvedge describe trading                    sizes, and every message type
  selvedge describe trading --type quote       part of its name, or its number
  selvedge describe trading --system --json    the fabric's own too, as JSON")]
pub struct DescribeArgs {
    /// The fabric's name.
    fabric: String,
    /// Only types whose name contains this, or with this number.
    #[arg(long = "type", value_name = "TYPE")]
    message_type: Option<String>,
    /// The fabric's own messages too.
    #[arg(long)]
    system: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// The schemas of the fabric's own messages.
pub fn system_schemas() -> Vec<MessageSchema> {
    vec![
        MessageSchema::of::<EpochOpened>(),
        MessageSchema::of::<SourceJoined>(),
        MessageSchema {
            message_type: TYPE_REGISTERED,
            name: "selvedge.type_registered".to_owned(),
            version: 1,
            size: 0,
            fields: Vec::new(),
        },
        MessageSchema::of::<SourceLeft>(),
        MessageSchema::of::<EndOfStream>(),
    ]
}

/// Whether `wanted` names the type: its number (decimal or 0x…), or a part of its name.
pub fn names_type(wanted: &str, schema: &MessageSchema) -> bool {
    type_number(wanted) == Some(schema.message_type) || schema.name.contains(wanted)
}

/// The number that `text` writes, if it writes one.
pub fn type_number(text: &str) -> Option<u16> {
    match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Prints the message types of a fabric.
pub fn run(args: &DescribeArgs) -> Result<()> {
    let fabric = Fabric::attach(&args.fabric)?;
    let mut schemas = fabric.schemas();
    if args.system {
        schemas.extend(system_schemas());
    }
    schemas.sort_by_key(|schema| schema.message_type);
    if let Some(wanted) = &args.message_type {
        let known: Vec<String> = schemas.iter().map(|schema| schema.name.clone()).collect();
        schemas.retain(|schema| names_type(wanted, schema));
        if schemas.is_empty() {
            return Err(ToolError::UnknownType {
                wanted: wanted.clone(),
                known: known.join(", "),
            });
        }
    }
    if args.json {
        let json = as_json(&fabric, &schemas);
        println!("{json}");
    } else {
        print!("{}", as_text(&fabric, &schemas));
    }
    Ok(())
}

fn as_text(fabric: &Fabric, schemas: &[MessageSchema]) -> String {
    let control = fabric.control();
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = writeln!(
        text,
        "{}: id {}, life {}\n  slots of {} bytes, {} in the stream, {} in an ingress ring\n  \
         messages up to {} bytes, up to {} of them in the slot\n  rings in {} ({} pages)",
        fabric.name(),
        control.id_text(),
        control.life,
        control.slot_bytes,
        control.stream_capacity,
        control.ingress_capacity,
        control.message_limit(),
        control.inline_bytes(),
        fabric.ring_directory().display(),
        control.pages(),
    );
    if schemas.is_empty() {
        let _ = writeln!(
            text,
            "no message types yet: producers register them when they attach"
        );
    }
    for schema in schemas {
        let size = match schema.size {
            0 => "any length".to_owned(),
            size => format!("{size} bytes"),
        };
        let _ = writeln!(
            text,
            "\n{:#06x} {} version {}, {size}",
            schema.message_type, schema.name, schema.version
        );
        for field in &schema.fields {
            let _ = write!(
                text,
                "  {:>5} {:>4}  {:<24} {}",
                field.offset,
                field.size,
                field.name,
                kind_text(field.kind)
            );
            if field.scale != 0 {
                let _ = write!(text, ", times 10^{}", field.scale);
            }
            if !field.dictionary.is_empty() {
                let _ = write!(text, ", names in dictionary `{}`", field.dictionary);
            }
            text.push('\n');
        }
    }
    text
}

fn as_json(fabric: &Fabric, schemas: &[MessageSchema]) -> serde_json::Value {
    let control = fabric.control();
    let types: Vec<serde_json::Value> = schemas
        .iter()
        .map(|schema| {
            let fields: Vec<serde_json::Value> = schema
                .fields
                .iter()
                .map(|field| {
                    serde_json::json!({
                        "name": field.name,
                        "offset": field.offset,
                        "size": field.size,
                        "kind": kind_text(field.kind),
                        "scale": field.scale,
                        "dictionary": field.dictionary,
                    })
                })
                .collect();
            serde_json::json!({
                "type": schema.message_type,
                "name": schema.name,
                "version": schema.version,
                "size": schema.size,
                "fields": fields,
            })
        })
        .collect();
    serde_json::json!({
        "fabric": fabric.name(),
        "id": control.id_text(),
        "life": control.life,
        "slot_bytes": control.slot_bytes,
        "stream_capacity": control.stream_capacity,
        "stream_payload_bytes": control.stream_payload_bytes,
        "ingress_capacity": control.ingress_capacity,
        "ingress_payload_bytes": control.ingress_payload_bytes,
        "message_limit": control.message_limit(),
        "inline_bytes": control.inline_bytes(),
        "pages": control.pages().to_string(),
        "ring_directory": fabric.ring_directory().display().to_string(),
        "types": types,
    })
}

fn kind_text(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Unsigned => "unsigned",
        FieldKind::Signed => "signed",
        FieldKind::Float => "float",
        FieldKind::Text => "text",
        FieldKind::Bytes => "bytes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_named_by_number_or_part_of_its_name() {
        let schema = MessageSchema::of::<SourceLeft>();
        assert!(names_type("0xF004", &schema));
        assert!(names_type("61444", &schema));
        assert!(names_type("source_left", &schema));
        assert!(!names_type("source_joined", &schema));
        assert!(!names_type("0x1", &schema));
    }
}
