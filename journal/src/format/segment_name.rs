//! Names of segment files.

use std::fmt;

/// What a segment file's name says: `0000000001-000000000000001.segment`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SegmentName {
    /// The segment's number, ten digits.
    pub number: u64,
    /// The sequence of its first frame, fifteen digits.
    pub first_sequence: u64,
}

/// A file of this name is a segment in the making; a writer removes one it finds.
pub(crate) const TEMPORARY_NAME: &str = "next.segment.tmp";

const INDEX_SUFFIX: &str = ".index";

impl SegmentName {
    /// What `name` says; `None` for any other file.
    pub fn parse(name: &str) -> Option<Self> {
        Self::parse_front(name.strip_suffix(".segment")?)
    }

    /// The segment that an index file of this name is about; `None` for any other file.
    pub(crate) fn parse_index(name: &str) -> Option<Self> {
        Self::parse_front(name.strip_suffix(INDEX_SUFFIX)?)
    }

    /// The file for its index, where it has none itself.
    pub(crate) fn index_file(&self) -> String {
        format!(
            "{:010}-{:015}{INDEX_SUFFIX}",
            self.number, self.first_sequence
        )
    }

    fn parse_front(front: &str) -> Option<Self> {
        let (number, first) = front.split_once('-')?;
        let digits = |text: &str, count: usize| {
            (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| text.parse().ok())
                .flatten()
        };
        Some(SegmentName {
            number: digits(number, 10)?,
            first_sequence: digits(first, 15)?,
        })
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{:010}-{:015}.segment",
            self.number, self.first_sequence
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_and_others_are_not_names() {
        let name = SegmentName {
            number: 12,
            first_sequence: (1 << 48) - 1,
        };
        assert_eq!(name.to_string(), "0000000012-281474976710655.segment");
        assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
        assert_eq!(name.index_file(), "0000000012-281474976710655.index");
        assert_eq!(SegmentName::parse_index(&name.index_file()), Some(name));
        assert_eq!(SegmentName::parse(&name.index_file()), None);
        for other in [
            "next.segment.tmp",
            "12-1.segment",
            "0000000012-28147497671065x.segment",
            "+000000012-281474976710655.segment",
            "0000000012-281474976710655.segment.old",
        ] {
            assert_eq!(SegmentName::parse(other), None, "{other}");
        }
    }
}
