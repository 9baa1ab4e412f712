//! The names of sources and message types, kept up to date by the stream itself.

use crate::describe::system_schemas;
use selvedge_fabric::Fabric;
use selvedge_fabric::frame::system::{SourceJoined, TYPE_REGISTERED};
use selvedge_fabric::frame::{FrameHeader, MessageType, SourceId};
use selvedge_fabric::message::{Message, MessageSchema};
use selvedge_fabric::zerocopy::FromBytes;
use std::collections::HashMap;

/// See the module.
#[derive(Debug)]
pub struct Names {
    sources: HashMap<SourceId, String>,
    schemas: HashMap<MessageType, MessageSchema>,
}

impl Names {
    /// What the registry says now.
    pub fn new(fabric: &Fabric) -> Self {
        let mut names = Names {
            sources: HashMap::from([(0, "(fabric)".to_owned())]),
            schemas: system_schemas()
                .into_iter()
                .map(|schema| (schema.message_type, schema))
                .collect(),
        };
        names.refresh(fabric);
        names
    }

    /// Reads the registry again: after frames were missed.
    pub fn refresh(&mut self, fabric: &Fabric) {
        for (id, entry) in fabric.sources() {
            self.sources.insert(id, entry.name);
        }
        for schema in fabric.schemas() {
            self.schemas.insert(schema.message_type, schema);
        }
    }

    /// Takes what a frame of the fabric itself tells.
    pub fn learn(&mut self, header: &FrameHeader, payload: &[u8]) {
        if header.source() != 0 {
            return;
        }
        if header.message_type() == TYPE_REGISTERED {
            if let Ok((schema, _)) = MessageSchema::decode(payload) {
                self.schemas.insert(schema.message_type, schema);
            }
        } else if header.message_type() == SourceJoined::TYPE
            && let Ok(joined) = SourceJoined::read_from_bytes(payload)
        {
            let length = (joined.name_length as usize).min(joined.name.len());
            let name = String::from_utf8_lossy(&joined.name[..length]).into_owned();
            self.sources.insert(joined.source, name);
        }
    }

    /// The source's name.
    pub fn source(&self, id: SourceId) -> &str {
        self.sources.get(&id).map_or("?", String::as_str)
    }

    /// The type's fields.
    pub fn schema(&self, message_type: MessageType) -> Option<&MessageSchema> {
        self.schemas.get(&message_type)
    }

    /// Every type known.
    pub fn schemas(&self) -> impl Iterator<Item = &MessageSchema> {
        self.schemas.values()
    }

    /// Every source known.
    pub fn sources(&self) -> impl Iterator<Item = (SourceId, &str)> {
        self.sources.iter().map(|(id, name)| (*id, name.as_str()))
    }
}
