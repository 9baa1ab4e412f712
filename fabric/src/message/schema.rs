//! A message type's description as data: what registration, stream and journal carry.
//!
//! Encoding (all integers little-endian):
//!
//! | bytes | what |
//! |---|---|
//! | 0..2 | message type |
//! | 2..4 | version |
//! | 4..6 | size of the message in bytes (0: no fixed size) |
//! | 6..8 | number of fields |
//! | 8 | length of the name, then the name |
//! | then for each field | offset u16, size u16, kind u8, scale i8, name length u8, name, dictionary length u8, dictionary |

use super::{FieldKind, Message};
use crate::frame::MessageType;

/// The most fields a message type may have.
pub const SCHEMA_MAX_FIELDS: usize = 128;

/// The longest name of a type, field or dictionary, in bytes.
pub const SCHEMA_MAX_NAME_BYTES: usize = 64;

/// Why bytes are not a schema.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SchemaError {
    /// The bytes end inside a schema.
    #[error("a message schema ends early, at byte {0}")]
    Truncated(usize),
    /// A field's kind is not one of this version's.
    #[error("field `{field}` has kind {code}, which this version does not know")]
    UnknownKind {
        /// The field's name.
        field: String,
        /// The code found.
        code: u8,
    },
    /// A name is empty where it must not be, too long, or not UTF-8.
    #[error(
        "a name in a message schema is empty, longer than {SCHEMA_MAX_NAME_BYTES} bytes or not UTF-8 (at byte {0})"
    )]
    BadName(usize),
    /// A field lies outside its message.
    #[error("field `{field}` ends at byte {end} of a message of {size} bytes")]
    FieldOutside {
        /// The field's name.
        field: String,
        /// Where it would end.
        end: usize,
        /// The message's size.
        size: usize,
    },
    /// More fields than the limit.
    #[error("{0} fields, but a message type has at most {SCHEMA_MAX_FIELDS}")]
    TooManyFields(usize),
}

/// One field, as data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldSchema {
    /// The field's name.
    pub name: String,
    /// Bytes from the start of the payload.
    pub offset: u16,
    /// Bytes.
    pub size: u16,
    /// What the bytes are.
    pub kind: FieldKind,
    /// Power of ten that the integer is multiplied with.
    pub scale: i8,
    /// Dictionary that names the values; empty for none.
    pub dictionary: String,
}

/// A message type, as data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageSchema {
    /// The type's number.
    pub message_type: MessageType,
    /// The type's name.
    pub name: String,
    /// Its version.
    pub version: u16,
    /// Bytes of a message, 0 where messages of this type vary in length.
    pub size: u16,
    /// The fields.
    pub fields: Vec<FieldSchema>,
}

impl MessageSchema {
    /// The description of `M`.
    pub fn of<M: Message>() -> Self {
        MessageSchema {
            message_type: M::TYPE,
            name: M::NAME.to_owned(),
            version: M::VERSION,
            size: size_of::<M>() as u16,
            fields: M::FIELDS
                .iter()
                .map(|field| FieldSchema {
                    name: field.name.to_owned(),
                    offset: field.offset as u16,
                    size: field.size as u16,
                    kind: field.kind,
                    scale: field.scale,
                    dictionary: field.dictionary.to_owned(),
                })
                .collect(),
        }
    }

    /// How this schema differs from `other` of the same number, for a person to read.
    pub fn difference(&self, other: &MessageSchema) -> String {
        let describe = |schema: &MessageSchema| {
            format!(
                "`{}` version {} ({} bytes, {} fields)",
                schema.name,
                schema.version,
                schema.size,
                schema.fields.len()
            )
        };
        let detail = self
            .fields
            .iter()
            .zip(&other.fields)
            .find(|(ours, theirs)| ours != theirs)
            .map(|(ours, theirs)| {
                format!(
                    "; the first difference is field `{}` at byte {} against `{}` at byte {}",
                    ours.name, ours.offset, theirs.name, theirs.offset
                )
            })
            .unwrap_or_default();
        format!(
            "this program has {}, the fabric {}{detail}: build both from the same definition, or give one another number",
            describe(self),
            describe(other)
        )
    }

    /// Appends the encoding to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.message_type.to_le_bytes());
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.size.to_le_bytes());
        out.extend_from_slice(&(self.fields.len() as u16).to_le_bytes());
        encode_name(&self.name, out);
        for field in &self.fields {
            out.extend_from_slice(&field.offset.to_le_bytes());
            out.extend_from_slice(&field.size.to_le_bytes());
            out.push(field.kind as u8);
            out.push(field.scale as u8);
            encode_name(&field.name, out);
            encode_name(&field.dictionary, out);
        }
    }

    /// Decodes one schema from the front of `bytes`; returns it and how many bytes it took.
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), SchemaError> {
        let mut reader = Reader { bytes, at: 0 };
        let message_type = reader.u16()?;
        let version = reader.u16()?;
        let size = reader.u16()?;
        let count = reader.u16()? as usize;
        if count > SCHEMA_MAX_FIELDS {
            return Err(SchemaError::TooManyFields(count));
        }
        let name = reader.name(false)?;
        let mut fields = Vec::with_capacity(count);
        for _ in 0..count {
            let offset = reader.u16()?;
            let field_size = reader.u16()?;
            let code = reader.u8()?;
            let scale = reader.u8()? as i8;
            let name = reader.name(false)?;
            let dictionary = reader.name(true)?;
            let Some(kind) = FieldKind::from_code(code) else {
                return Err(SchemaError::UnknownKind { field: name, code });
            };
            let end = offset as usize + field_size as usize;
            if size != 0 && end > size as usize {
                return Err(SchemaError::FieldOutside {
                    field: name,
                    end,
                    size: size as usize,
                });
            }
            fields.push(FieldSchema {
                name,
                offset,
                size: field_size,
                kind,
                scale,
                dictionary,
            });
        }
        let schema = MessageSchema {
            message_type,
            name,
            version,
            size,
            fields,
        };
        Ok((schema, reader.at))
    }
}

fn encode_name(name: &str, out: &mut Vec<u8>) {
    let bytes = &name.as_bytes()[..name.len().min(SCHEMA_MAX_NAME_BYTES)];
    out.push(bytes.len() as u8);
    out.extend_from_slice(bytes);
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], SchemaError> {
        let taken = self
            .bytes
            .get(self.at..self.at + count)
            .ok_or(SchemaError::Truncated(self.bytes.len()))?;
        self.at += count;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, SchemaError> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, SchemaError> {
        let taken = self.take(2)?;
        Ok(u16::from_le_bytes([taken[0], taken[1]]))
    }

    fn name(&mut self, may_be_empty: bool) -> Result<String, SchemaError> {
        let start = self.at;
        let length = self.u8()? as usize;
        if length > SCHEMA_MAX_NAME_BYTES || (length == 0 && !may_be_empty) {
            return Err(SchemaError::BadName(start));
        }
        let taken = self.take(length)?;
        match std::str::from_utf8(taken) {
            Ok(name) => Ok(name.to_owned()),
            Err(_) => Err(SchemaError::BadName(start)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    crate::message! {
        /// A message of several kinds of field.
        struct Sample: type 9, name "test.sample", version 3 {
            price: i64, scale -4;
            symbol: u16, dictionary "symbol";
            text: [u8; 6];
        }
    }

    #[test]
    fn a_schema_survives_its_encoding() {
        let schema = MessageSchema::of::<Sample>();
        let mut bytes = Vec::new();
        schema.encode(&mut bytes);
        let length = bytes.len();
        bytes.extend_from_slice(b"more");
        assert_eq!(MessageSchema::decode(&bytes), Ok((schema, length)));
    }

    #[test]
    fn every_cut_is_noticed() {
        let mut bytes = Vec::new();
        MessageSchema::of::<Sample>().encode(&mut bytes);
        for cut in 0..bytes.len() {
            assert!(
                MessageSchema::decode(&bytes[..cut]).is_err(),
                "cut at {cut}"
            );
        }
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = MessageSchema::decode(&bytes);
        }
    }
}
