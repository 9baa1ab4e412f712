//! A second order book, written without a look at the first: ordered maps and vectors, slow and
//! plain.

use selvedge_market::book::{BookAnomalies, OrderBooks, PriceLevel};
use selvedge_market::messages::{MarketMessage, Side};
use std::collections::{BTreeMap, HashMap};

#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Where each live order is.
    places: HashMap<u64, (u16, u8, u32)>,
    /// By symbol, side and price: the orders (number, shares), oldest first.
    queues: BTreeMap<(u16, u8, u32), Vec<(u64, u32)>>,
    pub anomalies: BookAnomalies,
    pub most_live: usize,
}

impl Model {
    /// The symbol whose book changed.
    pub fn apply(&mut self, message: &MarketMessage) -> Option<u16> {
        match *message {
            MarketMessage::AddOrder(m) => {
                if m.size == 0 || !b"BS".contains(&m.side[0]) {
                    self.anomalies.malformed_orders += 1;
                    return None;
                }
                if self.places.contains_key(&m.reference) {
                    self.anomalies.duplicate_references += 1;
                    return None;
                }
                self.add(m.symbol, m.side[0], m.price, m.reference, m.size);
                Some(m.symbol)
            }
            MarketMessage::OrderExecuted(m) => self.take(m.reference, m.size),
            MarketMessage::OrderExecutedAtPrice(m) => self.take(m.reference, m.size),
            MarketMessage::OrderExecutedUnprinted(m) => self.take(m.reference, m.size),
            MarketMessage::OrderCancelled(m) => self.take(m.reference, m.size),
            MarketMessage::OrderDeleted(m) => {
                let Some((symbol, _, _)) = self.remove(m.reference) else {
                    self.anomalies.unknown_references += 1;
                    return None;
                };
                Some(symbol)
            }
            MarketMessage::OrderReplaced(m) => {
                let Some((symbol, side, _)) = self.remove(m.old_reference) else {
                    self.anomalies.unknown_references += 1;
                    return None;
                };
                if m.size == 0 {
                    self.anomalies.malformed_orders += 1;
                } else if self.places.contains_key(&m.new_reference) {
                    self.anomalies.duplicate_references += 1;
                } else {
                    self.add(symbol, side, m.price, m.new_reference, m.size);
                }
                Some(symbol)
            }
            _ => None,
        }
    }

    fn add(&mut self, symbol: u16, side: u8, price: u32, reference: u64, size: u32) {
        let place = (symbol, side, price);
        self.places.insert(reference, place);
        self.queues
            .entry(place)
            .or_default()
            .push((reference, size));
        self.most_live = self.most_live.max(self.places.len());
    }

    fn remove(&mut self, reference: u64) -> Option<(u16, u8, u32)> {
        let place = self.places.remove(&reference)?;
        let queue = self.queues.get_mut(&place).expect("a queue");
        queue.retain(|order| order.0 != reference);
        if queue.is_empty() {
            self.queues.remove(&place);
        }
        Some(place)
    }

    fn take(&mut self, reference: u64, size: u32) -> Option<u16> {
        let Some(place) = self.places.get(&reference) else {
            self.anomalies.unknown_references += 1;
            return None;
        };
        let queue = self.queues.get_mut(place).expect("a queue");
        let order = queue
            .iter_mut()
            .find(|order| order.0 == reference)
            .expect("an order");
        if size < order.1 {
            order.1 -= size;
            return Some(place.0);
        }
        if size > order.1 {
            self.anomalies.excess_sizes += 1;
        }
        self.remove(reference).map(|place| place.0)
    }

    pub fn live(&self) -> usize {
        self.places.len()
    }

    fn side(&self, symbol: u16, side: u8) -> impl DoubleEndedIterator<Item = PriceLevel> + '_ {
        self.queues
            .range((symbol, side, 0)..=(symbol, side, u32::MAX))
            .map(|((_, _, price), queue)| PriceLevel {
                price: *price,
                size: queue.iter().map(|order| u64::from(order.1)).sum(),
                orders: queue.len() as u32,
            })
    }

    pub fn best_bid(&self, symbol: u16) -> Option<PriceLevel> {
        self.side(symbol, b'B').next_back()
    }

    pub fn best_ask(&self, symbol: u16) -> Option<PriceLevel> {
        self.side(symbol, b'S').next()
    }

    /// Panics unless `books` holds exactly the same orders in the same order.
    pub fn assert_same(&self, books: &OrderBooks) {
        assert_eq!(books.live_orders(), self.live());
        let mut levels = 0;
        for symbol in books.symbols() {
            let bids: Vec<_> = self.side(symbol, b'B').rev().collect();
            let asks: Vec<_> = self.side(symbol, b'S').collect();
            levels += bids.len() + asks.len();
            for price in bids
                .iter()
                .chain(&asks)
                .map(|level| level.price)
                .chain([0, 15, u32::MAX])
            {
                let from = bids.iter().filter(|level| level.price <= price).copied();
                assert!(
                    books
                        .levels_from(symbol, Side::Buy, price)
                        .take(9)
                        .eq(from.take(9))
                );
                let from = asks.iter().filter(|level| level.price >= price).copied();
                assert!(
                    books
                        .levels_from(symbol, Side::Sell, price)
                        .take(9)
                        .eq(from.take(9))
                );
            }
            assert!(books.levels(symbol, Side::Buy).eq(bids));
            assert!(books.levels(symbol, Side::Sell).eq(asks));
            for side in [Side::Buy, Side::Sell] {
                for order in books.orders(symbol, side) {
                    assert_eq!(books.order(order.reference), Some(order));
                    assert_eq!((order.symbol, order.side), (symbol, side));
                }
                let ours: Vec<_> = books
                    .orders(symbol, side)
                    .map(|order| (order.price, order.reference, order.size))
                    .collect();
                let queues = self
                    .queues
                    .range((symbol, side as u8, 0)..=(symbol, side as u8, u32::MAX));
                let queues: Vec<_> = match side {
                    Side::Buy => queues.rev().collect(),
                    Side::Sell => queues.collect(),
                };
                let theirs: Vec<_> = queues
                    .into_iter()
                    .flat_map(|((_, _, price), queue)| {
                        queue.iter().map(|order| (*price, order.0, order.1))
                    })
                    .collect();
                assert_eq!(ours, theirs);
            }
        }
        assert_eq!(levels, self.queues.len(), "a symbol without a book");
    }
}
