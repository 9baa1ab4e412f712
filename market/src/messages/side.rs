//! The side of an order.

/// Buy or sell.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Side {
    /// `B`.
    Buy = b'B',
    /// `S`.
    Sell = b'S',
}

impl Side {
    /// The side that this letter stands for.
    #[inline]
    pub const fn from_letter(letter: [u8; 1]) -> Option<Self> {
        match letter[0] {
            b'B' => Some(Side::Buy),
            b'S' => Some(Side::Sell),
            _ => None,
        }
    }

    /// Its letter.
    #[inline]
    pub const fn letter(self) -> [u8; 1] {
        [self as u8]
    }

    /// The other side.
    #[inline]
    pub const fn opposite(self) -> Self {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }
}
