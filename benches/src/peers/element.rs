//! What the peers carry: 64 bytes on a cache line of its own.

use iceoryx2::prelude::ZeroCopySend;

/// One cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ZeroCopySend)]
#[repr(C)]
#[repr(align(64))]
pub struct Element {
    /// Its words, all made from the element's number.
    pub words: [u64; 8],
}

impl Element {
    /// The number of the last element.
    pub const STOP: u64 = u64::MAX;

    /// Element `number`.
    #[inline(always)]
    pub fn new(number: u64) -> Self {
        let complement = !number;
        Element {
            words: [
                number,
                complement,
                number.wrapping_mul(4),
                number,
                complement,
                number,
                complement,
                number,
            ],
        }
    }

    /// Which element it is.
    #[inline(always)]
    pub fn number(&self) -> u64 {
        self.words[0]
    }

    /// The sum of its words.
    #[inline(always)]
    pub fn sum(&self) -> u64 {
        self.words
            .iter()
            .fold(0u64, |sum, word| sum.wrapping_add(*word))
    }

    /// The sum of all words of elements 1 to `count`.
    pub fn sum_of(count: u64) -> u64 {
        // Number and complement add up to -1, three times; what is left is five times the number.
        let numbers = (u128::from(count) * u128::from(count.wrapping_add(1)) / 2) as u64;
        numbers.wrapping_mul(5).wrapping_sub(count.wrapping_mul(3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_many_elements_is_known_beforehand() {
        let mut sum = 0u64;
        for number in 1..=1000 {
            sum = sum.wrapping_add(Element::new(number).sum());
            assert_eq!(sum, Element::sum_of(number), "{number}");
        }
    }
}
