//! The messages that are sent, and how a reader proves that it has read them.

use selvedge_fabric::frame::MessageType;
use selvedge_fabric::message::MessageSchema;

selvedge_fabric::message! {
    /// A message that fills a slot of 64 bytes together with its header.
    pub struct Line: type 1, name "measure.line", version 1 {
        /// Which message: counted from 1; [`Line::STOP`] ends the measurement.
        pub number: u64;
        /// When it should have been sent, in ticks, where that matters.
        pub planned: u64;
        /// The number's complement.
        pub complement: u64;
        /// Four times the number.
        pub multiple: u64;
    }
}

/// The type of messages that are bytes.
pub const BYTES_TYPE: MessageType = 2;

impl Line {
    /// The number of the last message.
    pub const STOP: u64 = u64::MAX;

    /// Message `number`.
    #[inline(always)]
    pub fn new(number: u64, planned: u64) -> Self {
        Line {
            number,
            planned,
            complement: !number,
            multiple: number.wrapping_mul(4),
        }
    }

    /// The sum of all words but `planned` of messages 1 to `count`.
    pub fn sum_of(count: u64) -> u64 {
        // Number and complement always add up to -1.
        let numbers = (u128::from(count) * u128::from(count.wrapping_add(1)) / 2) as u64;
        numbers.wrapping_mul(4).wrapping_sub(count)
    }
}

/// The schema of messages that are bytes.
pub fn bytes_schema() -> MessageSchema {
    MessageSchema {
        message_type: BYTES_TYPE,
        name: "measure.bytes".to_owned(),
        version: 1,
        size: 0,
        fields: Vec::new(),
    }
}

/// The sum of the words that `bytes` consists of; what is left over at the end is not added.
#[inline(always)]
pub fn sum_words(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().fold(0u64, |sum, word| {
        sum.wrapping_add(u64::from_le_bytes(*word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_many_lines_is_known_beforehand() {
        let mut sum = 0u64;
        for number in 1..=1000 {
            let line = Line::new(number, 7);
            sum = sum
                .wrapping_add(line.number)
                .wrapping_add(line.complement)
                .wrapping_add(line.multiple);
            assert_eq!(sum, Line::sum_of(number), "{number}");
        }
    }

    #[test]
    fn bytes_are_added_word_by_word() {
        assert_eq!(
            sum_words(&[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 9]),
            3
        );
    }
}
