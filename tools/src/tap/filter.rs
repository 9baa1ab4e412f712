//! Which messages are wanted.

use super::names::Names;
use crate::describe::{names_type, type_number};
use crate::error::{Result, ToolError};
use selvedge_fabric::frame::FrameHeader;
use selvedge_fabric::message::MessageSchema;
use selvedge_query::Query;

/// A choice by type, source and expression. By name, because a type may be registered and a source may join
/// after the tap has begun.
#[derive(Clone, Debug)]
pub struct Filter {
    message_type: Option<String>,
    source: Option<String>,
    condition: Option<Query>,
}

impl Filter {
    /// A filter. A type that nobody has registered is an error where any are known: most likely a
    /// slip of the pen.
    pub fn new(
        message_type: Option<&str>,
        source: Option<&str>,
        condition: Option<&str>,
        names: &Names,
    ) -> Result<Self> {
        if let Some(wanted) = message_type
            && type_number(wanted).is_none()
            && !names.schemas().any(|schema| names_type(wanted, schema))
        {
            let mut known: Vec<&str> = names.schemas().map(|schema| &*schema.name).collect();
            known.sort_unstable();
            return Err(ToolError::UnknownType {
                wanted: wanted.to_owned(),
                known: known.join(", "),
            });
        }
        if let Some(wanted) = source
            && wanted.parse::<u16>().is_err()
            && !names.sources().any(|(_, name)| name == wanted)
        {
            eprintln!("note: no source `{wanted}` has joined yet; waiting for it");
        }
        Ok(Filter {
            message_type: message_type.map(str::to_owned),
            source: source.map(str::to_owned),
            condition: condition
                .map(|text| Query::parse(text, names.schemas()))
                .transpose()?,
        })
    }

    /// Takes note of a message type that was registered meanwhile.
    pub fn learn(&mut self, schema: &MessageSchema) {
        if let Some(condition) = &mut self.condition {
            condition.learn(schema);
        }
    }

    /// Whether the frame is wanted.
    pub fn takes(&self, header: &FrameHeader, payload: &[u8], names: &Names) -> bool {
        if let Some(wanted) = &self.source
            && wanted.parse() != Ok(header.source())
            && names.source(header.source()) != wanted
        {
            return false;
        }
        if let Some(condition) = &self.condition
            && !condition.matches(header, payload, names)
        {
            return false;
        }
        match &self.message_type {
            None => true,
            Some(wanted) => match names.schema(header.message_type()) {
                Some(schema) => names_type(wanted, schema),
                None => type_number(wanted) == Some(header.message_type()),
            },
        }
    }
}
