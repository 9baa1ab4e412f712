//! What somebody reads who got an expression wrong.

mod common;

use common::schemas;
use selvedge_fabric::message::{FieldKind, FieldSchema, MessageSchema};
use selvedge_query::{Query, QueryError};

fn fault(text: &str) -> QueryError {
    match Query::parse(text, &schemas()) {
        Ok(query) => panic!("`{query}` is a query"),
        Err(error) => error,
    }
}

#[test]
fn a_name_nobody_has_is_shown_with_the_nearest() {
    assert_eq!(
        fault("type == \"market.trade\" && prise > 5").to_string(),
        "no message type has a field `prise` (column 27): did you mean `price`?\n    \
         type == \"market.trade\" && prise > 5\n                              ^^^^^"
    );
    assert!(fault("sequense == 1").advice().contains("`sequence`"));
    assert!(
        fault("type == \"market.trad\"")
            .advice()
            .contains("`market.trade`")
    );
    assert_eq!(fault("type in (\"market.trade\", \"x\")").column(), 26);
    assert!(
        fault("qqqqqq == 1")
            .advice()
            .starts_with("the names known are")
    );
}

#[test]
fn values_that_never_fit_are_refused() {
    for (text, column, reason, advice) in [
        (
            "price == \"585.00\"",
            10,
            "`price` is a number",
            "without quotes",
        ),
        (
            "price == \"dear\"",
            10,
            "`price` is a number",
            "with a number",
        ),
        ("side == 1", 9, "`side` is text", "double quotes"),
        (
            "side in (\"B\", true)",
            15,
            "`side` is text",
            "double quotes",
        ),
        ("price > true", 9, "no order", "== or !="),
        (
            "sequence == \"x\"",
            13,
            "`sequence` is a number",
            "with a number",
        ),
        ("topic == true", 10, "never true or false", "number"),
        (
            "time > \"yesterday\"",
            8,
            "not a time",
            "2012-06-21T09:30:00.5Z",
        ),
        (
            "time > \"2012-06-21T09:30:00+02:00\"",
            8,
            "not a time",
            "UTC",
        ),
    ] {
        let error = fault(text);
        assert_eq!(error.column(), column, "{error}");
        assert!(error.reason().contains(reason), "{error}");
        assert!(error.advice().contains(advice), "{error}");
    }
}

#[test]
fn one_type_that_fits_is_enough() {
    let schema = |message_type, kind, size| MessageSchema {
        message_type,
        name: format!("test.{message_type}"),
        version: 1,
        size,
        fields: vec![FieldSchema {
            name: "x".to_owned(),
            offset: 0,
            size,
            kind,
            scale: 0,
            dictionary: String::new(),
        }],
    };
    let both = [
        schema(1, FieldKind::Unsigned, 4),
        schema(2, FieldKind::Text, 4),
    ];
    let query = Query::parse("x == \"1\"", &both).expect("a query");
    assert!(!query.may_match(1));
    assert!(query.may_match(2));
    assert!(Query::parse("x == \"1\"", &both[..1]).is_err());
    let bytes = [schema(3, FieldKind::Bytes, 2)];
    assert!(Query::parse("x == \"00fF\"", &bytes).is_ok());
    for text in ["x == \"0\"", "x == \"0g\"", "x == 0"] {
        assert!(Query::parse(text, &bytes).is_err(), "{text}");
    }
}

#[test]
fn without_any_type_the_header_can_still_be_asked_for() {
    assert!(Query::parse("sequence > 5 && type == 7", &[]).is_ok());
    let error = Query::parse("type == \"a.b\"", &[]).expect_err("no types");
    assert!(error.advice().contains("number"), "{error}");
}
