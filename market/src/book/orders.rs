//! The live orders of all books, in one array.

use crate::messages::Side;

/// "No order": the end of a queue.
pub(super) const NONE: u32 = u32::MAX;

/// One live order, with its neighbours in the queue of its price level. 32 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) reference: u64,
    pub(super) price: u32,
    pub(super) size: u32,
    /// The order behind in the queue. In a free place: the next free place.
    pub(super) next: u32,
    /// The order in front.
    pub(super) previous: u32,
    /// Place of the symbol's book among the books.
    pub(super) book: u32,
    pub(super) side: Side,
}

/// An array of orders whose free places are kept in a chain.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    places: Vec<Order>,
    first_free: u32,
}

impl Orders {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Orders {
            places: Vec::with_capacity(capacity),
            first_free: NONE,
        }
    }

    #[inline(always)]
    pub(super) fn get(&self, place: u32) -> &Order {
        &self.places[place as usize]
    }

    #[inline(always)]
    pub(super) fn get_mut(&mut self, place: u32) -> &mut Order {
        &mut self.places[place as usize]
    }

    /// Puts an order in; its place. Allocates only where every place so far is taken.
    #[inline]
    pub(super) fn insert(&mut self, order: Order) -> u32 {
        if self.first_free == NONE {
            self.places.push(order);
            (self.places.len() - 1) as u32
        } else {
            let place = self.first_free;
            self.first_free = self.get(place).next;
            *self.get_mut(place) = order;
            place
        }
    }

    /// Frees a place.
    #[inline]
    pub(super) fn remove(&mut self, place: u32) {
        self.get_mut(place).next = self.first_free;
        self.first_free = place;
    }
}
