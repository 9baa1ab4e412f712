//! What a condition has become once the field's kind is known: tests that need no parsing, no
//! scaling and, for numbers, no memory.

use crate::decode::{FieldValue, without_padding};
use crate::header_field::HeaderField;
use crate::names::Names;
use crate::number::Place;
use crate::operator::Comparison;
use crate::truth::Truth;
use crate::utc::NANOS_PER_DAY;
use selvedge_fabric::frame::FrameHeader;
use selvedge_fabric::message::FieldSchema;

/// A test of one frame.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Check {
    /// Of an integer: the field's raw one, or one of the header.
    Integer(IntegerSource, IntegerCheck),
    /// Of a floating point field. The values are widened, which is exact.
    Float(FieldSchema, FloatCheck),
    /// Of the bytes of a text or byte field.
    Octets(FieldSchema, OctetsCheck),
    /// Of the name that a field's number stands for.
    Named(FieldSchema, OctetsCheck),
    /// Of the name of the source.
    Source(OctetsCheck),
}

/// Where an integer comes from.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum IntegerSource {
    /// From the frame's header.
    Header(HeaderField),
    /// Nanoseconds of the time stamp since midnight.
    TimeOfDay,
    /// From the message.
    Field(FieldSchema),
}

/// A test of an integer.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum IntegerCheck {
    /// Whether it lies from `low` to `high` (`inside`), or not.
    Range {
        /// The least.
        low: i128,
        /// The greatest; below `low` where no integer lies inside.
        high: i128,
        /// Whether it is to lie inside.
        inside: bool,
    },
    /// Whether it is one of these, which are sorted.
    OneOf(Box<[i128]>),
}

impl IntegerCheck {
    /// The test that a comparison with a number at this place is.
    pub(crate) fn compare(comparison: Comparison, place: Place) -> Self {
        let Place { floor, exact } = place;
        let up = floor.saturating_add(1);
        let (low, high) = match comparison {
            // Between two integers there is none.
            Comparison::Equal | Comparison::NotEqual if !exact => (1, 0),
            Comparison::Equal | Comparison::NotEqual => (floor, floor),
            Comparison::Less if exact => (i128::MIN, floor.saturating_sub(1)),
            Comparison::Less | Comparison::LessOrEqual => (i128::MIN, floor),
            Comparison::GreaterOrEqual if exact => (floor, i128::MAX),
            Comparison::Greater | Comparison::GreaterOrEqual => (up, i128::MAX),
        };
        IntegerCheck::Range {
            low,
            high,
            inside: comparison != Comparison::NotEqual,
        }
    }

    /// The test for one of the places.
    pub(crate) fn one_of(places: impl Iterator<Item = Place>) -> Self {
        let exact = places.filter(|place| place.exact);
        let mut values: Vec<i128> = exact.map(|place| place.floor).collect();
        values.sort_unstable();
        values.dedup();
        IntegerCheck::OneOf(values.into())
    }

    /// Whether it holds for this integer.
    #[inline]
    pub(crate) fn holds(&self, integer: i128) -> bool {
        match self {
            IntegerCheck::Range { low, high, inside } => {
                (*low <= integer && integer <= *high) == *inside
            }
            IntegerCheck::OneOf(values) => values.binary_search(&integer).is_ok(),
        }
    }
}

/// A test of a floating point number.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum FloatCheck {
    /// One comparison, as IEEE 754 has it.
    Compare(Comparison, f64),
    /// Whether it is one of these.
    OneOf(Box<[f64]>),
}

impl FloatCheck {
    #[inline]
    fn holds(&self, value: f64) -> bool {
        match self {
            FloatCheck::Compare(comparison, other) => comparison.holds(value.partial_cmp(other)),
            FloatCheck::OneOf(values) => values.contains(&value),
        }
    }
}

/// A test of bytes.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum OctetsCheck {
    /// One comparison, byte by byte.
    Compare(Comparison, Box<[u8]>),
    /// Whether they are one of these, which are sorted.
    OneOf(Box<[Box<[u8]>]>),
}

impl OctetsCheck {
    /// The test for one of `values`.
    pub(crate) fn one_of(mut values: Vec<Box<[u8]>>) -> Self {
        values.sort_unstable();
        values.dedup();
        OctetsCheck::OneOf(values.into())
    }

    /// Whether it holds for these bytes.
    #[inline]
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        match self {
            OctetsCheck::Compare(comparison, other) => comparison.holds(Some(bytes.cmp(other))),
            OctetsCheck::OneOf(values) => values
                .binary_search_by(|value| value.as_ref().cmp(bytes))
                .is_ok(),
        }
    }
}

impl Check {
    /// What the test says of a frame.
    #[inline]
    pub(crate) fn evaluate(
        &self,
        header: &FrameHeader,
        payload: &[u8],
        names: &dyn Names,
    ) -> Truth {
        let answer = match self {
            Check::Integer(source, check) => {
                let integer = match source {
                    IntegerSource::Header(field) => Some(field.of(header).into()),
                    IntegerSource::TimeOfDay => Some((header.timestamp() % NANOS_PER_DAY).into()),
                    IntegerSource::Field(field) => {
                        FieldValue::decode(field, payload).and_then(|value| value.integer())
                    }
                };
                integer.map(|integer| check.holds(integer))
            }
            Check::Float(field, check) => match FieldValue::decode(field, payload) {
                Some(FieldValue::Float32(value)) => Some(check.holds(value.into())),
                Some(FieldValue::Float64(value)) => Some(check.holds(value)),
                _ => None,
            },
            Check::Octets(field, check) => match FieldValue::decode(field, payload) {
                Some(FieldValue::Text(bytes) | FieldValue::Bytes(bytes)) => {
                    Some(check.holds(bytes))
                }
                _ => None,
            },
            Check::Named(field, check) => FieldValue::decode(field, payload)
                .and_then(|value| value.name(field, names))
                .map(|name| check.holds(without_padding(name.as_bytes()))),
            Check::Source(check) => names
                .source(header.source())
                .map(|name| check.holds(without_padding(name.as_bytes()))),
        };
        answer.map_or(Truth::Unknown, Truth::from)
    }
}
