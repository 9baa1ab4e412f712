//! Properties of the books under arbitrary messages, sound or not.

mod common;

use common::model::Model;
use proptest::prelude::*;
use selvedge_market::MarketError;
use selvedge_market::book::{BookEffect, BookLimits, OrderBooks};
use selvedge_market::messages::*;
use zerocopy::FromZeros;

fn add(symbol: u16, reference: u64, side: u8, price: u32, size: u32) -> MarketMessage {
    AddOrder {
        reference,
        price,
        size,
        symbol,
        side: [side],
        ..AddOrder::new_zeroed()
    }
    .into()
}

fn delete(reference: u64) -> MarketMessage {
    OrderDeleted {
        reference,
        ..OrderDeleted::new_zeroed()
    }
    .into()
}

fn execute(kind: u8, reference: u64, size: u32) -> MarketMessage {
    match kind {
        0 => OrderExecuted {
            reference,
            size,
            ..OrderExecuted::new_zeroed()
        }
        .into(),
        1 => OrderExecutedAtPrice {
            reference,
            size,
            ..OrderExecutedAtPrice::new_zeroed()
        }
        .into(),
        2 => OrderExecutedUnprinted {
            reference,
            size,
            ..OrderExecutedUnprinted::new_zeroed()
        }
        .into(),
        _ => OrderCancelled {
            reference,
            size,
            ..OrderCancelled::new_zeroed()
        }
        .into(),
    }
}

fn replace(old_reference: u64, new_reference: u64, price: u32, size: u32) -> MarketMessage {
    OrderReplaced {
        old_reference,
        new_reference,
        price,
        size,
        ..OrderReplaced::new_zeroed()
    }
    .into()
}

/// Few numbers, prices and sizes, so that messages meet the same orders; sometimes the extremes.
fn message() -> impl Strategy<Value = MarketMessage> {
    let reference = || 0u64..60;
    let price = || prop_oneof![9 => 1u32..30, 1 => Just(0), 1 => Just(u32::MAX)];
    let size = || prop_oneof![9 => 0u32..12, 1 => Just(u32::MAX)];
    let side = prop_oneof![10 => Just(b'B'), 10 => Just(b'S'), 1 => Just(b'?')];
    prop_oneof![
        6 => (prop_oneof![0u16..3, Just(u16::MAX)], reference(), side, price(), size())
            .prop_map(|(symbol, reference, side, price, size)| add(symbol, reference, side, price, size)),
        2 => reference().prop_map(delete),
        4 => (0u8..4, reference(), size())
            .prop_map(|(kind, reference, size)| execute(kind, reference, size)),
        3 => (reference(), reference(), price(), size())
            .prop_map(|(old, new, price, size)| replace(old, new, price, size)),
    ]
}

proptest! {
    #[test]
    fn the_books_do_as_the_model(messages in proptest::collection::vec(message(), 0..300)) {
        let limits = BookLimits { initial_orders: 4, ..BookLimits::default() };
        let mut books = OrderBooks::new(limits).unwrap();
        let mut model = Model::default();
        for message in &messages {
            let unknown = model.anomalies.unknown_references;
            let changed = model.apply(message);
            let expected = match changed {
                Some(symbol) => BookEffect::Changed(symbol),
                None if model.anomalies.unknown_references > unknown => BookEffect::UnknownReference,
                None => BookEffect::Unchanged,
            };
            prop_assert_eq!(books.apply(message), Ok(expected));
            prop_assert_eq!(books.anomalies(), &model.anomalies);
            model.assert_same(&books);
        }

        // The same orders entered afresh, in another order of symbols and prices but the same
        // within each price, give the same hash; any difference gives another.
        let mut orders = Vec::new();
        for symbol in books.symbols() {
            for side in [Side::Sell, Side::Buy] {
                orders.extend(books.orders(symbol, side));
            }
        }
        orders.sort_by_key(|order| (order.price, order.symbol));
        let rebuild = |orders: &[selvedge_market::book::LiveOrder]| {
            let mut books = OrderBooks::new(BookLimits::default()).unwrap();
            for order in orders {
                let side = order.side as u8;
                let message = add(order.symbol, order.reference, side, order.price, order.size);
                books.apply(&message).unwrap();
            }
            books.book_hash()
        };
        prop_assert_eq!(rebuild(&orders), books.book_hash());
        if let Some(last) = orders.pop() {
            prop_assert_ne!(rebuild(&orders), books.book_hash());
            orders.push(selvedge_market::book::LiveOrder { size: last.size ^ 1 | 2, ..last });
            let same = last.size ^ 1 | 2 == last.size;
            prop_assert_eq!(rebuild(&orders) == books.book_hash(), same);
        }
    }
}

#[test]
fn the_hash_sees_the_queue() {
    let hash = |references: [u64; 2]| {
        let mut books = OrderBooks::new(BookLimits::default()).unwrap();
        for reference in references {
            books.apply(&add(1, reference, b'B', 10, 5)).unwrap();
        }
        books.book_hash()
    };
    assert_ne!(hash([1, 2]), hash([2, 1]));
}

#[test]
fn a_replaced_order_goes_to_the_end_of_its_queue() {
    let mut books = OrderBooks::new(BookLimits::default()).unwrap();
    for reference in 1..=3 {
        books.apply(&add(1, reference, b'S', 10, 5)).unwrap();
    }
    books.apply(&replace(1, 9, 10, 5)).unwrap();
    books.apply(&execute(3, 2, 1)).unwrap();
    let queue: Vec<_> = books
        .orders(1, Side::Sell)
        .map(|order| (order.reference, order.size))
        .collect();
    assert_eq!(queue, [(2, 4), (3, 5), (9, 5)]);
}

#[test]
fn the_limits_are_errors_that_name_the_setting() {
    let limits = BookLimits {
        live_orders: 3,
        levels_per_side: 2,
        ..BookLimits::default()
    };
    let mut books = OrderBooks::new(limits).unwrap();
    books.apply(&add(1, 1, b'B', 10, 5)).unwrap();
    books.apply(&add(1, 2, b'B', 11, 5)).unwrap();
    let error = books.apply(&add(1, 3, b'B', 12, 5)).unwrap_err();
    assert!(matches!(
        error,
        MarketError::TooManyLevels {
            price: 12,
            symbol: 1,
            limit: 2
        }
    ));
    assert!(error.to_string().contains("levels_per_side"));
    books.apply(&add(1, 3, b'B', 11, 5)).unwrap();
    let error = books.apply(&add(2, 4, b'S', 10, 5)).unwrap_err();
    assert!(matches!(
        error,
        MarketError::TooManyOrders {
            reference: 4,
            symbol: 2,
            limit: 3
        }
    ));
    assert!(error.to_string().contains("live_orders"));
    // What goes makes room.
    books.apply(&delete(1)).unwrap();
    books.apply(&add(2, 4, b'S', 10, 5)).unwrap();
    assert!(matches!(
        OrderBooks::new(BookLimits {
            live_orders: 0,
            ..limits
        }),
        Err(MarketError::Setting { value: 0, .. })
    ));
}

#[test]
fn trading_states_and_market_hours_are_kept() {
    let mut books = OrderBooks::new(BookLimits::default()).unwrap();
    let state = |state: &[u8; 1]| TradingAction {
        symbol: 5,
        state: *state,
        ..TradingAction::new_zeroed()
    };
    assert!(!books.is_trading(5));
    for (letter, trading) in [
        (b"T", true),
        (b"H", false),
        (b"T", true),
        (b"P", false),
        (b"Q", false),
    ] {
        books.apply(&state(letter).into()).unwrap();
        assert_eq!(books.is_trading(5), trading);
    }
    for (letter, open) in [
        (b"O", false),
        (b"S", false),
        (b"Q", true),
        (b"M", false),
        (b"E", false),
    ] {
        let event = SystemEvent {
            event: *letter,
            ..SystemEvent::new_zeroed()
        };
        books.apply(&event.into()).unwrap();
        assert_eq!(books.is_market_open(), open);
    }
}
