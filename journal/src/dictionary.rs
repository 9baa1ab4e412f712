//! What the numbers in frame headers mean: message types, sources, topics.

use selvedge_fabric::frame::system::{SourceJoined, TYPE_REGISTERED};
use selvedge_fabric::frame::{FrameHeader, MessageType, SourceId, TopicId};
use selvedge_fabric::message::{FieldKind, FieldSchema, Message, MessageSchema};
use std::collections::BTreeMap;
use std::ops::Range;
use zerocopy::FromBytes;

/// The most bytes an encoded dictionary takes. What is registered beyond it is in the stream, but
/// not in the dictionary of later segments, which then says that it is incomplete.
pub const MAX_DICTIONARY_BYTES: usize = 16 << 20;

const ENTRY_HEADER_BYTES: usize = 8;
const KIND_TYPE: u16 = 1;
const KIND_SOURCE: u16 = 2;
const KIND_TOPIC: u16 = 3;
const KIND_INCOMPLETE: u16 = 4;
const KIND_NAME: u16 = 5;
/// Bytes of a name's entry before its texts: the number, the length of the dictionary's name.
const NAME_HEADER_BYTES: usize = 16;

/// Message schemas by type, names of sources and topics by number.
///
/// A number that is registered again means the newer thing from there on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dictionary {
    types: BTreeMap<MessageType, MessageSchema>,
    sources: BTreeMap<SourceId, String>,
    topics: BTreeMap<TopicId, String>,
    /// By the dictionary's name, then by number.
    names: BTreeMap<String, BTreeMap<u64, String>>,
    /// Message types that give names to numbers. Follows from the schemas.
    directories: Vec<DirectoryType>,
    encoded_bytes: usize,
    incomplete: bool,
}

/// A message type whose messages each give one number its name: its name ends with that of the
/// dictionary and `_directory`, it has a field of that dictionary, and one of text called `name`,
/// or else its first of text.
#[derive(Clone, PartialEq, Eq, Debug)]
struct DirectoryType {
    message_type: MessageType,
    dictionary: String,
    number: Range<usize>,
    text: Range<usize>,
}

impl DirectoryType {
    fn of(schema: &MessageSchema) -> Option<Self> {
        let number = schema.fields.iter().find(|field| {
            !field.dictionary.is_empty()
                && field.size <= 8
                && schema
                    .name
                    .strip_suffix("_directory")
                    .is_some_and(|name| name.ends_with(&field.dictionary))
        })?;
        let text = |field: &&FieldSchema| field.kind == FieldKind::Text;
        let name = schema
            .fields
            .iter()
            .filter(text)
            .find(|field| field.name == "name");
        let text = name.or_else(|| schema.fields.iter().find(text))?;
        let range = |field: &FieldSchema| {
            usize::from(field.offset)..usize::from(field.offset) + usize::from(field.size)
        };
        Some(DirectoryType {
            message_type: schema.message_type,
            dictionary: number.dictionary.clone(),
            number: range(number),
            text: range(text),
        })
    }

    /// The number that a message names, and the name.
    fn read<'p>(&self, payload: &'p [u8]) -> Option<(u64, &'p str)> {
        let number = payload.get(self.number.clone())?;
        let number = number
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte));
        let text = std::str::from_utf8(payload.get(self.text.clone())?).ok()?;
        Some((number, text.trim_end_matches([' ', '\0'])))
    }
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

    /// What `number` stands for in the dictionary `dictionary`, such as `symbol`.
    pub fn name(&self, dictionary: &str, number: u64) -> Option<&str> {
        self.names.get(dictionary)?.get(&number).map(String::as_str)
    }

    /// All names: dictionary, number, name.
    pub fn names(&self) -> impl Iterator<Item = (&str, u64, &str)> {
        self.names.iter().flat_map(|(dictionary, names)| {
            names
                .iter()
                .map(|(number, name)| (dictionary.as_str(), *number, name.as_str()))
        })
    }

    /// Whether messages of this type give names to numbers.
    #[inline]
    pub(crate) fn is_directory(&self, message_type: MessageType) -> bool {
        self.directories
            .iter()
            .any(|directory| directory.message_type == message_type)
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
            self.directories
                .retain(|directory| directory.message_type != schema.message_type);
            self.directories.extend(DirectoryType::of(&schema));
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

    /// Adds or replaces what a number stands for in a dictionary.
    pub fn add_name(&mut self, dictionary: &str, number: u64, name: &str) {
        let size = |name: &str| NAME_HEADER_BYTES + dictionary.len() + name.len();
        let old = self.name(dictionary, number).map(size);
        if self.account(size(name), old) {
            self.names
                .entry(dictionary.to_owned())
                .or_default()
                .insert(number, name.to_owned());
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
        for (dictionary, number, name) in other.names() {
            self.add_name(dictionary, number, name);
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
    pub(crate) fn news_in(&self, header: &FrameHeader, payload: &[u8]) -> Option<Dictionary> {
        let directory = self
            .directories
            .iter()
            .find(|directory| directory.message_type == header.message_type());
        if let Some(directory) = directory {
            let (number, name) = directory.read(payload)?;
            if self.name(&directory.dictionary, number) == Some(name) {
                return None;
            }
            let mut added = Dictionary::default();
            added.add_name(&directory.dictionary, number, name);
            return Some(added);
        }
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
        for (dictionary, number, name) in self.names() {
            entry(KIND_NAME, 0, &|out| {
                out.extend_from_slice(&number.to_le_bytes());
                out.extend_from_slice(&(dictionary.len() as u64).to_le_bytes());
                out.extend_from_slice(dictionary.as_bytes());
                out.extend_from_slice(name.as_bytes());
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
                KIND_NAME => {
                    let short = "a dictionary's name ends early";
                    let (head, texts) = body.split_at_checked(NAME_HEADER_BYTES).ok_or(short)?;
                    let word = |at: usize| {
                        let bytes = head.iter().skip(at).take(8).rev();
                        bytes.fold(0_u64, |word, byte| word << 8 | u64::from(*byte))
                    };
                    let length = usize::try_from(word(8)).map_err(|_| short)?;
                    let (dictionary, name) = std::str::from_utf8(texts)
                        .map_err(|_| "a dictionary name is not UTF-8")?
                        .split_at_checked(length)
                        .ok_or(short)?;
                    self.add_name(dictionary, word(0), name);
                }
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
        dictionary.add_name("symbol", 70_000, "GOOG");
        dictionary.add_name("symbol", 1, "AAPL");
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
