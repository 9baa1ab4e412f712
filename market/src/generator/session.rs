//! The trading day that the generator makes up.

use super::arrivals::Arrivals;
use super::random::Random;
use crate::MarketError;
use crate::book::{BookLimits, LiveOrder, OrderBooks, PriceLevel};
use crate::itch::*;
use crate::messages::{MarketMessage, Side};
use std::collections::VecDeque;
use std::path::Path;
use zerocopy::{Immutable, IntoBytes};

/// What a [`Generator`] makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GeneratorConfig {
    /// Another seed is another day.
    pub seed: u64,
    /// Messages of the session, exactly: from 1,000 and 100 a symbol up to 10^12.
    pub messages: u64,
    /// Symbols, from 1 to 1,000. The first trades the most.
    pub symbols: u16,
    /// Live orders that each symbol's book tends to, from 50 to 100,000.
    pub orders_per_symbol: u32,
}

impl Default for GeneratorConfig {
    /// A million messages of 8 symbols with about 1,000 live orders each.
    fn default() -> Self {
        GeneratorConfig {
            seed: 1,
            messages: 1_000_000,
            symbols: 8,
            orders_per_symbol: 1_000,
        }
    }
}

impl GeneratorConfig {
    fn check(&self) -> Result<(), MarketError> {
        let symbols = u64::from(self.symbols);
        for (setting, value, least, most) in [
            ("GeneratorConfig::symbols", symbols, 1, 1_000),
            (
                "GeneratorConfig::messages",
                self.messages,
                1_000 + 100 * symbols,
                1_000_000_000_000,
            ),
            (
                "GeneratorConfig::orders_per_symbol",
                u64::from(self.orders_per_symbol),
                50,
                100_000,
            ),
        ] {
            if !(least..=most).contains(&value) {
                return Err(MarketError::Setting {
                    setting,
                    value,
                    least,
                    most,
                });
            }
        }
        Ok(())
    }
}

const SECOND: u64 = 1_000_000_000;
const START_OF_MESSAGES: u64 = 3 * 3_600 * SECOND;
const START_OF_SYSTEM: u64 = 4 * 3_600 * SECOND;
const PRE_OPEN: u64 = 7 * 3_600 * SECOND;
const OPENING: u64 = (9 * 3_600 + 30 * 60) * SECOND;
const CLOSING: u64 = 16 * 3_600 * SECOND;
const END_OF_SYSTEM: u64 = 20 * 3_600 * SECOND;
const END_OF_MESSAGES: u64 = END_OF_SYSTEM + 300 * SECOND;

/// One cent, the least price step.
const TICK: u32 = 100;
/// Orders that one incoming order executes at most.
const MOST_EXECUTIONS: usize = 6;
/// Orders that memory is set aside for from the start, at most.
const MOST_INITIAL_ORDERS: u64 = 1 << 20;
/// The longest message of the specification.
const LONGEST: usize = 50;
/// How often each special message is due in a session, about.
const SPECIAL_ROUNDS: u64 = 6;

#[derive(Clone, Copy, Debug)]
struct Encoded {
    bytes: [u8; LONGEST],
    length: u8,
}

#[derive(Clone, Debug)]
struct Symbol {
    name: [u8; 8],
    /// Where the fair price began, to keep it within half and double.
    first_fair: u32,
    fair: u32,
    /// Numbers of its orders; those that have gone are dropped when they are met.
    references: Vec<u64>,
    live: u64,
    halted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Start,
    PreOpen,
    Opening,
    Continuous,
    Closing,
    Over,
}

/// The rarer messages, which come in turn so that each is in every session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Special {
    Attributed,
    Pause,
    ExecutedWithPrice,
    Retail,
    Cancel,
    HiddenTrade,
    Replace,
    Resume,
    Broken,
    ShortSale,
    Execution,
    OperationalHalt,
    Participant,
    OperationalResume,
    CircuitBreaker,
    Imbalance,
}

const SPECIALS: [Special; 16] = [
    Special::Attributed,
    Special::Pause,
    Special::ExecutedWithPrice,
    Special::Retail,
    Special::Cancel,
    Special::HiddenTrade,
    Special::Replace,
    Special::Resume,
    Special::Broken,
    Special::ShortSale,
    Special::Execution,
    Special::OperationalHalt,
    Special::Participant,
    Special::OperationalResume,
    Special::CircuitBreaker,
    Special::Imbalance,
];

/// Makes up a session, message by message; the same interface as a file of one.
///
/// Memory is bounded by the live orders, whatever the session's length.
#[derive(Clone, Debug)]
pub struct Generator {
    config: GeneratorConfig,
    random: Random,
    books: OrderBooks,
    symbols: Vec<Symbol>,
    arrivals: Arrivals,
    /// Made, not yet asked for.
    queue: VecDeque<Encoded>,
    current: Encoded,
    phase: Phase,
    time_ns: u64,
    made: u64,
    next_reference: u64,
    next_match: u64,
    last_trade: Option<(u16, u64)>,
    pre_open_left: u64,
    special_every: u64,
    next_special: u64,
    specials_made: usize,
    circuit_breaker_made: bool,
    /// Symbols that are halted.
    halted: u64,
    last_symbol: usize,
    offset: u64,
    failure: Option<MarketError>,
}

impl Generator {
    /// A session with these settings, at its beginning.
    ///
    /// # Errors
    ///
    /// [`MarketError::Setting`] where a setting is outside its range.
    pub fn new(config: GeneratorConfig) -> Result<Self, MarketError> {
        config.check()?;
        let mut random = Random::new(config.seed);
        let symbols: Vec<Symbol> = (0..config.symbols)
            .map(|number| {
                // Between 20 and 820 dollars, whole cents.
                let fair = (2_000 + random.below(80_000) as u32) * TICK;
                Symbol {
                    name: symbol_name(number),
                    first_fair: fair,
                    fair,
                    references: Vec::new(),
                    live: 0,
                    halted: false,
                }
            })
            .collect();
        let live = u64::from(config.symbols) * u64::from(config.orders_per_symbol);
        let pre_open = (live / 2).min(config.messages / 10);
        let books = OrderBooks::new(BookLimits {
            live_orders: 1 << 30,
            initial_orders: (2 * live).min(MOST_INITIAL_ORDERS) as usize,
            ..BookLimits::default()
        })?;
        Ok(Generator {
            arrivals: Arrivals::new(PRE_OPEN, OPENING - 120 * SECOND, pre_open),
            config,
            random,
            books,
            symbols,
            queue: VecDeque::with_capacity(8 * usize::from(config.symbols) + 64),
            current: Encoded {
                bytes: [0; LONGEST],
                length: 0,
            },
            phase: Phase::Start,
            time_ns: START_OF_MESSAGES,
            made: 0,
            next_reference: 1,
            next_match: 1,
            last_trade: None,
            pre_open_left: pre_open,
            special_every: 0,
            next_special: 0,
            specials_made: 0,
            circuit_breaker_made: false,
            halted: 0,
            last_symbol: 0,
            offset: 0,
            failure: None,
        })
    }

    /// Writes what is left of the session to a BinaryFILE, gzipped where the name ends in `.gz`;
    /// how many messages it has.
    ///
    /// # Errors
    ///
    /// [`MarketError::Write`] where the system refuses.
    pub fn write_to(&mut self, path: impl AsRef<Path>) -> Result<u64, MarketError> {
        let mut writer = ItchWriter::create(path)?;
        let count = writer.write_all(self)?;
        writer.finish()?;
        Ok(count)
    }

    /// Messages that the closing of the session takes, with the end of every halt.
    fn closing_messages(&self) -> u64 {
        2 * u64::from(self.config.symbols) + 3 + self.halted
    }

    /// Messages that may still be made before the closing.
    fn budget(&self) -> u64 {
        self.config
            .messages
            .saturating_sub(self.made + self.closing_messages())
    }

    fn header(&mut self, code: u8, symbol: usize) -> ItchHeader {
        let tracking = (self.random.below(4) * 2) as u16;
        ItchHeader::new(code, symbol as u16 + 1, tracking, self.time_ns)
    }

    fn header_of_none(&self, code: u8) -> ItchHeader {
        ItchHeader::new(code, 0, 0, self.time_ns)
    }

    /// Queues one message and applies it to the books.
    fn emit<M: IntoBytes + Immutable>(&mut self, message: &M) -> Result<(), MarketError> {
        let bytes = message.as_bytes();
        let mut encoded = Encoded {
            bytes: [0; LONGEST],
            length: bytes.len() as u8,
        };
        encoded.bytes[..bytes.len()].copy_from_slice(bytes);
        if let Some(decoded) = ItchMessage::decode(bytes)? {
            self.books.apply(&MarketMessage::from(decoded))?;
        }
        self.queue.push_back(encoded);
        self.made += 1;
        Ok(())
    }

    /// Queues at least one message, unless the session is over.
    fn advance(&mut self) -> Result<(), MarketError> {
        match self.phase {
            Phase::Start => self.start(),
            Phase::PreOpen => self.pre_open(),
            Phase::Opening => self.open(),
            Phase::Continuous => self.trade(),
            Phase::Closing => self.close(),
            Phase::Over => Ok(()),
        }
    }

    fn system_event(&mut self, time_ns: u64, event: u8) -> Result<(), MarketError> {
        self.time_ns = time_ns;
        let header = self.header_of_none(SystemEvent::CODE);
        self.emit(&SystemEvent { header, event })
    }

    fn start(&mut self) -> Result<(), MarketError> {
        self.system_event(START_OF_MESSAGES, b'O')?;
        for symbol in 0..self.symbols.len() {
            self.time_ns += 1_000 + self.random.below(5_000);
            let stock = self.symbols[symbol].name;
            let header = self.header(StockDirectory::CODE, symbol);
            self.emit(&StockDirectory {
                header,
                stock,
                market_category: b'Q',
                financial_status: b'N',
                round_lot_size: U32::new(100),
                round_lots_only: b'N',
                issue_classification: b'C',
                issue_subtype: *b"Z ",
                authenticity: b'P',
                short_sale_threshold: b'N',
                ipo_flag: b'N',
                luld_tier: b'1',
                etp_flag: b'N',
                etp_leverage: U32::new(0),
                inverse: b'N',
            })?;
            self.trading_action(symbol, b'T', *b"    ")?;
            self.short_sale(symbol, b'0')?;
            self.participant(symbol, b'A')?;
        }
        let header = self.header_of_none(MwcbDeclineLevel::CODE);
        let index = 400_000_000_000; // 4,000 points
        self.emit(&MwcbDeclineLevel {
            header,
            level_1: U64::new(index / 100 * 93),
            level_2: U64::new(index / 100 * 87),
            level_3: U64::new(index / 100 * 80),
        })?;
        self.system_event(START_OF_SYSTEM, b'S')?;
        self.phase = Phase::PreOpen;
        Ok(())
    }

    fn pre_open(&mut self) -> Result<(), MarketError> {
        if self.pre_open_left == 0 {
            self.phase = Phase::Opening;
            return Ok(());
        }
        self.pre_open_left -= 1;
        self.time_ns = self.arrivals.next(&mut self.random);
        let symbol = self.random.below(self.symbols.len() as u64) as usize;
        self.add_passively(symbol, false)
    }

    fn open(&mut self) -> Result<(), MarketError> {
        self.time_ns = OPENING - 60 * SECOND;
        let last = self.symbols.len() - 1;
        let fair = self.symbols[last].fair;
        let stock = self.symbols[last].name;
        let header = self.header(IpoQuotingPeriod::CODE, last);
        self.emit(&IpoQuotingPeriod {
            header,
            stock,
            release_time: U32::new((OPENING / SECOND) as u32),
            release_qualifier: b'A',
            price: U32::new(fair),
        })?;
        let header = self.header(DirectListing::CODE, last);
        self.emit(&DirectListing {
            header,
            stock,
            open_eligibility: b'Y',
            minimum_price: U32::new(fair / 5 * 4),
            maximum_price: U32::new(fair / 5 * 9),
            near_price: U32::new(fair),
            near_time: U64::new(self.time_ns),
            lower_price: U32::new(fair / 10 * 9),
            upper_price: U32::new(fair / 10 * 11),
        })?;
        for symbol in 0..self.symbols.len() {
            self.time_ns += self.random.below(20_000);
            self.imbalance(symbol, b'O')?;
        }
        self.system_event(OPENING, b'Q')?;
        for symbol in 0..self.symbols.len() {
            self.time_ns += 1_000 + self.random.below(20_000);
            self.cross(symbol, b'O')?;
        }
        self.arrivals = Arrivals::new(self.time_ns, CLOSING, self.budget());
        self.special_every = (self.budget() / (SPECIALS.len() as u64 * SPECIAL_ROUNDS)).max(4);
        self.next_special = self.made + self.special_every;
        self.phase = Phase::Continuous;
        Ok(())
    }

    fn close(&mut self) -> Result<(), MarketError> {
        self.resume()?;
        for symbol in 0..self.symbols.len() {
            self.imbalance(symbol, b'C')?;
        }
        self.system_event(CLOSING, b'M')?;
        for symbol in 0..self.symbols.len() {
            self.time_ns += 1_000 + self.random.below(20_000);
            self.cross(symbol, b'C')?;
        }
        self.system_event(END_OF_SYSTEM, b'E')?;
        self.system_event(END_OF_MESSAGES, b'C')?;
        self.phase = Phase::Over;
        Ok(())
    }

    /// One event of continuous trading.
    fn trade(&mut self) -> Result<(), MarketError> {
        if self.budget() == 0 {
            self.phase = Phase::Closing;
            return Ok(());
        }
        let made = self.made;
        self.time_ns = self.arrivals.next(&mut self.random);
        let symbol = self.choose_symbol();
        if self.made >= self.next_special {
            self.next_special += self.special_every;
            let special = SPECIALS[self.specials_made % SPECIALS.len()];
            self.specials_made += 1;
            self.special(special, symbol)?;
        } else {
            self.walk(symbol);
            self.ordinary(symbol)?;
        }
        if self.made == made {
            // What was chosen was not possible: nothing to execute, nobody to resume.
            self.add_passively(symbol, false)?;
        }
        for _ in made + 1..self.made {
            self.arrivals.count_one();
        }
        Ok(())
    }

    /// The symbol of the last event more often than not; else the first ones more than the last.
    fn choose_symbol(&mut self) -> usize {
        if !self.random.one_in(3) {
            return self.last_symbol;
        }
        let count = self.symbols.len() as u64;
        let bound = 1 + self.random.below(count);
        self.last_symbol = self.random.below(bound) as usize;
        self.last_symbol
    }

    /// Moves the fair price, now and then.
    fn walk(&mut self, symbol: usize) {
        let step = match self.random.below(60) {
            0 => TICK as i32,
            1 => -(TICK as i32),
            _ => return,
        };
        let symbol = &mut self.symbols[symbol];
        symbol.fair = symbol
            .fair
            .saturating_add_signed(step)
            .clamp(symbol.first_fair / 2 / TICK * TICK, symbol.first_fair * 2);
    }

    fn ordinary(&mut self, symbol: usize) -> Result<(), MarketError> {
        let target = i64::from(self.config.orders_per_symbol);
        let live = self.symbols[symbol].live as i64;
        let adds = 450 + ((target - live) * 400 / target).clamp(-200, 400);
        let chance = self.random.below(adds as u64 + 550) as i64;
        match chance - adds {
            ..0 => self.add(symbol),
            0..380 => self.delete(symbol),
            380..470 => self.replace(symbol),
            470..500 => self.execute(symbol, false),
            500..530 => self.cancel(symbol),
            _ => self.hidden_trade(symbol),
        }
    }

    fn special(&mut self, special: Special, symbol: usize) -> Result<(), MarketError> {
        match special {
            Special::Attributed => self.add_passively(symbol, true),
            Special::ExecutedWithPrice => self.execute(symbol, true),
            Special::Execution => self.execute(symbol, false),
            Special::Cancel => self.cancel(symbol),
            Special::Replace => self.replace(symbol),
            Special::HiddenTrade => self.hidden_trade(symbol),
            Special::Broken => self.break_trade(),
            Special::Retail => {
                let interest = *self.pick(b"BSAN");
                let stock = self.symbols[symbol].name;
                let header = self.header(RetailInterest::CODE, symbol);
                self.emit(&RetailInterest {
                    header,
                    stock,
                    interest,
                })
            }
            Special::ShortSale => self.short_sale(symbol, b'1'),
            Special::Participant => {
                let state = *self.pick(b"AEW");
                self.participant(symbol, state)
            }
            Special::Imbalance => self.imbalance(symbol, b'H'),
            Special::OperationalHalt => self.operational_halt(b'H'),
            Special::OperationalResume => self.operational_halt(b'T'),
            Special::Pause => self.pause(symbol),
            Special::Resume => self.resume(),
            Special::CircuitBreaker => self.circuit_breaker(),
        }
    }

    fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.random.below(choices.len() as u64) as usize]
    }

    fn best(&self, symbol: usize, side: Side) -> Option<PriceLevel> {
        match side {
            Side::Buy => self.books.best_bid(symbol as u16 + 1),
            Side::Sell => self.books.best_ask(symbol as u16 + 1),
        }
    }

    fn random_side(&mut self) -> Side {
        if self.random.one_in(2) {
            Side::Buy
        } else {
            Side::Sell
        }
    }

    /// A price for a new order: near the fair price, thinning out away from it.
    fn price(&mut self, symbol: usize, side: Side) -> u32 {
        let mean = if self.random.one_in(20) { 60.0 } else { 6.0 };
        let ticks = 1 + (self.random.exponential(mean) as u32).min(300);
        let fair = self.symbols[symbol].fair;
        match side {
            Side::Buy => fair.saturating_sub(ticks * TICK).max(TICK),
            Side::Sell => fair.saturating_add(ticks * TICK),
        }
    }

    /// The price, or the nearest to it that does not lock or cross the book.
    fn passive_price(&self, symbol: usize, side: Side, price: u32) -> u32 {
        match (side, self.best(symbol, side.opposite())) {
            (Side::Buy, Some(ask)) if price >= ask.price => ask.price.saturating_sub(TICK),
            (Side::Sell, Some(bid)) if price <= bid.price => bid.price.saturating_add(TICK),
            _ => price,
        }
    }

    fn size(&mut self) -> u32 {
        match self.random.below(10) {
            0 | 1 => 1 + self.random.below(99) as u32,
            2..8 => 100,
            _ => 100 * (1 + self.random.below(10) as u32),
        }
    }

    fn new_reference(&mut self) -> u64 {
        self.next_reference += 1 + self.random.below(6);
        self.next_reference
    }

    fn new_match(&mut self, symbol: usize) -> u64 {
        self.next_match += 1 + self.random.below(3);
        self.last_trade = Some((symbol as u16, self.next_match));
        self.next_match
    }

    /// A new order. Where its price reaches the other side, it executes orders there or is priced
    /// so that it does not.
    fn add(&mut self, symbol: usize) -> Result<(), MarketError> {
        let side = self.random_side();
        let price = self.price(symbol, side);
        let reaches = self.passive_price(symbol, side, price) != price;
        if reaches && !self.symbols[symbol].halted && self.random.one_in(4) {
            return self.execute_from(symbol, side, false);
        }
        let attributed = self.random.one_in(40);
        self.add_at(symbol, side, price, attributed)
    }

    /// A new order that executes nothing.
    fn add_passively(&mut self, symbol: usize, attributed: bool) -> Result<(), MarketError> {
        let side = self.random_side();
        let price = self.price(symbol, side);
        self.add_at(symbol, side, price, attributed)
    }

    fn add_at(
        &mut self,
        symbol: usize,
        side: Side,
        price: u32,
        attributed: bool,
    ) -> Result<(), MarketError> {
        let price = U32::new(self.passive_price(symbol, side, price));
        let reference = self.new_reference();
        let shares = U32::new(self.size());
        let stock = self.symbols[symbol].name;
        self.symbols[symbol].references.push(reference);
        self.symbols[symbol].live += 1;
        let reference = U64::new(reference);
        let [side] = side.letter();
        if attributed {
            let attribution = **self.pick(&[b"GSCO", b"UBSS", b"NITE", b"CDRG"]);
            let header = self.header(AddOrderAttributed::CODE, symbol);
            self.emit(&AddOrderAttributed {
                header,
                reference,
                side,
                shares,
                stock,
                price,
                attribution,
            })
        } else {
            let header = self.header(AddOrder::CODE, symbol);
            self.emit(&AddOrder {
                header,
                reference,
                side,
                shares,
                stock,
                price,
            })
        }
    }

    /// Any live order of the symbol.
    fn any_order(&mut self, symbol: usize) -> Option<LiveOrder> {
        loop {
            let references = &self.symbols[symbol].references;
            let at = self.random.below(references.len() as u64) as usize;
            let order = self.books.order(*references.get(at)?);
            if order.is_some() {
                return order;
            }
            self.symbols[symbol].references.swap_remove(at);
        }
    }

    /// Counts an order as gone; now and then clears out the list of numbers.
    fn gone(&mut self, symbol: usize) {
        let Generator { symbols, books, .. } = self;
        let symbol = &mut symbols[symbol];
        symbol.live -= 1;
        if symbol.references.len() as u64 > 2 * symbol.live + 100 {
            symbol
                .references
                .retain(|&reference| books.order(reference).is_some());
        }
    }

    fn delete(&mut self, symbol: usize) -> Result<(), MarketError> {
        let Some(order) = self.any_order(symbol) else {
            return Ok(());
        };
        let header = self.header(OrderDelete::CODE, symbol);
        self.emit(&OrderDelete {
            header,
            reference: U64::new(order.reference),
        })?;
        self.gone(symbol);
        Ok(())
    }

    fn cancel(&mut self, symbol: usize) -> Result<(), MarketError> {
        let Some(order) = self.any_order(symbol).filter(|order| order.size > 1) else {
            return Ok(());
        };
        let shares = 1 + self.random.below(u64::from(order.size) - 1) as u32;
        let header = self.header(OrderCancel::CODE, symbol);
        self.emit(&OrderCancel {
            header,
            reference: U64::new(order.reference),
            shares: U32::new(shares),
        })
    }

    fn replace(&mut self, symbol: usize) -> Result<(), MarketError> {
        let Some(order) = self.any_order(symbol) else {
            return Ok(());
        };
        let price = self.price(symbol, order.side);
        let price = self.passive_price(symbol, order.side, price);
        let reference = self.new_reference();
        let shares = self.size();
        let header = self.header(OrderReplace::CODE, symbol);
        self.emit(&OrderReplace {
            header,
            old_reference: U64::new(order.reference),
            new_reference: U64::new(reference),
            shares: U32::new(shares),
            price: U32::new(price),
        })?;
        self.symbols[symbol].live += 1;
        self.symbols[symbol].references.push(reference);
        self.gone(symbol);
        Ok(())
    }

    /// An incoming order of either side takes what is best on the other.
    fn execute(&mut self, symbol: usize, with_price: bool) -> Result<(), MarketError> {
        let side = self.random_side();
        let first = self.made;
        self.execute_from(symbol, side, with_price)?;
        if self.made == first {
            self.execute_from(symbol, side.opposite(), with_price)?;
        }
        Ok(())
    }

    /// An incoming order on `side` executes orders of the other side in price-time priority.
    /// `with_price`: at another price than their own.
    fn execute_from(
        &mut self,
        symbol: usize,
        side: Side,
        with_price: bool,
    ) -> Result<(), MarketError> {
        if self.symbols[symbol].halted {
            return Ok(());
        }
        let mut left = self.size();
        for _ in 0..MOST_EXECUTIONS {
            let resting = self.books.orders(symbol as u16 + 1, side.opposite()).next();
            let Some(resting) = resting.filter(|_| left > 0 && self.budget() > 0) else {
                break;
            };
            let executed = left.min(resting.size);
            left -= executed;
            let reference = U64::new(resting.reference);
            let shares = U32::new(executed);
            let match_number = U64::new(self.new_match(symbol));
            if with_price || self.random.one_in(60) {
                let price = match resting.side {
                    Side::Buy => resting.price.saturating_add(TICK / 2),
                    Side::Sell => resting.price.saturating_sub(TICK / 2),
                };
                let printable = *self.pick(b"YYN");
                let header = self.header(OrderExecutedWithPrice::CODE, symbol);
                self.emit(&OrderExecutedWithPrice {
                    header,
                    reference,
                    shares,
                    match_number,
                    printable,
                    price: U32::new(price),
                })?;
            } else {
                let header = self.header(OrderExecuted::CODE, symbol);
                self.emit(&OrderExecuted {
                    header,
                    reference,
                    shares,
                    match_number,
                })?;
            }
            if executed == resting.size {
                self.gone(symbol);
            }
        }
        Ok(())
    }

    /// A trade with a hidden order, between the best prices.
    fn hidden_trade(&mut self, symbol: usize) -> Result<(), MarketError> {
        let (Some(bid), Some(ask)) = (self.best(symbol, Side::Buy), self.best(symbol, Side::Sell))
        else {
            return Ok(());
        };
        if self.symbols[symbol].halted {
            return Ok(());
        }
        let price = bid.price + self.random.below(u64::from(ask.price - bid.price) + 1) as u32;
        let shares = self.size();
        let match_number = self.new_match(symbol);
        let stock = self.symbols[symbol].name;
        let header = self.header(Trade::CODE, symbol);
        self.emit(&Trade {
            header,
            reference: U64::new(0),
            side: b'B',
            shares: U32::new(shares),
            stock,
            price: U32::new(price),
            match_number: U64::new(match_number),
        })
    }

    fn break_trade(&mut self) -> Result<(), MarketError> {
        let Some((symbol, match_number)) = self.last_trade.take() else {
            return Ok(());
        };
        let header = self.header(BrokenTrade::CODE, usize::from(symbol));
        self.emit(&BrokenTrade {
            header,
            match_number: U64::new(match_number),
        })
    }

    fn cross(&mut self, symbol: usize, cross_type: u8) -> Result<(), MarketError> {
        let shares = 100 * self.random.below(5_000);
        let match_number = self.new_match(symbol);
        let Symbol { name, fair, .. } = self.symbols[symbol];
        let header = self.header(CrossTrade::CODE, symbol);
        self.emit(&CrossTrade {
            header,
            shares: U64::new(shares),
            stock: name,
            price: U32::new(fair),
            match_number: U64::new(match_number),
            cross_type,
        })
    }

    fn imbalance(&mut self, symbol: usize, cross_type: u8) -> Result<(), MarketError> {
        let paired = 100 * self.random.below(10_000);
        let imbalance = 100 * self.random.below(1_000);
        let direction = match imbalance {
            0 => b'N',
            _ => self.random_side() as u8,
        };
        let Symbol { name, fair, .. } = self.symbols[symbol];
        let header = self.header(NetOrderImbalance::CODE, symbol);
        self.emit(&NetOrderImbalance {
            header,
            paired_shares: U64::new(paired),
            imbalance_shares: U64::new(imbalance),
            direction,
            stock: name,
            far_price: U32::new(fair - TICK),
            near_price: U32::new(fair + TICK),
            reference_price: U32::new(fair),
            cross_type,
            price_variation: b'L',
        })
    }

    fn trading_action(
        &mut self,
        symbol: usize,
        state: u8,
        reason: [u8; 4],
    ) -> Result<(), MarketError> {
        let halted = state != b'T';
        self.halted -= u64::from(self.symbols[symbol].halted);
        self.halted += u64::from(halted);
        self.symbols[symbol].halted = halted;
        let stock = self.symbols[symbol].name;
        let header = self.header(StockTradingAction::CODE, symbol);
        self.emit(&StockTradingAction {
            header,
            stock,
            state,
            reserved: b' ',
            reason,
        })
    }

    fn short_sale(&mut self, symbol: usize, action: u8) -> Result<(), MarketError> {
        let stock = self.symbols[symbol].name;
        let header = self.header(RegSho::CODE, symbol);
        self.emit(&RegSho {
            header,
            stock,
            action,
        })
    }

    fn participant(&mut self, symbol: usize, state: u8) -> Result<(), MarketError> {
        let stock = self.symbols[symbol].name;
        let header = self.header(ParticipantPosition::CODE, symbol);
        self.emit(&ParticipantPosition {
            header,
            participant: *b"NITE",
            stock,
            primary_market_maker: b'Y',
            market_maker_mode: b'N',
            state,
        })
    }

    /// A volatility pause with its auction collar. Orders still come and go; none is executed.
    fn pause(&mut self, symbol: usize) -> Result<(), MarketError> {
        // Two now, and one that ends it.
        if self.budget() < 3 {
            return Ok(());
        }
        self.trading_action(symbol, b'P', *b"LUDP")?;
        let Symbol { name, fair, .. } = self.symbols[symbol];
        let header = self.header(LuldAuctionCollar::CODE, symbol);
        self.emit(&LuldAuctionCollar {
            header,
            stock: name,
            reference_price: U32::new(fair),
            upper_price: U32::new(fair / 20 * 21),
            lower_price: U32::new(fair / 20 * 19),
            extension: U32::new(0),
        })
    }

    /// Every paused symbol trades again.
    fn resume(&mut self) -> Result<(), MarketError> {
        for symbol in 0..self.symbols.len() {
            if self.symbols[symbol].halted {
                self.trading_action(symbol, b'T', *b"    ")?;
            }
        }
        Ok(())
    }

    /// Another market of the group stops or resumes the first symbol; this one goes on.
    fn operational_halt(&mut self, action: u8) -> Result<(), MarketError> {
        let stock = self.symbols[0].name;
        let header = self.header(OperationalHalt::CODE, 0);
        self.emit(&OperationalHalt {
            header,
            stock,
            market: b'B',
            action,
        })
    }

    /// Once a day the index falls to level 1: everything stops, and resumes after a while.
    fn circuit_breaker(&mut self) -> Result<(), MarketError> {
        let needed = 2 * self.symbols.len() as u64 + 1;
        if self.circuit_breaker_made || self.budget() < needed {
            return Ok(());
        }
        self.circuit_breaker_made = true;
        let header = self.header_of_none(MwcbStatus::CODE);
        self.emit(&MwcbStatus {
            header,
            breached_level: b'1',
        })?;
        for symbol in 0..self.symbols.len() {
            self.trading_action(symbol, b'H', *b"MWC1")?;
        }
        let time_left = CLOSING.saturating_sub(self.arrivals.now_ns());
        self.time_ns = self.arrivals.pause((15 * 60 * SECOND).min(time_left / 4));
        for symbol in 0..self.symbols.len() {
            self.trading_action(symbol, b'T', *b"MWCQ")?;
        }
        Ok(())
    }
}

/// `AAAA`, `AAAB` and so on, padded with spaces.
fn symbol_name(number: u16) -> [u8; 8] {
    let mut name = *b"AAAA    ";
    let mut rest = number;
    for letter in name[..4].iter_mut().rev() {
        *letter = b'A' + (rest % 26) as u8;
        rest /= 26;
    }
    name
}

impl ItchSource for Generator {
    fn next_message(&mut self) -> Result<Option<&[u8]>, MarketError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        while self.queue.is_empty() && self.phase != Phase::Over {
            if let Err(error) = self.advance() {
                self.failure = Some(error.clone());
                return Err(error);
            }
        }
        let Some(encoded) = self.queue.pop_front() else {
            return Ok(None);
        };
        self.current = encoded;
        let bytes = &self.current.bytes[..usize::from(encoded.length)];
        self.offset += 2 + bytes.len() as u64;
        Ok(Some(bytes))
    }

    fn offset(&self) -> u64 {
        self.offset
    }
}
