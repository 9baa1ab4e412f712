//! An input: a few choices, then changes to make to bytes that are right.

/// Numbers at which mistakes are made.
const EDGES: [u64; 12] = [
    0,
    1,
    7,
    63,
    0x7F,
    0xFF,
    0xFFFF,
    0x7FFF_FFFF,
    0xFFFF_FFFF,
    1 << 48,
    i64::MAX as u64,
    u64::MAX,
];

/// Bytes of a change.
const CHANGE: usize = 6;

/// Reads choices and changes from the bytes of an input; at its end everything is zero.
pub struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    /// Reads `input`.
    pub fn new(input: &'a [u8]) -> Self {
        Script { rest: input }
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        match self.rest.split_first() {
            Some((first, rest)) => {
                self.rest = rest;
                *first
            }
            None => 0,
        }
    }

    /// A number below `limit`, which is not zero.
    pub fn below(&mut self, limit: usize) -> usize {
        let number = usize::from(self.byte()) << 16
            | usize::from(self.byte()) << 8
            | usize::from(self.byte());
        number % limit
    }

    /// Makes the changes that are left to `bytes`: anywhere, or near one of the `anchors`, where a
    /// structure begins.
    pub fn change(&mut self, bytes: &mut Vec<u8>, anchors: &[usize]) {
        while self.rest.len() >= CHANGE && !bytes.is_empty() {
            let operation = self.byte();
            let place = self.below(1 << 24);
            let value = u16::from_le_bytes([self.byte(), self.byte()]);
            let at = match anchors.get(usize::from(operation >> 4) % anchors.len().max(1)) {
                Some(anchor) if operation & 8 != 0 => anchor + place % 256,
                _ => place,
            } % bytes.len();
            let edge = EDGES[usize::from(value) % EDGES.len()].to_le_bytes();
            let mut put = |from: &[u8], at: usize| {
                for (to, from) in bytes[at..].iter_mut().zip(from) {
                    *to = *from;
                }
            };
            match operation & 7 {
                0 => put(&[value as u8], at),
                1 => bytes[at] ^= 1 << (value % 8),
                2 => put(&value.to_le_bytes(), at & !1),
                3 => put(&edge[..4], at & !3),
                4 => put(&edge, at & !7),
                5 => put(&[0; 64], at),
                6 => {
                    let from = usize::from(value) * 64 % bytes.len();
                    let copied = bytes[from..(from + 512).min(bytes.len())].to_vec();
                    for (to, from) in bytes[at..].iter_mut().zip(copied) {
                        *to = from;
                    }
                }
                // Rarely: what is cut off is not looked at any more.
                _ if value.is_multiple_of(8) => bytes.truncate(at),
                _ => bytes.extend_from_slice(&edge),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_stay_inside_and_happen() {
        for operation in 0..=255 {
            let input = [operation, 0xFF, 0xFE, 0xFD, 0x11, 0x01];
            let before: Vec<u8> = (0..777_u32).map(|at| (at * at / 7 + 3) as u8).collect();
            let mut bytes = before.clone();
            Script::new(&input).change(&mut bytes, &[0, 100, 776]);
            assert_ne!(bytes, before, "{operation}");
        }
        let mut none = Vec::new();
        Script::new(&[1; 60]).change(&mut none, &[]);
        assert!(none.is_empty());
    }
}
