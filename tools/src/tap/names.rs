//! The names of sources and message types, kept up to date by the stream itself.

use crate::describe::system_schemas;
use selvedge_fabric::Fabric;
use selvedge_fabric::frame::system::{SourceJoined, TYPE_REGISTERED};
use selvedge_fabric::frame::{FrameHeader, MessageType, SourceId};
use selvedge_fabric::message::{Message, MessageSchema};
use selvedge_fabric::zerocopy::FromBytes;
use std::borrow::Cow;
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

    /// Takes what a frame of the fabric itself tells; the message type, where it was one.
    pub fn learn(&mut self, header: &FrameHeader, payload: &[u8]) -> Option<&MessageSchema> {
        if header.source() != 0 {
            return None;
        }
        if header.message_type() == TYPE_REGISTERED {
            let (schema, _) = MessageSchema::decode(payload).ok()?;
            let message_type = schema.message_type;
            self.schemas.insert(message_type, schema);
            return self.schemas.get(&message_type);
        }
        if header.message_type() == SourceJoined::TYPE
            && let Ok(joined) = SourceJoined::read_from_bytes(payload)
        {
            let length = (joined.name_length as usize).min(joined.name.len());
            let name = String::from_utf8_lossy(&joined.name[..length]).into_owned();
            self.sources.insert(joined.source, name);
        }
        None
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

impl selvedge_query::Names for Names {
    fn source(&self, id: SourceId) -> Option<&str> {
        self.sources.get(&id).map(String::as_str)
    }

    fn dictionary(&self, _name: &str, _id: u64) -> Option<Cow<'_, str>> {
        // Dictionaries are messages of the application: the journal knows them, a tap does not.
        None
    }
}
