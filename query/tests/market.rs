//! Queries over real market data messages.

mod common;

use common::{TestNames, header, matches, schemas};
use selvedge_fabric::frame::system::SourceJoined;
use selvedge_fabric::frame::{Flags, FrameHeader};
use selvedge_fabric::message::{Message, MessageSchema};
use selvedge_market::messages::{AddOrder, OrderDeleted, Trade};
use selvedge_query::{NoNames, Query};
use zerocopy::IntoBytes;

fn order() -> AddOrder {
    AddOrder {
        time_ns: 34_200_000_000_000,
        reference: 77,
        price: 5_850_000,
        size: 300,
        attribution: *b"GS  ",
        symbol: 13,
        side: *b"B",
        reserved: [0],
    }
}

fn deleted() -> OrderDeleted {
    OrderDeleted {
        time_ns: 1,
        reference: 77,
        symbol: 14,
        reserved: [0; 6],
    }
}

#[test]
fn prices_compare_exactly() {
    for text in [
        "price >= 585.00",
        "price <= 585",
        "price == 585.0000",
        "price in (1, 585)",
        "price > 584.9999",
        "price > 584.99999",
        "price < 585.00001",
        "price != 585.00001",
        "585.0001 > price",
        "price < 99999999999999999999999999999999999999",
        "price > -99999999999999999999999999999999999999",
    ] {
        assert!(matches(text, order()), "{text}");
        assert!(!matches(&format!("!({text})"), order()), "!({text})");
    }
    for text in [
        "price > 585.00",
        "price < 585",
        "price == 585.00001",
        "price == 584.99999",
        "price in (584.99999, 585.00001)",
        "price >= 585.00001",
        "price <= 584.99999",
    ] {
        assert!(!matches(text, order()), "{text}");
        assert!(matches(&format!("!({text})"), order()), "!({text})");
    }
}

#[test]
fn text_is_compared_without_its_padding() {
    assert!(matches(r#"attribution == "GS""#, order()));
    assert!(matches(r#"attribution == "GS  ""#, order()));
    assert!(!matches(r#"attribution == " GS""#, order()));
    assert!(matches(
        r#"attribution > "GR" && attribution < "GT""#,
        order()
    ));
    assert!(matches(r#"side in ("S", "B")"#, order()));
    assert!(!matches(r#"side in ("S", "X")"#, order()));
}

#[test]
fn symbols_are_compared_by_name_or_number() {
    assert!(matches(r#"symbol == "AAPL""#, order()));
    assert!(matches("symbol == 13", order()));
    assert!(matches(r#"symbol in ("MSFT", 13)"#, order()));
    assert!(matches(r#"symbol in ("AAPL", 99)"#, order()));
    assert!(!matches(r#"symbol in ("MSFT", 14)"#, order()));
    assert!(matches(r#"symbol != "MSFT""#, order()));
}

#[test]
fn a_name_not_known_is_neither_equal_nor_unequal() {
    let nameless = AddOrder {
        symbol: 99,
        ..order()
    };
    assert!(!matches(r#"symbol == "AAPL""#, nameless));
    assert!(!matches(r#"symbol != "AAPL""#, nameless));
    assert!(!matches(r#"!(symbol == "AAPL")"#, nameless));
    assert!(matches(r#"symbol == "AAPL" || symbol == 99"#, nameless));
}

#[test]
fn a_type_without_the_field_does_not_match() {
    for text in [
        "price > 1",
        "price != 1",
        "!(price > 1)",
        "!!(price > 1)",
        "price > 1 && reference == 77",
        "!(price > 1 || reference == 78)",
        "price > 1 || reference == 78",
    ] {
        assert!(!matches(text, deleted()), "{text}");
    }
    for text in [
        "price > 1 || reference == 77",
        "!(price > 1 && reference == 78)",
        "reference == 77",
    ] {
        assert!(matches(text, deleted()), "{text}");
    }
}

#[test]
fn every_message_has_the_fields_of_the_header() {
    for text in [
        "sequence == 1000",
        "sequence in (1, 1000) && source_sequence == 70",
        "topic == 3",
        r#"source == "exchange""#,
        "source == 1",
        r#"source in ("nobody", 1)"#,
        r#"source != "gateway""#,
        r#"type == "market.add_order""#,
        "type == 0x0110",
        r#"type in ("market.trade", "market.add_order")"#,
        r#"type != "market.trade""#,
        r#"type >= "market." && type < "market/""#,
        r#"time == "2012-06-21T09:30:00.5Z""#,
        r#"time > "2012-06-21" && time < "2012-06-22""#,
        r#"time >= "09:30:00.5" && time < "09:30:00.500000001""#,
        r#"time in ("2011-01-01", "09:30:00.5")"#,
        "time == 1_340_271_000_500_000_000",
        "true",
    ] {
        assert!(matches(text, order()), "{text}");
        assert!(!matches(&format!("!({text})"), order()), "!({text})");
    }
}

#[test]
fn flags_are_numbers_that_are_not_zero() {
    assert!(matches("size == true && size != false", order()));
    let none = AddOrder { size: 0, ..order() };
    assert!(matches(
        "size == false && size != true && size in (false)",
        none
    ));
    assert!(!matches("size == false", order()));
    assert!(!matches("size in (false, 7)", order()));
}

#[test]
fn a_back_quoted_name_is_the_message_s_own() {
    let joined = SourceJoined {
        last_source_sequence: 0,
        source: 9,
        name_length: 7,
        pid: 1,
        uid: 2,
        reserved: 0,
        name: [0; 48],
    };
    let header = header(SourceJoined::TYPE, size_of::<SourceJoined>());
    let matches = |text: &str| {
        Query::parse(text, &schemas())
            .expect(text)
            .matches(&header, joined.as_bytes(), &TestNames)
    };
    assert!(matches("`source` == 9 && source == 1"));
    assert!(!matches("`source` == 1"));
}

#[test]
fn a_payload_cut_short_lacks_its_last_fields() {
    let query = Query::parse("price == 585 || side == \"S\"", &schemas()).expect("a query");
    let bytes = order();
    let bytes = bytes.as_bytes();
    let header = header(AddOrder::TYPE, bytes.len());
    for length in 0..bytes.len() {
        let found = query.matches(&header, &bytes[..length], &TestNames);
        assert_eq!(found, length >= 20, "{length}");
    }
}

#[test]
fn of_an_unknown_type_only_the_header_is_known() {
    let header = header(0x0666, 8);
    for (text, expected) in [
        ("sequence == 1000", true),
        ("type == 0x0666", true),
        ("type == 0x0110", false),
        ("type != \"market.trade\"", false),
        ("price > 1", false),
        ("!(price > 1)", false),
        ("price > 1 || topic == 3", true),
    ] {
        let query = Query::parse(text, &schemas()).expect(text);
        assert_eq!(
            query.matches(&header, &[0; 8], &TestNames),
            expected,
            "{text}"
        );
    }
}

#[test]
fn types_that_cannot_match_are_known_beforehand() {
    let parse = |text: &str| Query::parse(text, &schemas()).expect(text);
    let query = parse("type == \"market.trade\" && price > 1");
    assert!(query.may_match(Trade::TYPE));
    assert!(!query.may_match(AddOrder::TYPE));
    assert!(!query.may_match(0x0666));
    let query = parse("!(price > 1)");
    assert!(query.may_match(AddOrder::TYPE));
    assert!(!query.may_match(OrderDeleted::TYPE));
    assert!(!parse("false").may_match(AddOrder::TYPE));
    assert!(parse("true").may_match(0x0666));
}

#[test]
fn a_type_can_be_learned_later() {
    let mut known = schemas();
    known.retain(|schema| schema.message_type != AddOrder::TYPE);
    let mut query = Query::parse("price == 585", &known).expect("a query");
    let header = header(AddOrder::TYPE, size_of::<AddOrder>());
    let message = order();
    assert!(!query.matches(&header, message.as_bytes(), &NoNames));
    query.learn(&MessageSchema::of::<AddOrder>());
    assert!(query.matches(&header, message.as_bytes(), &NoNames));
    assert_eq!(query.to_string(), "price == 585");
}

#[test]
fn a_query_for_one_type_refuses_frames_of_others() {
    let query = Query::parse("price == 585", &schemas()).expect("a query");
    let orders = query.compile_for(&MessageSchema::of::<AddOrder>());
    let message = order();
    let own = header(AddOrder::TYPE, size_of::<AddOrder>());
    assert!(orders.may_match());
    assert!(orders.matches(&own, message.as_bytes(), &NoNames));
    let descriptor = FrameHeader::descriptor_word(Trade::TYPE, 3, 32, Flags::NONE);
    let other = FrameHeader::new(1, 1_000, 0, 1, 70, descriptor);
    assert!(!orders.matches(&other, message.as_bytes(), &NoNames));
}
