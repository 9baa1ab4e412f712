//! The ITCH codec against a table from the specification, against random bytes, and against the
//! public decoder `itchy`.

mod common;

use itchy::Body;
use proptest::prelude::*;
use selvedge_market::MarketError;
use selvedge_market::itch::*;
use selvedge_market::messages::MarketMessage;
use std::collections::BTreeSet;
use std::fmt::Debug;

/// Name, offset, length.
type FieldRow = (&'static str, usize, usize);

/// Type, length, and the fields after the common header, from section 4 of the ITCH 5.0
/// specification.
#[rustfmt::skip]
const SPECIFICATION: &[(u8, usize, &[FieldRow])] = &[
    (b'S', 12, &[("event", 11, 1)]),
    (b'R', 39, &[
        ("stock", 11, 8), ("market_category", 19, 1), ("financial_status", 20, 1),
        ("round_lot_size", 21, 4), ("round_lots_only", 25, 1), ("issue_classification", 26, 1),
        ("issue_subtype", 27, 2), ("authenticity", 29, 1), ("short_sale_threshold", 30, 1),
        ("ipo_flag", 31, 1), ("luld_tier", 32, 1), ("etp_flag", 33, 1), ("etp_leverage", 34, 4),
        ("inverse", 38, 1),
    ]),
    (b'H', 25, &[("stock", 11, 8), ("state", 19, 1), ("reserved", 20, 1), ("reason", 21, 4)]),
    (b'Y', 20, &[("stock", 11, 8), ("action", 19, 1)]),
    (b'L', 26, &[
        ("participant", 11, 4), ("stock", 15, 8), ("primary_market_maker", 23, 1),
        ("market_maker_mode", 24, 1), ("state", 25, 1),
    ]),
    (b'V', 35, &[("level_1", 11, 8), ("level_2", 19, 8), ("level_3", 27, 8)]),
    (b'W', 12, &[("breached_level", 11, 1)]),
    (b'K', 28, &[
        ("stock", 11, 8), ("release_time", 19, 4), ("release_qualifier", 23, 1), ("price", 24, 4),
    ]),
    (b'J', 35, &[
        ("stock", 11, 8), ("reference_price", 19, 4), ("upper_price", 23, 4),
        ("lower_price", 27, 4), ("extension", 31, 4),
    ]),
    (b'h', 21, &[("stock", 11, 8), ("market", 19, 1), ("action", 20, 1)]),
    (b'A', 36, &[
        ("reference", 11, 8), ("side", 19, 1), ("shares", 20, 4), ("stock", 24, 8), ("price", 32, 4),
    ]),
    (b'F', 40, &[
        ("reference", 11, 8), ("side", 19, 1), ("shares", 20, 4), ("stock", 24, 8), ("price", 32, 4),
        ("attribution", 36, 4),
    ]),
    (b'E', 31, &[("reference", 11, 8), ("shares", 19, 4), ("match_number", 23, 8)]),
    (b'C', 36, &[
        ("reference", 11, 8), ("shares", 19, 4), ("match_number", 23, 8), ("printable", 31, 1),
        ("price", 32, 4),
    ]),
    (b'X', 23, &[("reference", 11, 8), ("shares", 19, 4)]),
    (b'D', 19, &[("reference", 11, 8)]),
    (b'U', 35, &[
        ("old_reference", 11, 8), ("new_reference", 19, 8), ("shares", 27, 4), ("price", 31, 4),
    ]),
    (b'P', 44, &[
        ("reference", 11, 8), ("side", 19, 1), ("shares", 20, 4), ("stock", 24, 8),
        ("price", 32, 4), ("match_number", 36, 8),
    ]),
    (b'Q', 40, &[
        ("shares", 11, 8), ("stock", 19, 8), ("price", 27, 4), ("match_number", 31, 8),
        ("cross_type", 39, 1),
    ]),
    (b'B', 19, &[("match_number", 11, 8)]),
    (b'I', 50, &[
        ("paired_shares", 11, 8), ("imbalance_shares", 19, 8), ("direction", 27, 1),
        ("stock", 28, 8), ("far_price", 36, 4), ("near_price", 40, 4), ("reference_price", 44, 4),
        ("cross_type", 48, 1), ("price_variation", 49, 1),
    ]),
    (b'N', 20, &[("stock", 11, 8), ("interest", 19, 1)]),
    (b'O', 48, &[
        ("stock", 11, 8), ("open_eligibility", 19, 1), ("minimum_price", 20, 4),
        ("maximum_price", 24, 4), ("near_price", 28, 4), ("near_time", 32, 8),
        ("lower_price", 40, 4), ("upper_price", 44, 4),
    ]),
];

/// A field's value, as an integer if it is one, else as its bytes in big-endian order: the same
/// number either way.
trait Value {
    fn value(&self) -> u128;
}

macro_rules! integer_values {
    ($($type:ty),*) => { $(impl Value for $type {
        fn value(&self) -> u128 { u128::from(self.get()) }
    })* };
}
integer_values!(U32, U64);

impl Value for u8 {
    fn value(&self) -> u128 {
        u128::from(*self)
    }
}

impl<const N: usize> Value for [u8; N] {
    fn value(&self) -> u128 {
        self.iter()
            .fold(0, |sum, byte| sum << 8 | u128::from(*byte))
    }
}

/// The fields of a decoded message as (name, value), the constructor again from its fields.
macro_rules! taken_apart {
    ($message:expr; $($name:ident { $($field:ident),* })*) => {
        match $message {
            $(ItchMessage::$name(message) => {
                let $name { header: _, $($field),* } = message;
                vec![$((stringify!($field), $field.value())),*]
            })*
        }
    };
}

fn fields(message: &ItchMessage<'_>) -> Vec<(&'static str, u128)> {
    taken_apart!(message;
        SystemEvent { event }
        StockDirectory {
            stock, market_category, financial_status, round_lot_size, round_lots_only,
            issue_classification, issue_subtype, authenticity, short_sale_threshold, ipo_flag,
            luld_tier, etp_flag, etp_leverage, inverse
        }
        StockTradingAction { stock, state, reserved, reason }
        RegSho { stock, action }
        ParticipantPosition { participant, stock, primary_market_maker, market_maker_mode, state }
        MwcbDeclineLevel { level_1, level_2, level_3 }
        MwcbStatus { breached_level }
        IpoQuotingPeriod { stock, release_time, release_qualifier, price }
        LuldAuctionCollar { stock, reference_price, upper_price, lower_price, extension }
        OperationalHalt { stock, market, action }
        AddOrder { reference, side, shares, stock, price }
        AddOrderAttributed { reference, side, shares, stock, price, attribution }
        OrderExecuted { reference, shares, match_number }
        OrderExecutedWithPrice { reference, shares, match_number, printable, price }
        OrderCancel { reference, shares }
        OrderDelete { reference }
        OrderReplace { old_reference, new_reference, shares, price }
        Trade { reference, side, shares, stock, price, match_number }
        CrossTrade { shares, stock, price, match_number, cross_type }
        BrokenTrade { match_number }
        NetOrderImbalance {
            paired_shares, imbalance_shares, direction, stock, far_price, near_price,
            reference_price, cross_type, price_variation
        }
        RetailInterest { stock, interest }
        DirectListing {
            stock, open_eligibility, minimum_price, maximum_price, near_price, near_time,
            lower_price, upper_price
        }
    )
}

#[test]
fn the_table_is_whole() {
    assert!(
        SPECIFICATION
            .iter()
            .map(|row| row.0)
            .eq(ITCH_TYPES.iter().copied())
    );
    for (code, length, fields) in SPECIFICATION {
        let mut at = 11;
        for (name, offset, size) in *fields {
            assert_eq!(*offset, at, "{} {name}", char::from(*code));
            at += size;
        }
        assert_eq!(at, *length, "{}", char::from(*code));
    }
}

fn big_endian(bytes: &[u8]) -> u128 {
    bytes
        .iter()
        .fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

proptest! {
    /// Every field of every type is where the specification has it, and the bytes come back whole.
    #[test]
    fn every_type_round_trips(row in 0..SPECIFICATION.len(), random in any::<[u8; 64]>()) {
        let (code, length, expected) = SPECIFICATION[row];
        let mut bytes = random[..length].to_vec();
        bytes[0] = code;
        let message = ItchMessage::decode(&bytes).unwrap().unwrap();
        prop_assert_eq!(message.header().code, code);
        prop_assert_eq!(u128::from(message.header().locate.get()), big_endian(&bytes[1..3]));
        prop_assert_eq!(u128::from(message.header().tracking.get()), big_endian(&bytes[3..5]));
        prop_assert_eq!(u128::from(message.header().timestamp.get()), big_endian(&bytes[5..11]));
        let header = ItchHeader::new(
            code,
            message.header().locate.get(),
            message.header().tracking.get(),
            message.header().timestamp.get(),
        );
        prop_assert_eq!(message.header(), &header);
        let found = fields(&message);
        prop_assert_eq!(found.len(), expected.len());
        for ((name, value), (expected_name, offset, size)) in found.iter().zip(expected) {
            prop_assert_eq!(name, expected_name);
            prop_assert_eq!(*value, big_endian(&bytes[*offset..offset + size]), "{}", name);
        }
        prop_assert_eq!(message.as_bytes(), &bytes[..]);

        // Any other length is an error that names both.
        for wrong in (1..64).filter(|wrong| *wrong != length) {
            let mut bytes = random[..wrong].to_vec();
            bytes[0] = code;
            prop_assert_eq!(
                ItchMessage::decode(&bytes),
                Err(MarketError::MessageLength { code, expected: length, found: wrong })
            );
        }
    }

    /// A normalised message survives the way through a ring, and keeps time and symbol.
    #[test]
    fn every_type_is_normalised(row in 0..SPECIFICATION.len(), random in any::<[u8; 64]>()) {
        let (code, length, table) = SPECIFICATION[row];
        let mut bytes = random[..length].to_vec();
        bytes[0] = code;
        let message = MarketMessage::from(ItchMessage::decode(&bytes).unwrap().unwrap());
        let back = MarketMessage::decode(message.message_type(), message.as_bytes());
        prop_assert_eq!(back, Ok(Some(message)));
        prop_assert!(!message.is_routing());
        prop_assert_eq!(message.time_ns().map(u128::from), Some(big_endian(&bytes[5..11])));
        let about_a_symbol = !b"SVW".contains(&code);
        let locate = about_a_symbol.then(|| big_endian(&bytes[1..3]));
        prop_assert_eq!(message.symbol().map(u128::from), locate);
        // Each field but those left out on purpose is in the payload, as little-endian integer or
        // as text.
        let payload = message.as_bytes();
        for (name, offset, size) in table {
            let left_out = (*name == "stock" && code != b'R')
                || (*name == "reference" && code == b'P')
                || *name == "printable";
            let field = &bytes[*offset..offset + size];
            let reversed: Vec<u8> = field.iter().rev().copied().collect();
            prop_assert!(
                left_out
                    || payload.windows(*size).any(|window| window == field)
                    || payload.windows(*size).any(|window| window == reversed),
                "{} of {}", name, char::from(code)
            );
        }
        // A payload of another size is an error.
        prop_assert!(MarketMessage::decode(message.message_type(), &payload[1..]).is_err());
    }

    #[test]
    fn rubbish_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(Some(message)) = ItchMessage::decode(&bytes) {
            let _ = MarketMessage::from(message);
        }
        for message_type in 0x00FF..=0x0206 {
            let _ = MarketMessage::decode(message_type, &bytes);
        }
    }
}

#[test]
fn printable_and_unprinted_executions_differ() {
    for (letter, name) in [
        (b'Y', "market.order_executed_at_price"),
        (b'N', "market.order_executed_unprinted"),
    ] {
        let mut bytes = [0; 36];
        bytes[0] = b'C';
        bytes[31] = letter;
        let message = ItchMessage::decode(&bytes).unwrap().unwrap();
        assert_eq!(MarketMessage::from(message).name(), name);
    }
}

#[test]
fn what_is_not_itch_is_none() {
    assert!(ItchMessage::decode(&[]).is_err());
    for code in (0..=255).filter(|code| !ITCH_TYPES.contains(code)) {
        assert_eq!(ItchMessage::decode(&[code; 12]), Ok(None));
        assert_eq!(itch_length(code), None);
    }
    assert_eq!(MarketMessage::decode(0xF001, &[0; 8]), Ok(None));
}

/// Panics unless `ours` says what `theirs` says.
fn assert_agrees(ours: &ItchMessage<'_>, theirs: &itchy::Message) {
    let header = ours.header();
    assert_eq!(header.code, theirs.tag);
    assert_eq!(header.locate.get(), theirs.stock_locate);
    assert_eq!(header.tracking.get(), theirs.tracking_number);
    assert_eq!(header.timestamp.get(), theirs.timestamp);
    fn same<T: PartialEq + Debug>(ours: T, theirs: T) {
        assert_eq!(ours, theirs);
    }
    let yes = |letter: u8| letter == b'Y';
    let maybe = |letter: u8| (letter != b' ').then_some(letter == b'Y');
    match (ours, &theirs.body) {
        (ItchMessage::AddOrder(m), Body::AddOrder(t)) => same(
            (
                m.reference.get(),
                m.side == b'B',
                m.shares.get(),
                &m.stock[..],
                m.price.get(),
                None,
            ),
            (
                t.reference,
                t.side == itchy::Side::Buy,
                t.shares,
                t.stock.as_bytes(),
                t.price.raw(),
                t.mpid,
            ),
        ),
        (ItchMessage::AddOrderAttributed(m), Body::AddOrder(t)) => same(
            (
                m.reference.get(),
                m.side == b'B',
                m.shares.get(),
                &m.stock[..],
                m.price.get(),
                &m.attribution[..],
            ),
            (
                t.reference,
                t.side == itchy::Side::Buy,
                t.shares,
                t.stock.as_bytes(),
                t.price.raw(),
                t.mpid.as_ref().unwrap().as_bytes(),
            ),
        ),
        (
            ItchMessage::OrderExecuted(m),
            Body::OrderExecuted {
                reference,
                executed,
                match_number,
            },
        ) => {
            same(
                (m.reference.get(), m.shares.get(), m.match_number.get()),
                (*reference, *executed, *match_number),
            );
        }
        (
            ItchMessage::OrderExecutedWithPrice(m),
            Body::OrderExecutedWithPrice {
                reference,
                executed,
                match_number,
                printable,
                price,
            },
        ) => same(
            (
                m.reference.get(),
                m.shares.get(),
                m.match_number.get(),
                yes(m.printable),
                m.price.get(),
            ),
            (
                *reference,
                *executed,
                *match_number,
                *printable,
                price.raw(),
            ),
        ),
        (
            ItchMessage::OrderCancel(m),
            Body::OrderCancelled {
                reference,
                cancelled,
            },
        ) => {
            same(
                (m.reference.get(), m.shares.get()),
                (*reference, *cancelled),
            );
        }
        (ItchMessage::OrderDelete(m), Body::DeleteOrder { reference }) => {
            same(m.reference.get(), *reference);
        }
        (ItchMessage::OrderReplace(m), Body::ReplaceOrder(t)) => same(
            (
                m.old_reference.get(),
                m.new_reference.get(),
                m.shares.get(),
                m.price.get(),
            ),
            (t.old_reference, t.new_reference, t.shares, t.price.raw()),
        ),
        (ItchMessage::Trade(m), Body::NonCrossTrade(t)) => same(
            (
                m.reference.get(),
                m.side == b'B',
                m.shares.get(),
                &m.stock[..],
                m.price.get(),
                m.match_number.get(),
            ),
            (
                t.reference,
                t.side == itchy::Side::Buy,
                t.shares,
                t.stock.as_bytes(),
                t.price.raw(),
                t.match_number,
            ),
        ),
        (ItchMessage::CrossTrade(m), Body::CrossTrade(t)) => same(
            (
                m.shares.get(),
                &m.stock[..],
                m.price.get(),
                m.match_number.get(),
            ),
            (
                t.shares,
                t.stock.as_bytes(),
                t.cross_price.raw(),
                t.match_number,
            ),
        ),
        (ItchMessage::BrokenTrade(m), Body::BrokenTrade { match_number }) => {
            same(m.match_number.get(), *match_number);
        }
        (ItchMessage::NetOrderImbalance(m), Body::Imbalance(t)) => same(
            (
                m.paired_shares.get(),
                m.imbalance_shares.get(),
                &m.stock[..],
                m.far_price.get(),
                m.near_price.get(),
                m.reference_price.get(),
                m.price_variation,
            ),
            (
                t.paired_shares,
                t.imbalance_shares,
                t.stock.as_bytes(),
                t.far_price.raw(),
                t.near_price.raw(),
                t.current_ref_price.raw(),
                t.price_variation_indicator as u8,
            ),
        ),
        (ItchMessage::SystemEvent(m), Body::SystemEvent { event }) => {
            use itchy::EventCode::*;
            let letter = match event {
                StartOfMessages => b'O',
                StartOfSystemHours => b'S',
                StartOfMarketHours => b'Q',
                EndOfMarketHours => b'M',
                EndOfSystemHours => b'E',
                EndOfMessages => b'C',
            };
            same(m.event, letter);
        }
        (ItchMessage::StockDirectory(m), Body::StockDirectory(t)) => same(
            (
                &m.stock[..],
                m.round_lot_size.get(),
                yes(m.round_lots_only),
                m.authenticity == b'P',
                maybe(m.short_sale_threshold),
                maybe(m.ipo_flag),
                maybe(m.etp_flag),
                m.etp_leverage.get(),
                yes(m.inverse),
            ),
            (
                t.stock.as_bytes(),
                t.round_lot_size,
                t.round_lots_only,
                t.authenticity,
                t.short_sale_threshold,
                t.ipo_flag,
                t.etp_flag,
                t.etp_leverage_factor,
                t.inverse_indicator,
            ),
        ),
        (
            ItchMessage::StockTradingAction(m),
            Body::TradingAction {
                stock,
                trading_state,
                reason,
            },
        ) => {
            use itchy::TradingState::*;
            let letter = match trading_state {
                Halted => b'H',
                Paused => b'P',
                QuotationOnly => b'Q',
                Trading => b'T',
            };
            same(
                (&m.stock[..], m.state, &m.reason[..]),
                (stock.as_bytes(), letter, reason.as_bytes()),
            );
        }
        (ItchMessage::RegSho(m), Body::RegShoRestriction { stock, action }) => {
            use itchy::RegShoAction::*;
            let letter = match action {
                None => b'0',
                Intraday => b'1',
                Extant => b'2',
            };
            same((&m.stock[..], m.action), (stock.as_bytes(), letter));
        }
        (ItchMessage::ParticipantPosition(m), Body::ParticipantPosition(t)) => same(
            (
                &m.participant[..],
                &m.stock[..],
                yes(m.primary_market_maker),
            ),
            (
                t.mpid.as_bytes(),
                t.stock.as_bytes(),
                t.primary_market_maker,
            ),
        ),
        (
            ItchMessage::MwcbDeclineLevel(m),
            Body::MwcbDeclineLevel {
                level1,
                level2,
                level3,
            },
        ) => {
            same(
                (m.level_1.get(), m.level_2.get(), m.level_3.get()),
                (level1.raw(), level2.raw(), level3.raw()),
            );
        }
        (ItchMessage::MwcbStatus(m), Body::Breach(level)) => {
            use itchy::LevelBreached::*;
            let letter = match level {
                L1 => b'1',
                L2 => b'2',
                L3 => b'3',
            };
            same(m.breached_level, letter);
        }
        (ItchMessage::IpoQuotingPeriod(m), Body::IpoQuotingPeriod(t)) => same(
            (&m.stock[..], m.release_time.get(), m.price.get()),
            (t.stock.as_bytes(), t.release_time, t.price.raw()),
        ),
        (
            ItchMessage::LuldAuctionCollar(m),
            Body::LULDAuctionCollar {
                stock,
                ref_price,
                upper_price,
                lower_price,
                extension,
            },
        ) => same(
            (
                &m.stock[..],
                m.reference_price.get(),
                m.upper_price.get(),
                m.lower_price.get(),
                m.extension.get(),
            ),
            (
                stock.as_bytes(),
                ref_price.raw(),
                upper_price.raw(),
                lower_price.raw(),
                *extension,
            ),
        ),
        (ItchMessage::RetailInterest(m), Body::RetailPriceImprovementIndicator(t)) => {
            same(&m.stock[..], t.stock.as_bytes());
        }
        (ours, theirs) => panic!("{ours:?} is not {theirs:?}"),
    }
}

/// Compares message by message; the types met.
fn compare(
    source: &mut impl ItchSource,
    mut theirs: impl Iterator<Item = Result<itchy::Message, itchy::Error>>,
) -> (u64, BTreeSet<u8>) {
    let mut types = BTreeSet::new();
    let mut count = 0;
    common::for_each(source, |bytes| {
        let ours = ItchMessage::decode(bytes).unwrap().unwrap();
        let their = theirs.next().expect("as many messages").unwrap();
        assert_agrees(&ours, &their);
        types.insert(bytes[0]);
        count += 1;
    });
    assert!(theirs.next().is_none());
    (count, types)
}

#[test]
fn the_sample_day_is_decoded_as_by_itchy() {
    let Some(path) = common::sample_day() else {
        return;
    };
    let theirs = itchy::MessageStream::from_gzip(&path).unwrap();
    let (count, types) = compare(&mut ItchFile::open(&path).unwrap(), theirs);
    assert_eq!(count, 446_171);
    assert_eq!(types, BTreeSet::from(*b"SRHADEPX"));
}

/// Leaves out the two types that `itchy` does not know.
struct Without(selvedge_market::generator::Generator);

impl ItchSource for Without {
    fn next_message(&mut self) -> Result<Option<&[u8]>, MarketError> {
        let mut held = [0; 50];
        let length = loop {
            match self.0.next_message()? {
                Some(bytes) if !b"hO".contains(&bytes[0]) => {
                    held[..bytes.len()].copy_from_slice(bytes);
                    break bytes.len();
                }
                Some(_) => {}
                None => return Ok(None),
            }
        };
        // The generator's bytes cannot be returned out of a loop: hand out a copy.
        Ok(Some(Vec::leak(held[..length].to_vec())))
    }

    fn offset(&self) -> u64 {
        self.0.offset()
    }
}

#[test]
fn a_generated_session_is_decoded_as_by_itchy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("session.itch");
    let mut writer = ItchWriter::create(&path).unwrap();
    writer
        .write_all(&mut Without(common::generated(5, 20_000, 4)))
        .unwrap();
    writer.finish().unwrap();
    // `itchy` takes the end marker for a message: it is cut off for it.
    let bytes = std::fs::read(&path).unwrap();
    let theirs = itchy::MessageStream::from_reader(&bytes[..bytes.len() - 2]);
    let (_, types) = compare(&mut ItchFile::open(&path).unwrap(), theirs);
    let all: BTreeSet<u8> = ITCH_TYPES.iter().copied().collect();
    assert_eq!(&all - &types, BTreeSet::from(*b"hO"));
}
