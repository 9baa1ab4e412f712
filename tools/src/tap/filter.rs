//! Which messages are wanted.

use super::names::Names;
use crate::describe::{names_type, type_number};
use crate::error::{Result, ToolError};
use selvedge_fabric::frame::FrameHeader;

/// A choice by type and source. By name, because a type may be registered and a source may join
/// after the tap has begun.
#[derive(Clone, Debug)]
pub struct Filter {
    message_type: Option<String>,
    source: Option<String>,
}

impl Filter {
    /// A filter. A type that nobody has registered is an error where any are known: most likely a
    /// slip of the pen.
    pub fn new(message_type: Option<&str>, source: Option<&str>, names: &Names) -> Result<Self> {
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
        })
    }

    /// Whether the frame is wanted.
    pub fn takes(&self, header: &FrameHeader, names: &Names) -> bool {
        if let Some(wanted) = &self.source
            && wanted.parse() != Ok(header.source())
            && names.source(header.source()) != wanted
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
