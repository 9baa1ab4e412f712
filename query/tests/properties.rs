//! Any text, any table of fields, any payload; and the language against a second reading of it.

mod common;

use common::{TestNames, schemas};
use proptest::prelude::*;
use selvedge_fabric::frame::{Flags, FrameHeader};
use selvedge_fabric::message::{FieldKind, FieldSchema, MessageSchema};
use selvedge_query::{NoNames, Query};

/// A message type of one field at the front.
fn one_field(kind: FieldKind, size: u16, scale: i8) -> MessageSchema {
    MessageSchema {
        message_type: 7,
        name: "test.one".to_owned(),
        version: 1,
        size,
        fields: vec![FieldSchema {
            name: "x".to_owned(),
            offset: 0,
            size,
            kind,
            scale,
            dictionary: String::new(),
        }],
    }
}

fn header(message_type: u16) -> FrameHeader {
    let descriptor = FrameHeader::descriptor_word(message_type, 0, 8, Flags::NONE);
    FrameHeader::new(1, 1, 1, 1, 1, descriptor)
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "price",
            "side",
            "symbol",
            "type",
            "time",
            "source",
            "sequence",
            "x",
            "in",
            "true",
            "false",
            "not",
            "==",
            "!=",
            "<",
            "<=",
            ">",
            ">=",
            "&&",
            "||",
            "!",
            "(",
            ")",
            ",",
            "\"",
            "\\",
            "`",
            "585.00",
            "-1",
            "0x7",
            "\"B\"",
            "\"AAPL\"",
            "\"market.trade\"",
            "\"09:30:00\"",
            "(1, 2)",
            ".",
            "é",
            "\u{0}",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,6}",
        any::<String>(),
    ]
}

/// Expressions that parse, mostly.
fn expression() -> impl Strategy<Value = String> {
    let field = prop::sample::select(vec![
        "price",
        "size",
        "side",
        "symbol",
        "reference",
        "sequence",
        "topic",
        "source",
        "reason",
    ]);
    let operator = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let value = prop_oneof![
        (any::<i64>(), 0_u32..1000).prop_map(|(whole, part)| format!("{whole}.{part}")),
        any::<u32>().prop_map(|number| number.to_string()),
        "\"[A-Z]{0,4}\"",
        Just("true".to_owned()),
    ];
    let leaf = prop_oneof![
        (field.clone(), operator, value.clone()).prop_map(|(f, o, v)| format!("{f} {o} {v}")),
        (field, prop::collection::vec(value, 1..5))
            .prop_map(|(f, values)| format!("{f} in ({})", values.join(", "))),
    ];
    leaf.prop_recursive(5, 32, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|e| format!("!({e})")),
            prop::collection::vec(inner.clone(), 1..4)
                .prop_map(|parts| format!("({})", parts.join(" && "))),
            prop::collection::vec(inner, 1..4)
                .prop_map(|parts| format!("({})", parts.join(" || "))),
        ]
    })
}

fn any_schema() -> impl Strategy<Value = MessageSchema> {
    let names = vec!["price", "side", "symbol", "size", "reason", "x", "type"];
    let field = (
        prop::sample::select(names),
        0_u16..48,
        0_u16..20,
        1_u8..=5,
        any::<i8>(),
        prop::sample::select(vec!["", "symbol"]),
    )
        .prop_map(
            |(name, offset, size, code, scale, dictionary)| FieldSchema {
                name: name.to_owned(),
                offset,
                size,
                kind: FieldKind::from_code(code).expect("a kind"),
                scale,
                dictionary: dictionary.to_owned(),
            },
        );
    (1_u16..4, prop::collection::vec(field, 0..8)).prop_map(|(message_type, fields)| {
        MessageSchema {
            message_type,
            name: format!("test.{message_type}"),
            version: 1,
            size: 0,
            fields,
        }
    })
}

/// A tree over `a` (which is there), `b` (which is there) and `c` (which is not).
#[derive(Clone, Debug)]
enum Tree {
    Test(char, u8),
    Constant(bool),
    Not(Box<Tree>),
    All(Vec<Tree>),
    Any(Vec<Tree>),
}

impl Tree {
    fn text(&self) -> String {
        let join = |parts: &[Tree], sign: &str| {
            let parts: Vec<String> = parts
                .iter()
                .map(|part| format!("({})", part.text()))
                .collect();
            parts.join(sign)
        };
        match self {
            Tree::Test(field, value) => format!("{field} == {value}"),
            Tree::Constant(constant) => constant.to_string(),
            Tree::Not(inner) => format!("!({})", inner.text()),
            Tree::All(parts) => join(parts, " && "),
            Tree::Any(parts) => join(parts, " || "),
        }
    }

    /// `None` is unknown.
    fn truth(&self, a: u8, b: u8) -> Option<bool> {
        let any = |parts: &[Tree], wanted: bool| {
            let truths: Vec<_> = parts.iter().map(|part| part.truth(a, b)).collect();
            if truths.contains(&Some(wanted)) {
                Some(wanted)
            } else if truths.contains(&None) {
                None
            } else {
                Some(!wanted)
            }
        };
        match self {
            Tree::Test('a', value) => Some(a == *value),
            Tree::Test('b', value) => Some(b == *value),
            Tree::Test(..) => None,
            Tree::Constant(constant) => Some(*constant),
            Tree::Not(inner) => inner.truth(a, b).map(|truth| !truth),
            Tree::All(parts) => any(parts, false),
            Tree::Any(parts) => any(parts, true),
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        4 => (prop::sample::select(vec!['a', 'b', 'c']), 0_u8..2)
            .prop_map(|(field, value)| Tree::Test(field, value)),
        1 => any::<bool>().prop_map(Tree::Constant),
    ];
    leaf.prop_recursive(5, 32, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|tree| Tree::Not(Box::new(tree))),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Tree::All),
            prop::collection::vec(inner, 1..4).prop_map(Tree::Any),
        ]
    })
}

/// Types with `a` and `b`, and one with `c`.
fn tree_schemas() -> [MessageSchema; 2] {
    let field = |name: &str, offset| FieldSchema {
        name: name.to_owned(),
        offset,
        size: 1,
        kind: FieldKind::Unsigned,
        scale: 0,
        dictionary: String::new(),
    };
    let schema = |message_type, fields| MessageSchema {
        message_type,
        name: format!("test.{message_type}"),
        version: 1,
        size: 2,
        fields,
    };
    [
        schema(7, vec![field("a", 0), field("b", 1)]),
        schema(8, vec![field("c", 0)]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_words_and_payload_are_harmless(
        words in prop::collection::vec(word(), 0..20),
        payload in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let text = words.join(" ");
        match Query::parse(&text, &schemas()) {
            Ok(query) => for schema in schemas() {
                query.matches(&header(schema.message_type), &payload, &TestNames);
            },
            Err(error) => {
                prop_assert!(error.column() <= text.chars().count() + 1);
                prop_assert!(!error.advice().is_empty());
                let shown = error.to_string();
                prop_assert_eq!(shown.lines().count(), 3, "{}", shown);
            }
        }
    }

    #[test]
    fn any_schema_header_and_payload_are_harmless(
        text in expression(),
        schemas in prop::collection::vec(any_schema(), 0..4),
        words in any::<[u64; 4]>(),
        message_type in 0_u16..5,
        payload in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let header = FrameHeader::from_words(words);
        let descriptor = header.descriptor() & !(0xFFFF << 32) | u64::from(message_type) << 32;
        let header = FrameHeader::from_words([words[0], words[1], words[2], descriptor]);
        // The market's types have every field that the expressions name.
        let market = common::schemas();
        if let Ok(query) = Query::parse(&text, market.iter().chain(&schemas)) {
            let whole = query.matches(&header, &payload, &NoNames);
            prop_assert!(!whole || query.may_match(message_type));
            let own = schemas.iter().rfind(|schema| schema.message_type == message_type);
            if let Some(schema) = own {
                let compiled = query.compile_for(schema);
                prop_assert_eq!(compiled.matches(&header, &payload, &NoNames), whole);
            }
        }
    }

    #[test]
    fn generated_expressions_parse(text in expression()) {
        // Only a value of the wrong kind may be wrong with them.
        if let Err(error) = Query::parse(&text, &schemas()) {
            let kind = ["is a number", "is text", "no order", "never true or false"];
            prop_assert!(kind.iter().any(|part| error.reason().contains(part)), "{error}");
        }
    }

    #[test]
    fn unknown_spreads_as_described(tree in tree(), a in 0_u8..2, b in 0_u8..2) {
        let text = tree.text();
        let query = Query::parse(&text, &tree_schemas()).expect("a query");
        let found = query.matches(&header(7), &[a, b], &NoNames);
        prop_assert_eq!(found, tree.truth(a, b) == Some(true), "{}", text);
        prop_assert!(!found || query.may_match(7));
    }

    #[test]
    fn integers_of_any_scale_compare_exactly(
        raw in prop_oneof![-30_i64..30, -1_000_000_000_000_i64..1_000_000_000_000],
        nudge in -2_i64..=2,
        scale in -6_i8..=6,
        decimals in 0_u32..=8,
        other in prop_oneof![Just(None), (-1_000_000_i64..1_000_000).prop_map(Some)],
    ) {
        // Both sides in units of ten to the power -8.
        let left = i128::from(raw) * 10_i128.pow((i32::from(scale) + 8) as u32);
        let unit = 10_i128.pow(8 - decimals);
        // Near the field's value, or anywhere.
        let mantissa = match other {
            Some(other) => i128::from(other),
            None => left.div_euclid(unit) + i128::from(nudge),
        };
        let right = mantissa * unit;
        let magnitude = mantissa.unsigned_abs();
        let whole = magnitude / 10_u128.pow(decimals);
        let part = magnitude % 10_u128.pow(decimals);
        let sign = if mantissa < 0 { "-" } else { "" };
        let literal = if decimals == 0 {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{part:0width$}", width = decimals as usize)
        };
        let schemas = [one_field(FieldKind::Signed, 8, scale)];
        for (operator, expected) in [
            ("==", left == right),
            ("!=", left != right),
            ("<", left < right),
            ("<=", left <= right),
            (">", left > right),
            (">=", left >= right),
        ] {
            let text = format!("x {operator} {literal}");
            let query = Query::parse(&text, &schemas).expect("a query");
            let found = query.matches(&header(7), &raw.to_le_bytes(), &NoNames);
            prop_assert_eq!(found, expected, "{} with raw {} scale {}", text, raw, scale);
        }
        let text = format!("x in (0x7FFFFFFFFFFFFFFF00, {literal}, -0x7FFFFFFFFFFFFFFF00)");
        let query = Query::parse(&text, &schemas).expect("a query");
        prop_assert_eq!(
            query.matches(&header(7), &raw.to_le_bytes(), &NoNames),
            left == right
        );
    }

    #[test]
    fn floats_compare_with_the_nearest_of_their_width(value in -1e6_f32..1e6) {
        let schemas = [one_field(FieldKind::Float, 4, 0)];
        let text = format!("x == {value} && x in (1, {value}) && x <= {value} && !(x < {value})");
        let query = Query::parse(&text, &schemas).expect("a query");
        prop_assert!(query.matches(&header(7), &value.to_le_bytes(), &NoNames), "{}", text);
        prop_assert!(!query.matches(&header(7), &value.next_up().to_le_bytes(), &NoNames));
        prop_assert!(!query.matches(&header(7), &f32::NAN.to_le_bytes(), &NoNames));
    }

    #[test]
    fn any_text_value_finds_itself(value in "\\PC{0,8}") {
        let padded = format!("{value}  \0");
        let schemas = [one_field(FieldKind::Text, padded.len() as u16, 0)];
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let equal = Query::parse(&format!("x == \"{quoted}\""), &schemas).expect("a query");
        let listed = Query::parse(&format!("x in (\"{quoted}\", \"~\")"), &schemas).expect("a query");
        let unequal = Query::parse(&format!("x != \"{quoted}\""), &schemas).expect("a query");
        prop_assert!(equal.matches(&header(7), padded.as_bytes(), &NoNames));
        prop_assert!(listed.matches(&header(7), padded.as_bytes(), &NoNames));
        prop_assert!(!unequal.matches(&header(7), padded.as_bytes(), &NoNames));
    }
}
