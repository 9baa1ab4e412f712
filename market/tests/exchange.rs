//! The simulated exchange: what it fills, what it never does.

mod common;

use common::simulation::simulate;
use proptest::prelude::*;
use selvedge_market::book::{BookLimits, OrderBooks};
use selvedge_market::exchange::{Exchange, MAX_FILLS, MAX_ORDER_SIZE};
use selvedge_market::messages::*;
use selvedge_market::strategy::StrategyConfig;
use std::collections::HashMap;
use zerocopy::FromZeros;

fn add(reference: u64, side: Side, price: u32, size: u32) -> MarketMessage {
    AddOrder {
        reference,
        price,
        size,
        symbol: 1,
        side: side.letter(),
        ..AddOrder::new_zeroed()
    }
    .into()
}

fn order(side: Side, price: u32, size: u32) -> NewOrder {
    NewOrder {
        client_order: 77,
        trigger_sequence: 5,
        price,
        size,
        symbol: 1,
        side: side.letter(),
        reserved: [0; 5],
    }
}

fn market_open() -> MarketMessage {
    SystemEvent {
        event: *b"Q",
        ..SystemEvent::new_zeroed()
    }
    .into()
}

fn trading_action(state: &[u8; 1]) -> MarketMessage {
    TradingAction {
        symbol: 1,
        state: *state,
        ..TradingAction::new_zeroed()
    }
    .into()
}

/// An exchange whose symbol 1 trades.
fn open_exchange(messages: &[MarketMessage]) -> Exchange {
    let mut exchange = Exchange::new(BookLimits::default()).unwrap();
    for message in [market_open(), trading_action(b"T")].iter().chain(messages) {
        assert!(send(&mut exchange, message).is_empty());
    }
    exchange
}

fn send(exchange: &mut Exchange, message: &MarketMessage) -> Vec<MarketMessage> {
    let mut outputs = Vec::new();
    exchange
        .on_message(1, message, &mut |output| outputs.push(*output))
        .unwrap();
    outputs
}

/// The fills as (displayed order, price, shares, remaining), and the shares that expired.
fn trade(exchange: &mut Exchange, order: NewOrder) -> (Vec<(u64, u32, u32, u32)>, u32) {
    let outputs = send(exchange, &order.into());
    assert!(matches!(
        outputs[0],
        MarketMessage::OrderAcknowledged(m) if m.client_order == 77 && m.trigger_sequence == 5
    ));
    let mut fills = Vec::new();
    let mut expired = 0;
    for output in &outputs[1..] {
        assert_eq!(expired, 0, "nothing follows an expiry");
        match output {
            MarketMessage::OrderFilled(m) => {
                assert_eq!((m.client_order, m.side), (77, order.side));
                fills.push((m.reference, m.price, m.size, m.remaining));
            }
            MarketMessage::OrderExpired(m) => {
                expired = m.unfilled;
                assert_eq!(m.filled + m.unfilled, order.size);
            }
            other => panic!("{other:?}"),
        }
    }
    (fills, expired)
}

#[test]
fn it_fills_at_displayed_prices_in_price_time_priority() {
    let mut exchange = open_exchange(&[
        add(1, Side::Sell, 102, 10),
        add(2, Side::Sell, 101, 20),
        add(3, Side::Sell, 101, 30),
        add(4, Side::Buy, 99, 40),
        add(5, Side::Buy, 100, 5),
    ]);
    // The older of the best price first; nothing beyond the limit.
    let (fills, expired) = trade(&mut exchange, order(Side::Buy, 101, 60));
    assert_eq!(fills, [(2, 101, 20, 40), (3, 101, 30, 10)]);
    assert_eq!(expired, 10);
    // What was taken is not there again; the next price is.
    assert_eq!(trade(&mut exchange, order(Side::Buy, 101, 1)), (vec![], 1));
    assert_eq!(
        trade(&mut exchange, order(Side::Buy, 500, 4)),
        (vec![(1, 102, 4, 0)], 0)
    );
    assert_eq!(
        trade(&mut exchange, order(Side::Sell, 99, 6)),
        (vec![(5, 100, 5, 1), (4, 99, 1, 0)], 0)
    );
    assert_eq!(exchange.counters().orders, 4);
    assert_eq!(exchange.counters().filled_size, 60);
}

#[test]
fn what_was_taken_is_forgotten_with_its_order() {
    let mut exchange = open_exchange(&[add(1, Side::Sell, 101, 50)]);
    let buy = |exchange: &mut Exchange, size| trade(exchange, order(Side::Buy, 101, size)).0;
    assert_eq!(buy(&mut exchange, 30), [(1, 101, 30, 0)]);
    // The market executes 10 of it: 40 are displayed, 30 taken.
    let executed = OrderExecuted {
        reference: 1,
        size: 10,
        ..OrderExecuted::new_zeroed()
    };
    send(&mut exchange, &executed.into());
    assert_eq!(buy(&mut exchange, 100), [(1, 101, 10, 90)]);
    // The same number comes again after the order is gone: another order, whole.
    for (old, new) in [(1, 1), (1, 2)] {
        let replaced = OrderReplaced {
            old_reference: old,
            new_reference: new,
            price: 101,
            size: 7,
            ..OrderReplaced::new_zeroed()
        };
        send(&mut exchange, &replaced.into());
        assert_eq!(buy(&mut exchange, 100), [(new, 101, 7, 93)]);
        assert_eq!(buy(&mut exchange, 100), []);
    }
    let deleted = OrderDeleted {
        reference: 2,
        ..OrderDeleted::new_zeroed()
    };
    send(&mut exchange, &deleted.into());
    assert_eq!(buy(&mut exchange, 100), []);
    send(&mut exchange, &add(2, Side::Sell, 101, 3));
    assert_eq!(buy(&mut exchange, 100), [(2, 101, 3, 97)]);
}

#[test]
fn it_rejects_with_the_reason() {
    let mut exchange = Exchange::new(BookLimits::default()).unwrap();
    let good = order(Side::Buy, 100, 10);
    let mut expect = |messages: &[MarketMessage], order: NewOrder, reason: Option<RejectReason>| {
        for message in messages {
            send(&mut exchange, message);
        }
        let outputs = send(&mut exchange, &order.into());
        match reason {
            None => assert!(matches!(
                outputs[..],
                [MarketMessage::OrderAcknowledged(_), ..]
            )),
            Some(reason) => {
                let [MarketMessage::OrderRejected(rejected)] = outputs[..] else {
                    panic!("{outputs:?}");
                };
                assert_eq!(rejected.reason, [reason as u8]);
                assert_eq!((rejected.client_order, rejected.trigger_sequence), (77, 5));
            }
        }
    };
    expect(&[], good, Some(RejectReason::UnknownSymbol));
    expect(
        &[add(1, Side::Sell, 100, 1)],
        good,
        Some(RejectReason::MarketClosed),
    );
    expect(&[market_open()], good, Some(RejectReason::Halted));
    expect(&[trading_action(b"T")], good, None);
    expect(&[trading_action(b"H")], good, Some(RejectReason::Halted));
    expect(
        &[trading_action(b"T")],
        NewOrder { size: 0, ..good },
        Some(RejectReason::Size),
    );
    let too_much = NewOrder {
        size: MAX_ORDER_SIZE + 1,
        ..good
    };
    expect(&[], too_much, Some(RejectReason::Size));
    expect(
        &[],
        NewOrder { price: 0, ..good },
        Some(RejectReason::Price),
    );
    expect(
        &[],
        NewOrder {
            side: *b"x",
            ..good
        },
        Some(RejectReason::Side),
    );
    let elsewhere = NewOrder { symbol: 9, ..good };
    expect(&[], elsewhere, Some(RejectReason::UnknownSymbol));
    assert_eq!(exchange.counters().rejected, 9);
}

#[test]
fn fills_have_a_limit() {
    let many: Vec<_> = (1..=100).map(|n| add(n, Side::Buy, 50, 1)).collect();
    let mut exchange = open_exchange(&many);
    let (fills, expired) = trade(&mut exchange, order(Side::Sell, 50, 100));
    assert_eq!(fills.len(), MAX_FILLS);
    assert_eq!(expired as usize, 100 - MAX_FILLS);
    // The next order goes on behind.
    let (fills, _) = trade(&mut exchange, order(Side::Sell, 50, 2));
    assert_eq!(fills, [(33, 50, 1, 1), (34, 50, 1, 0)]);
}

/// Market messages and orders mixed.
fn step() -> impl Strategy<Value = MarketMessage> {
    let reference = || 0u64..20;
    let side = || prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    prop_oneof![
        (reference(), side(), 1u32..6, 1u32..50)
            .prop_map(|(reference, side, price, size)| add(reference, side, price, size)),
        reference().prop_map(|reference| {
            OrderDeleted {
                reference,
                ..OrderDeleted::new_zeroed()
            }
            .into()
        }),
        (reference(), 1u32..20).prop_map(|(reference, size)| {
            OrderExecuted {
                reference,
                size,
                ..OrderExecuted::new_zeroed()
            }
            .into()
        }),
        (reference(), 1u32..20).prop_map(|(reference, size)| {
            OrderCancelled {
                reference,
                size,
                ..OrderCancelled::new_zeroed()
            }
            .into()
        }),
        (reference(), reference(), 1u32..6, 1u32..50).prop_map(
            |(old_reference, new_reference, price, size)| {
                OrderReplaced {
                    old_reference,
                    new_reference,
                    price,
                    size,
                    ..OrderReplaced::new_zeroed()
                }
                .into()
            }
        ),
        (side(), 1u32..6, 1u32..80).prop_map(|(side, price, size)| order(side, price, size).into()),
        (side(), 1u32..6, 1u32..80).prop_map(|(side, price, size)| order(side, price, size).into()),
    ]
}

/// Panics unless every fill in the stream was of a displayed order, at its price, within the
/// order's limit, and the fills of one displayed order never exceed what it displays.
fn assert_fills_are_displayed(stream: &[MarketMessage]) {
    let mut books = OrderBooks::new(BookLimits::default()).unwrap();
    let mut taken: HashMap<u64, u32> = HashMap::new();
    for message in stream {
        match message {
            MarketMessage::OrderFilled(fill) => {
                let displayed = books.order(fill.reference).expect("a displayed order");
                assert_eq!(displayed.price, fill.price);
                assert_eq!(displayed.symbol, fill.symbol);
                assert_eq!(displayed.side.opposite().letter(), fill.side);
                let taken = taken.entry(fill.reference).or_insert(0);
                *taken += fill.size;
                assert!(fill.size > 0 && *taken <= displayed.size);
            }
            message => {
                books.apply(message).unwrap();
                let (reference, replaced) = match message {
                    MarketMessage::OrderDeleted(m) => (m.reference, false),
                    MarketMessage::OrderExecuted(m) => (m.reference, false),
                    MarketMessage::OrderCancelled(m) => (m.reference, false),
                    MarketMessage::OrderReplaced(m) => (m.old_reference, true),
                    _ => continue,
                };
                if replaced || books.order(reference).is_none() {
                    taken.remove(&reference);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn it_never_fills_more_than_displayed_nor_alters_the_book(
        steps in proptest::collection::vec(step(), 0..120)
    ) {
        let mut exchange = open_exchange(&[]);
        let mut plain = OrderBooks::new(BookLimits::default()).unwrap();
        let mut stream = Vec::new();
        for step in steps {
            stream.push(step);
            let outputs = send(&mut exchange, &step);
            // Its own answers, coming by in the stream, change nothing.
            for output in &outputs {
                assert!(send(&mut exchange, output).is_empty());
            }
            if let MarketMessage::NewOrder(order) = step {
                // Shares are filled or expire; none is lost.
                let mut left = order.size;
                for output in &outputs {
                    match output {
                        MarketMessage::OrderFilled(fill) => {
                            left -= fill.size;
                            prop_assert_eq!(fill.remaining, left);
                            let within = match Side::from_letter(order.side) {
                                Some(Side::Buy) => fill.price <= order.price,
                                _ => fill.price >= order.price,
                            };
                            prop_assert!(within);
                        }
                        MarketMessage::OrderExpired(m) => left -= m.unfilled,
                        _ => {}
                    }
                }
                prop_assert!(left == 0 || matches!(outputs[..], [MarketMessage::OrderRejected(_)]));
            }
            stream.extend(outputs);
            plain.apply(&step).unwrap();
            prop_assert_eq!(exchange.books().book_hash(), plain.book_hash());
        }
        assert_fills_are_displayed(&stream);
    }
}

#[test]
fn the_sample_day_is_filled_from_what_is_displayed() {
    let Some(messages) = common::sample_messages() else {
        return;
    };
    // Without delay, answers stand right behind their order: the book is as the exchange saw it.
    let outcome = simulate(&messages, StrategyConfig::default(), 0, |_, _| {});
    assert!(outcome.exchange.counters().fills > 1_000);
    let mut plain = OrderBooks::new(BookLimits::default()).unwrap();
    for message in &messages {
        plain.apply(message).unwrap();
    }
    assert_eq!(outcome.exchange.books().book_hash(), plain.book_hash());
    let orders = outcome
        .stream
        .iter()
        .filter(|m| matches!(m, MarketMessage::NewOrder(_)));
    assert_eq!(orders.count() as u64, outcome.exchange.counters().orders);
    assert_fills_are_displayed(&outcome.stream);
}
