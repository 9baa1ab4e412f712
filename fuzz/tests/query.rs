//! Expressions, right ones with pieces changed and nonsense.

use selvedge_fabric::frame::{Flags, FrameHeader};
use selvedge_fuzz::{CountingAllocator, Script, iterations, peak_of};
use selvedge_market::messages::MarketMessage;
use selvedge_query::{NoNames, Query};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// What an expression may take, whatever it says, and 4 KiB for every byte of it.
const MEMORY: u64 = 1 << 20;

/// Pieces of expressions, right and wrong.
const PIECES: [&str; 48] = [
    "symbol",
    "price",
    "size",
    "side",
    "sequence",
    "source",
    "time",
    "type",
    "==",
    "!=",
    ">=",
    "<=",
    "<",
    ">",
    "&&",
    "||",
    "!",
    "(",
    ")",
    "\"AAPL\"",
    "\"",
    "'",
    "585.00",
    "-1",
    "0x1F",
    "1e309",
    "99999999999999999999999",
    "0.0000000000000000001",
    "in",
    "[",
    "]",
    ",",
    "~",
    "contains",
    "true",
    "null",
    "buy",
    "09:30:00",
    "2012-06-21T09:30:00",
    "µ",
    "\u{0}",
    "\n",
    " ",
    "((((((((",
    "!!!!!!!!",
    "&",
    "=",
    "add_order",
];

#[test]
fn an_expression_is_taken_or_refused_at_a_column() {
    let schemas = MarketMessage::schemas();
    // Its parts once, so that what is asked once for all is not counted.
    let _ = Query::parse("price > 1", &schemas);
    bolero::check!(name = "query")
        .with_iterations(iterations(5_000))
        .with_test_time(Duration::MAX)
        .with_max_len(512)
        .for_each(|input: &[u8]| {
            let mut script = Script::new(input);
            let text = match script.byte() % 4 {
                0 => String::from_utf8_lossy(input).into_owned(),
                spaces => {
                    let mut text = String::new();
                    for byte in input.iter().skip(1) {
                        text.push_str(PIECES[usize::from(*byte) % PIECES.len()]);
                        if spaces > 1 {
                            text.push(' ');
                        }
                    }
                    text
                }
            };
            let (parsed, peak) = peak_of(|| Query::parse(&text, &schemas));
            assert!(
                peak <= MEMORY + 4096 * text.len() as u64,
                "{peak} bytes for {} of expression",
                text.len()
            );
            match parsed {
                Ok(query) => {
                    for schema in &schemas {
                        for length in [0, 3, usize::from(schema.size)] {
                            let descriptor = FrameHeader::descriptor_word(
                                schema.message_type,
                                0,
                                length,
                                Flags::NONE,
                            );
                            let header = FrameHeader::new(1, 1, 1, 1, 1, descriptor);
                            let payload = vec![0xFF; length];
                            let _ = query.matches(&header, &payload, &NoNames);
                        }
                    }
                }
                Err(error) => {
                    assert!(error.column() >= 1);
                    assert!(error.column() <= text.chars().count() + 1, "{error}");
                    assert!(!error.to_string().is_empty());
                }
            }
        });
}
