//! What the numbers in frame headers mean: message types, sources, topics.

use selvedge_fabric::frame::system::{SourceJoined, TYPE_REGISTERED};
use selvedge_fabric::frame::{FrameHeader, MessageType, SourceId, TopicId};
use selvedge_fabric::message::{Message, MessageSchema};
use std::collections::BTreeMap;
use zerocopy::FromBytes;

/// The most bytes an encoded dictionary takes. What is registered beyond it is in the stream, but
/// not in the dictionary of later segments, which then says that it is incomplete.
pub const MAX_DICTIONARY_BYTES: usize = 16 << 20;

const ENTRY_HEADER_BYTES: usize = 8;
const KIND_TYPE: u16 = 1;
const KIND_SOURCE: u16 = 2;
const KIND_TOPIC: u16 = 3;
const KIND_INCOMPLETE: u16 = 4;

/// Message schemas by type, names of sources and topics by number.
///
/// A number that is registered again means the newer thing from there on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dictionary {
    types: BTreeMap<MessageType, MessageSchema>,
    sources: BTreeMap<SourceId, String>,
    topics: BTreeMap<TopicId, String>,
    encoded_bytes: usize,
    incomplete: bool,
}

impl Dictionary {
    /// The description of a message type.
    pub fn schema(&self, message_type: MessageType) -> Option<&MessageSchema> {
        self.types.get(&message_type)
    }

    /// All message types, by number.
    pub fn schemas(&self) -> impl Iterator<Item = &MessageSchema> {
        self.types.values()
    }

    /// The name of a source.
    pub fn source(&self, source: SourceId) -> Option<&str> {
        self.sources.get(&source).map(String::as_str)
    }

    /// All sources, by number.
    pub fn sources(&self) -> impl Iterator<Item = (SourceId, &str)> {
        self.sources.iter().map(|(id, name)| (*id, name.as_str()))
    }

    /// The name of a topic.
    pub fn topic(&self, topic: TopicId) -> Option<&str> {
        self.topics.get(&topic).map(String::as_str)
    }

    /// All topics, by number.
    pub fn topics(&self) -> impl Iterator<Item = (TopicId, &str)> {
        self.topics.iter().map(|(id, name)| (*id, name.as_str()))
    }

    /// Whether something did not fit into [`MAX_DICTIONARY_BYTES`].
    pub fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Adds or replaces a message type.
    pub fn add_schema(&mut self, schema: MessageSchema) {
        let mut encoded = Vec::new();
        schema.encode(&mut encoded);
        let old = self.types.get(&schema.message_type).map(|old| {
            let mut bytes = Vec::new();
            old.encode(&mut bytes);
            bytes.len()
        });
        if self.account(encoded.len(), old) {
            self.types.insert(schema.message_type, schema);
        }
    }

    /// Adds or renames a source.
    pub fn add_source(&mut self, source: SourceId, name: &str) {
        if self.account(name.len(), self.sources.get(&source).map(String::len)) {
            self.sources.insert(source, name.to_owned());
        }
    }

    /// Adds or renames a topic.
    pub fn add_topic(&mut self, topic: TopicId, name: &str) {
        if self.account(name.len(), self.topics.get(&topic).map(String::len)) {
            self.topics.insert(topic, name.to_owned());
        }
    }

    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Dictionary) {
        for schema in other.schemas() {
            self.add_schema(schema.clone());
        }
        for (source, name) in other.sources() {
            self.add_source(source, name);
        }
        for (topic, name) in other.topics() {
            self.add_topic(topic, name);
        }
        self.incomplete |= other.incomplete;
    }

    /// Makes room for an entry of `new` bytes that replaces one of `old`; false: it does not fit.
    fn account(&mut self, new: usize, old: Option<usize>) -> bool {
        let size = |bytes: usize| ENTRY_HEADER_BYTES + bytes.next_multiple_of(8);
        let total = self.encoded_bytes - old.map_or(0, size) + size(new);
        // Eight bytes stay free for the entry that says "incomplete".
        let fits = total <= MAX_DICTIONARY_BYTES - ENTRY_HEADER_BYTES;
        if fits {
            self.encoded_bytes = total;
        } else {
            self.incomplete = true;
        }
        fits
    }

    /// What a frame of the stream adds to the dictionary; `None` for an ordinary frame, and for
    /// one whose payload is not what its type says.
    pub(crate) fn from_frame(header: &FrameHeader, payload: &[u8]) -> Option<Dictionary> {
        if header.source() != 0 {
            return None;
        }
        let mut added = Dictionary::default();
        if header.message_type() == TYPE_REGISTERED {
            added.add_schema(MessageSchema::decode(payload).ok()?.0);
        } else if header.message_type() == SourceJoined::TYPE {
            let (joined, _) = SourceJoined::read_from_prefix(payload).ok()?;
            let name = joined.name.get(..usize::from(joined.name_length))?;
            added.add_source(joined.source, std::str::from_utf8(name).ok()?);
        } else {
            return None;
        }
        Some(added)
    }

    /// Appends a Dictionary block's payload to `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut entry = |kind: u16, id: u16, write: &dyn Fn(&mut Vec<u8>)| {
            out.extend_from_slice(&kind.to_le_bytes());
            out.extend_from_slice(&id.to_le_bytes());
            let length_at = out.len();
            out.extend_from_slice(&[0; 4]);
            let start = out.len();
            write(out);
            let length = out.len() - start;
            out[length_at..start].copy_from_slice(&(length as u32).to_le_bytes());
            out.resize(start + length.next_multiple_of(8), 0);
        };
        for (id, schema) in &self.types {
            entry(KIND_TYPE, *id, &|out| schema.encode(out));
        }
        for (id, name) in &self.sources {
            entry(KIND_SOURCE, *id, &|out| {
                out.extend_from_slice(name.as_bytes())
            });
        }
        for (id, name) in &self.topics {
            entry(KIND_TOPIC, *id, &|out| {
                out.extend_from_slice(name.as_bytes())
            });
        }
        if self.incomplete {
            entry(KIND_INCOMPLETE, 0, &|_| ());
        }
    }

    /// Adds what a Dictionary block's payload says. Entries of an unknown kind are skipped.
    pub(crate) fn decode(&mut self, mut payload: &[u8]) -> Result<(), &'static str> {
        while let Some((head, rest)) = payload.split_first_chunk::<ENTRY_HEADER_BYTES>() {
            let kind = u16::from_le_bytes([head[0], head[1]]);
            let id = u16::from_le_bytes([head[2], head[3]]);
            let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let body = rest
                .get(..length)
                .ok_or("a dictionary entry reaches beyond the block")?;
            payload = rest
                .get(length.next_multiple_of(8)..)
                .ok_or("a dictionary entry's padding reaches beyond the block")?;
            let name = || std::str::from_utf8(body).map_err(|_| "a dictionary name is not UTF-8");
            match kind {
                KIND_TYPE => {
                    let (schema, _) = MessageSchema::decode(body)
                        .map_err(|_| "a dictionary entry is not a message schema")?;
                    if schema.message_type != id {
                        return Err("a dictionary entry's schema is of another type");
                    }
                    self.add_schema(schema);
                }
                KIND_SOURCE => self.add_source(id, name()?),
                KIND_TOPIC => self.add_topic(id, name()?),
                KIND_INCOMPLETE => self.incomplete = true,
                _ => {}
            }
        }
        if payload.is_empty() {
            Ok(())
        } else {
            Err("a dictionary entry's header reaches beyond the block")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use selvedge_fabric::frame::system::{EpochOpened, SourceLeft};

    fn sample() -> Dictionary {
        let mut dictionary = Dictionary::default();
        dictionary.add_schema(MessageSchema::of::<EpochOpened>());
        dictionary.add_schema(MessageSchema::of::<SourceLeft>());
        dictionary.add_source(3, "feed");
        dictionary.add_source(3, "feed-a");
        dictionary.add_topic(9, "equities");
        dictionary
    }

    #[test]
    fn a_dictionary_survives_its_encoding() {
        let dictionary = sample();
        let mut bytes = Vec::new();
        dictionary.encode(&mut bytes);
        assert_eq!(bytes.len(), dictionary.encoded_bytes);
        let mut read = Dictionary::default();
        assert_eq!(read.decode(&bytes), Ok(()));
        assert_eq!(read, dictionary);
        assert_eq!(read.source(3), Some("feed-a"));
        for cut in 1..bytes.len() {
            let mut part = Dictionary::default();
            if part.decode(&bytes[..cut]).is_ok() {
                assert_ne!(part, dictionary, "cut at {cut}");
            }
        }
    }

    #[test]
    fn at_the_limit_it_says_incomplete() {
        let mut dictionary = sample();
        let long = "x".repeat(1 << 20);
        for topic in 0..20 {
            dictionary.add_topic(topic, &long);
        }
        assert!(dictionary.is_incomplete());
        assert!(dictionary.topic(19).is_none());
        let mut bytes = Vec::new();
        dictionary.encode(&mut bytes);
        assert!(bytes.len() <= MAX_DICTIONARY_BYTES);
        let mut read = Dictionary::default();
        assert_eq!(read.decode(&bytes), Ok(()));
        assert!(read.is_incomplete());
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Dictionary::default().decode(&bytes);
        }
    }
}
