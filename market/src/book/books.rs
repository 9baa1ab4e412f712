//! The order books of all symbols of a feed.

use super::levels::{Levels, PriceLevel};
use super::orders::{NONE, Order, Orders};
use super::reference_map::ReferenceMap;
use crate::MarketError;
use crate::messages::{MarketMessage, Side};

/// How much books may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BookLimits {
    /// Orders live at once, over all symbols, from 1 to 2^30. One more is an error.
    pub live_orders: usize,
    /// Price levels on one side of one symbol. One more is an error. It bounds the work of one
    /// message: a level is inserted by moving those better than it.
    pub levels_per_side: usize,
    /// Orders that memory is set aside for from the start (about 64 bytes each). Beyond it, memory
    /// grows by doubling, which delays the one message that causes it.
    pub initial_orders: usize,
}

impl Default for BookLimits {
    /// 8 million live orders, 65,536 levels a side, memory for 131,072 orders at first.
    fn default() -> Self {
        BookLimits {
            live_orders: 8_000_000,
            levels_per_side: 65_536,
            initial_orders: 131_072,
        }
    }
}

/// What a message did to the books.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BookEffect {
    /// It is not about orders, or was passed over (see [`BookAnomalies`]).
    Unchanged,
    /// It changed the displayed orders of the symbol with this locate code.
    Changed(u16),
    /// It is about an order that is not live. Counted and passed over.
    UnknownReference,
}

/// Messages that do not fit the books they are applied to: signs of a gap or of a damaged feed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct BookAnomalies {
    /// Executions, cancels, deletes and replaces of orders that are not live. Passed over.
    pub unknown_references: u64,
    /// New orders whose number is already live. Passed over.
    pub duplicate_references: u64,
    /// Executions and cancels of more shares than the order has. The order is removed.
    pub excess_sizes: u64,
    /// New orders without shares or without a side. Passed over.
    pub malformed_orders: u64,
}

/// One live order, as seen from outside.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LiveOrder {
    /// The order's number.
    pub reference: u64,
    /// The symbol's locate code.
    pub symbol: u16,
    /// Its side.
    pub side: Side,
    /// Price in 1/10,000 dollars.
    pub price: u32,
    /// Displayed shares.
    pub size: u32,
}

/// The book of one symbol, and what else the feed says of the symbol.
#[derive(Clone, Debug)]
pub(super) struct SymbolBook {
    locate: u16,
    name: [u8; 8],
    trading: bool,
    bids: Levels,
    asks: Levels,
}

impl SymbolBook {
    #[inline(always)]
    fn levels(&self, side: Side) -> &Levels {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    #[inline(always)]
    fn levels_mut(&mut self, side: Side) -> &mut Levels {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

const NO_BOOK: u32 = u32::MAX;
const MOST_LIVE_ORDERS: u64 = 1 << 30;

/// Full-depth, order-level books of all symbols of a feed, fed with [`MarketMessage`]s.
///
/// A symbol's book comes into being with the first message that names its locate code in a
/// directory entry, a trading action or an order. Symbols need no limit: there are at most 65,536
/// locate codes.
#[derive(Clone, Debug)]
pub struct OrderBooks {
    limits: BookLimits,
    index: ReferenceMap,
    orders: Orders,
    books: Vec<SymbolBook>,
    /// From locate code to place in `books`.
    by_locate: Box<[u32]>,
    market_open: bool,
    anomalies: BookAnomalies,
    most_live_orders: usize,
}

impl OrderBooks {
    /// Empty books.
    ///
    /// # Errors
    ///
    /// [`MarketError::Setting`] where a limit is outside its range.
    pub fn new(limits: BookLimits) -> Result<Self, MarketError> {
        for (setting, value, most) in [
            (
                "BookLimits::live_orders",
                limits.live_orders,
                MOST_LIVE_ORDERS,
            ),
            (
                "BookLimits::levels_per_side",
                limits.levels_per_side,
                MOST_LIVE_ORDERS,
            ),
        ] {
            let value = value as u64;
            if !(1..=most).contains(&value) {
                return Err(MarketError::Setting {
                    setting,
                    value,
                    least: 1,
                    most,
                });
            }
        }
        let initial = limits.initial_orders.min(limits.live_orders);
        Ok(OrderBooks {
            limits,
            index: ReferenceMap::with_capacity(initial),
            orders: Orders::with_capacity(initial),
            books: Vec::new(),
            by_locate: vec![NO_BOOK; 1 << 16].into_boxed_slice(),
            market_open: false,
            anomalies: BookAnomalies::default(),
            most_live_orders: 0,
        })
    }

    /// Applies one message of the stream. Messages that are not about displayed orders, trading
    /// states or market hours do nothing.
    ///
    /// # Errors
    ///
    /// [`MarketError::TooManyOrders`] and [`MarketError::TooManyLevels`] at the limits. The order
    /// is not in the books, so they no longer follow the market: stop.
    #[inline]
    pub fn apply(&mut self, message: &MarketMessage) -> Result<BookEffect, MarketError> {
        match message {
            MarketMessage::AddOrder(m) => self.add(m.symbol, m.reference, m.side, m.price, m.size),
            MarketMessage::OrderDeleted(m) => Ok(self.reduce(m.reference, u32::MAX, false)),
            MarketMessage::OrderExecuted(m) => Ok(self.reduce(m.reference, m.size, true)),
            MarketMessage::OrderCancelled(m) => Ok(self.reduce(m.reference, m.size, true)),
            MarketMessage::OrderReplaced(m) => {
                self.replace(m.old_reference, m.new_reference, m.price, m.size)
            }
            MarketMessage::OrderExecutedAtPrice(m) => Ok(self.reduce(m.reference, m.size, true)),
            MarketMessage::OrderExecutedUnprinted(m) => Ok(self.reduce(m.reference, m.size, true)),
            MarketMessage::SymbolDirectory(m) => {
                let book = self.book_at(m.symbol);
                self.books[book as usize].name = m.name;
                Ok(BookEffect::Unchanged)
            }
            MarketMessage::TradingAction(m) => {
                let book = self.book_at(m.symbol);
                self.books[book as usize].trading = m.state == *b"T";
                Ok(BookEffect::Unchanged)
            }
            MarketMessage::SystemEvent(m) => {
                match m.event[0] {
                    b'Q' => self.market_open = true,
                    b'O' | b'M' | b'E' | b'C' => self.market_open = false,
                    _ => {}
                }
                Ok(BookEffect::Unchanged)
            }
            _ => Ok(BookEffect::Unchanged),
        }
    }

    /// The place of the book of `locate`, made if there is none.
    #[inline]
    fn book_at(&mut self, locate: u16) -> u32 {
        let book = self.by_locate[usize::from(locate)];
        if book == NO_BOOK {
            self.make_book(locate)
        } else {
            book
        }
    }

    #[cold]
    fn make_book(&mut self, locate: u16) -> u32 {
        let book = self.books.len() as u32;
        self.books.push(SymbolBook {
            locate,
            name: [b' '; 8],
            trading: false,
            bids: Levels::new(Side::Buy),
            asks: Levels::new(Side::Sell),
        });
        self.by_locate[usize::from(locate)] = book;
        book
    }

    #[inline]
    fn add(
        &mut self,
        symbol: u16,
        reference: u64,
        side: [u8; 1],
        price: u32,
        size: u32,
    ) -> Result<BookEffect, MarketError> {
        let Some(side) = Side::from_letter(side).filter(|_| size > 0) else {
            self.anomalies.malformed_orders += 1;
            return Ok(BookEffect::Unchanged);
        };
        if self.index.get(reference).is_some() {
            self.anomalies.duplicate_references += 1;
            return Ok(BookEffect::Unchanged);
        }
        let book = self.book_at(symbol);
        self.insert(Order {
            reference,
            price,
            size,
            next: NONE,
            previous: NONE,
            book,
            side,
        })?;
        Ok(BookEffect::Changed(symbol))
    }

    /// Puts an order in whose number is not live.
    #[inline]
    fn insert(&mut self, order: Order) -> Result<(), MarketError> {
        let book = &mut self.books[order.book as usize];
        if self.index.len() >= self.limits.live_orders {
            return Err(MarketError::TooManyOrders {
                reference: order.reference,
                symbol: book.locate,
                limit: self.limits.live_orders,
            });
        }
        let levels = book.levels_mut(order.side);
        if levels.len() >= self.limits.levels_per_side && !levels.has_level(order.price) {
            return Err(MarketError::TooManyLevels {
                price: order.price,
                symbol: book.locate,
                limit: self.limits.levels_per_side,
            });
        }
        let place = self.orders.insert(order);
        levels.push(&mut self.orders, place);
        self.index.insert(order.reference, place);
        self.most_live_orders = self.most_live_orders.max(self.index.len());
        Ok(())
    }

    /// Takes `size` shares off an order, and the order out once it has none left. `counted`: more
    /// shares than the order has are an anomaly, not the way to say "all".
    #[inline]
    fn reduce(&mut self, reference: u64, size: u32, counted: bool) -> BookEffect {
        let Some(place) = self.index.get(reference) else {
            self.anomalies.unknown_references += 1;
            return BookEffect::UnknownReference;
        };
        let order = self.orders.get(place);
        let (left, side) = (order.size, order.side);
        let book = &mut self.books[order.book as usize];
        let symbol = book.locate;
        let levels = book.levels_mut(side);
        if size < left {
            levels.shrink(&mut self.orders, place, size);
        } else {
            if counted && size > left {
                self.anomalies.excess_sizes += 1;
            }
            levels.remove(&mut self.orders, place);
            self.orders.remove(place);
            self.index.remove(reference);
        }
        BookEffect::Changed(symbol)
    }

    #[inline]
    fn replace(
        &mut self,
        old_reference: u64,
        new_reference: u64,
        price: u32,
        size: u32,
    ) -> Result<BookEffect, MarketError> {
        let Some(place) = self.index.get(old_reference) else {
            self.anomalies.unknown_references += 1;
            return Ok(BookEffect::UnknownReference);
        };
        let Order { book, side, .. } = *self.orders.get(place);
        let effect = self.reduce(old_reference, u32::MAX, false);
        if size == 0 {
            self.anomalies.malformed_orders += 1;
        } else if self.index.get(new_reference).is_some() {
            self.anomalies.duplicate_references += 1;
        } else {
            self.insert(Order {
                reference: new_reference,
                price,
                size,
                next: NONE,
                previous: NONE,
                book,
                side,
            })?;
        }
        Ok(effect)
    }

    #[inline(always)]
    pub(super) fn book(&self, symbol: u16) -> Option<&SymbolBook> {
        self.books.get(self.by_locate[usize::from(symbol)] as usize)
    }

    /// The best bid of a symbol; `None` where there is none.
    #[inline]
    pub fn best_bid(&self, symbol: u16) -> Option<PriceLevel> {
        self.book(symbol)?.bids.best()
    }

    /// The best offer of a symbol; `None` where there is none.
    #[inline]
    pub fn best_ask(&self, symbol: u16) -> Option<PriceLevel> {
        self.book(symbol)?.asks.best()
    }

    /// The price levels of one side of a symbol, best first.
    #[inline]
    pub fn levels(&self, symbol: u16, side: Side) -> impl Iterator<Item = PriceLevel> + '_ {
        self.book(symbol)
            .into_iter()
            .flat_map(move |book| book.levels(side).iter())
    }

    /// The price levels of one side of a symbol at `price` (in 1/10,000 dollars) and worse, best
    /// first.
    #[inline]
    pub fn levels_from(
        &self,
        symbol: u16,
        side: Side,
        price: u32,
    ) -> impl Iterator<Item = PriceLevel> + '_ {
        self.book(symbol)
            .into_iter()
            .flat_map(move |book| book.levels(side).iter_from(price))
    }

    /// The orders of one side of a symbol in price-time priority: the best price first, and at a
    /// price the oldest first.
    #[inline]
    pub fn orders(&self, symbol: u16, side: Side) -> impl Iterator<Item = LiveOrder> + '_ {
        self.book(symbol)
            .into_iter()
            .flat_map(move |book| book.levels(side).queues())
            .flat_map(move |first| Queue {
                books: self,
                place: first,
            })
    }

    /// A live order.
    #[inline]
    pub fn order(&self, reference: u64) -> Option<LiveOrder> {
        let place = self.index.get(reference)?;
        Some(self.live_order(place))
    }

    #[inline]
    fn live_order(&self, place: u32) -> LiveOrder {
        let order = self.orders.get(place);
        LiveOrder {
            reference: order.reference,
            symbol: self.books[order.book as usize].locate,
            side: order.side,
            price: order.price,
            size: order.size,
        }
    }

    /// The symbols that have a book, in the order in which they appeared. A symbol's place in it
    /// never changes.
    pub fn symbols(&self) -> impl Iterator<Item = u16> + '_ {
        self.books.iter().map(|book| book.locate)
    }

    /// A symbol's place in [`symbols`](Self::symbols).
    #[inline]
    pub fn symbol_place(&self, symbol: u16) -> Option<usize> {
        let place = self.by_locate[usize::from(symbol)];
        (place != NO_BOOK).then_some(place as usize)
    }

    /// The symbol's name, padded with spaces, from the directory; all spaces where the directory
    /// has not named it.
    pub fn symbol_name(&self, symbol: u16) -> Option<&[u8; 8]> {
        self.book(symbol).map(|book| &book.name)
    }

    /// Whether the symbol's last trading action says "trading". Not so before the first.
    #[inline]
    pub fn is_trading(&self, symbol: u16) -> bool {
        self.book(symbol).is_some_and(|book| book.trading)
    }

    /// Whether market hours have begun and are not over.
    #[inline]
    pub fn is_market_open(&self) -> bool {
        self.market_open
    }

    /// Orders that are live.
    pub fn live_orders(&self) -> usize {
        self.index.len()
    }

    /// The most orders that were live at once.
    pub fn most_live_orders(&self) -> usize {
        self.most_live_orders
    }

    /// Messages that did not fit the books.
    pub fn anomalies(&self) -> &BookAnomalies {
        &self.anomalies
    }

    /// A BLAKE3 hash over every live order, the same for equal books however they came about.
    ///
    /// Hashed are, by ascending locate code, bids before offers, in price-time priority, for each
    /// order: locate code (2 bytes), side (1), price (4), size (4), order number (8); integers
    /// little-endian.
    pub fn book_hash(&self) -> blake3::Hash {
        let mut symbols: Vec<u16> = self.symbols().collect();
        symbols.sort_unstable();
        let mut hasher = blake3::Hasher::new();
        for symbol in symbols {
            for side in [Side::Buy, Side::Sell] {
                for order in self.orders(symbol, side) {
                    let mut bytes = [0; 19];
                    bytes[0..2].copy_from_slice(&symbol.to_le_bytes());
                    bytes[2] = side as u8;
                    bytes[3..7].copy_from_slice(&order.price.to_le_bytes());
                    bytes[7..11].copy_from_slice(&order.size.to_le_bytes());
                    bytes[11..19].copy_from_slice(&order.reference.to_le_bytes());
                    hasher.update(&bytes);
                }
            }
        }
        hasher.finalize()
    }
}

/// The orders of one level, oldest first.
struct Queue<'a> {
    books: &'a OrderBooks,
    place: u32,
}

impl Iterator for Queue<'_> {
    type Item = LiveOrder;

    #[inline]
    fn next(&mut self) -> Option<LiveOrder> {
        if self.place == NONE {
            return None;
        }
        let place = self.place;
        self.place = self.books.orders.get(place).next;
        Some(self.books.live_order(place))
    }
}
