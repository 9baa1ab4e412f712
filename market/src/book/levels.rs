//! One side of one symbol's book: its price levels.

use super::orders::{NONE, Order, Orders};
use crate::messages::Side;

/// A price level: what is at one price.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PriceLevel {
    /// Price in 1/10,000 dollars.
    pub price: u32,
    /// Shares of all orders at this price.
    pub size: u64,
    /// How many orders these are.
    pub orders: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    /// Greater is better: the price for buying, its complement for selling.
    rank: u32,
    count: u32,
    size: u64,
    first: u32,
    last: u32,
}

/// The levels of one side, the best one last: almost everything happens there, and a vector is
/// changed cheaply at its end.
#[derive(Clone, Debug)]
pub(super) struct Levels {
    side: Side,
    levels: Vec<Level>,
}

/// How many levels from the best are looked at one by one before searching by halves.
const NEAR_LEVELS: usize = 8;
/// Levels a side has room for at first.
const FIRST_LEVELS: usize = 256;

impl Levels {
    pub(super) fn new(side: Side) -> Self {
        Levels {
            side,
            levels: Vec::with_capacity(FIRST_LEVELS),
        }
    }

    #[inline(always)]
    fn rank(&self, price: u32) -> u32 {
        match self.side {
            Side::Buy => price,
            Side::Sell => !price,
        }
    }

    #[inline(always)]
    fn price(&self, rank: u32) -> u32 {
        match self.side {
            Side::Buy => rank,
            Side::Sell => !rank,
        }
    }

    /// Where the level of `rank` is, or else where it would go.
    #[inline]
    fn find(&self, rank: u32) -> Result<usize, usize> {
        let mut at = self.levels.len();
        let near = at.saturating_sub(NEAR_LEVELS);
        while at > near {
            let here = self.levels[at - 1].rank;
            if here == rank {
                return Ok(at - 1);
            }
            if here < rank {
                return Err(at);
            }
            at -= 1;
        }
        self.levels[..near].binary_search_by_key(&rank, |level| level.rank)
    }

    pub(super) fn len(&self) -> usize {
        self.levels.len()
    }

    pub(super) fn has_level(&self, price: u32) -> bool {
        self.find(self.rank(price)).is_ok()
    }

    /// Puts the order at `place` at the end of its level's queue.
    #[inline]
    pub(super) fn push(&mut self, orders: &mut Orders, place: u32) {
        let Order { price, size, .. } = *orders.get(place);
        let rank = self.rank(price);
        match self.find(rank) {
            Ok(at) => {
                let level = &mut self.levels[at];
                let last = level.last;
                level.last = place;
                level.count += 1;
                level.size += u64::from(size);
                orders.get_mut(last).next = place;
                orders.get_mut(place).previous = last;
            }
            Err(at) => self.levels.insert(
                at,
                Level {
                    rank,
                    count: 1,
                    size: u64::from(size),
                    first: place,
                    last: place,
                },
            ),
        }
    }

    /// Takes `size` shares off the order at `place`, which has more than that.
    #[inline]
    pub(super) fn shrink(&mut self, orders: &mut Orders, place: u32, size: u32) {
        let order = orders.get_mut(place);
        order.size -= size;
        let rank = self.rank(order.price);
        if let Ok(at) = self.find(rank) {
            self.levels[at].size -= u64::from(size);
        }
    }

    /// Takes the order at `place` out of its level's queue.
    #[inline]
    pub(super) fn remove(&mut self, orders: &mut Orders, place: u32) {
        let Order {
            price,
            size,
            next,
            previous,
            ..
        } = *orders.get(place);
        let Ok(at) = self.find(self.rank(price)) else {
            return;
        };
        let level = &mut self.levels[at];
        if level.count == 1 {
            self.levels.remove(at);
            return;
        }
        level.count -= 1;
        level.size -= u64::from(size);
        if previous == NONE {
            level.first = next;
        } else {
            orders.get_mut(previous).next = next;
        }
        if next == NONE {
            level.last = previous;
        } else {
            orders.get_mut(next).previous = previous;
        }
    }

    #[inline]
    pub(super) fn best(&self) -> Option<PriceLevel> {
        self.levels.last().map(|level| self.price_level(level))
    }

    #[inline(always)]
    fn price_level(&self, level: &Level) -> PriceLevel {
        PriceLevel {
            price: self.price(level.rank),
            size: level.size,
            orders: level.count,
        }
    }

    /// The levels, best first.
    pub(super) fn iter(&self) -> impl Iterator<Item = PriceLevel> + '_ {
        self.levels
            .iter()
            .rev()
            .map(|level| self.price_level(level))
    }

    /// The levels at `price` and worse, best first.
    #[inline]
    pub(super) fn iter_from(&self, price: u32) -> impl Iterator<Item = PriceLevel> + '_ {
        let end = match self.find(self.rank(price)) {
            Ok(at) => at + 1,
            Err(at) => at,
        };
        self.levels[..end]
            .iter()
            .rev()
            .map(|level| self.price_level(level))
    }

    /// The first order of each level's queue, best level first.
    pub(super) fn queues(&self) -> impl Iterator<Item = u32> + '_ {
        self.levels.iter().rev().map(|level| level.first)
    }
}
