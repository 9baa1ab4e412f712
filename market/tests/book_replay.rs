//! The books against a second, plain implementation, over whole days.

mod common;

use common::model::Model;
use selvedge_market::bbo::BboWriter;
use selvedge_market::book::{BookAnomalies, BookEffect, BookLimits, OrderBooks};
use selvedge_market::messages::MarketMessage;

/// Replays a day in both and compares the best prices after every message, and everything now and
/// then. Our books at the end.
fn replay(messages: &[MarketMessage]) -> (OrderBooks, Model) {
    let mut books = OrderBooks::new(BookLimits::default()).unwrap();
    let mut model = Model::default();
    for (number, message) in messages.iter().enumerate() {
        let effect = books.apply(message).unwrap();
        let changed = model.apply(message);
        let expected = changed.map_or(BookEffect::Unchanged, BookEffect::Changed);
        assert_eq!(effect, expected, "message {number}: {message:?}");
        if let Some(symbol) = changed {
            assert_eq!(
                books.best_bid(symbol),
                model.best_bid(symbol),
                "message {number}"
            );
            assert_eq!(
                books.best_ask(symbol),
                model.best_ask(symbol),
                "message {number}"
            );
        }
        if number % 50_000 == 0 {
            model.assert_same(&books);
        }
    }
    model.assert_same(&books);
    assert_eq!(books.most_live_orders(), model.most_live);
    (books, model)
}

#[test]
fn the_sample_day_gives_the_same_books() {
    let Some(messages) = common::sample_messages() else {
        return;
    };
    assert_eq!(messages.len(), 446_171);
    let (books, _) = replay(&messages);
    assert_eq!(books.anomalies(), &BookAnomalies::default());
    assert_eq!(books.most_live_orders(), 37_648);
    let names: Vec<_> = books
        .symbols()
        .map(|symbol| books.symbol_name(symbol))
        .collect();
    assert_eq!(
        names,
        [Some(b"AAPL    "), Some(b"AMZN    "), Some(b"GOOG    ")]
    );
}

#[test]
fn a_generated_day_gives_the_same_books() {
    let messages = common::normalised(&mut common::generated(11, 120_000, 6));
    let (books, _) = replay(&messages);
    assert_eq!(books.anomalies(), &BookAnomalies::default());
}

#[test]
fn the_csv_of_the_sample_day_has_the_best_prices_after_every_change() {
    let Some(messages) = common::sample_messages() else {
        return;
    };
    let mut writer = BboWriter::new(Vec::new(), "bbo.csv", BookLimits::default()).unwrap();
    for (sequence, message) in (1..).zip(&messages) {
        writer.on_message(sequence, message).unwrap();
    }
    let (text, lines) = writer.finish().unwrap();
    let text = String::from_utf8(text).unwrap();
    // Adds, deletes, executions and cancels.
    assert_eq!(lines, 227_268 + 160_083 + 40_397 + 721);
    assert_eq!(text.lines().count() as u64, lines + 1);
    let mut model = Model::default();
    let mut rows = text.lines().skip(1);
    for (sequence, message) in (1..).zip(&messages) {
        let Some(symbol) = model.apply(message) else {
            continue;
        };
        let level = |level: Option<selvedge_market::book::PriceLevel>| match level {
            Some(level) => format!("{},{}", level.price, level.size),
            None => ",".to_owned(),
        };
        let expected = format!(
            "{sequence},{},{},{},{}",
            message.time_ns().unwrap(),
            ["", "AAPL", "AMZN", "GOOG"][usize::from(symbol)],
            level(model.best_bid(symbol)),
            level(model.best_ask(symbol)),
        );
        assert_eq!(rows.next(), Some(expected.as_str()));
    }
    assert_eq!(rows.next(), None);
}
