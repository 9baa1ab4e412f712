//! The strategy: deterministic, within its limits, done when all is answered.

mod common;

use common::simulation::simulate;
use selvedge_market::MarketError;
use selvedge_market::messages::*;
use selvedge_market::strategy::{Strategy, StrategyConfig};
use std::collections::HashMap;
use zerocopy::FromZeros;

fn day() -> Vec<MarketMessage> {
    common::normalised(&mut common::generated(21, 60_000, 4))
}

#[test]
fn the_same_stream_gives_the_same_orders_and_state() {
    let messages = day();
    let run = || simulate(&messages, StrategyConfig::default(), 5, |_, _| {});
    let (first, second) = (run(), run());
    assert!(first.strategy.counters().orders > 100);
    assert_eq!(first.stream, second.stream);
    assert_eq!(first.strategy.state_hash(), second.strategy.state_hash());

    // A replay of the recorded stream alone, outputs thrown away, ends in the same state and says
    // the same orders.
    let mut replayed = Strategy::new(StrategyConfig::default()).unwrap();
    let mut said = Vec::new();
    for (sequence, message) in (1..).zip(&first.stream) {
        replayed
            .on_message(sequence, message, &mut |output| said.push(*output))
            .unwrap();
    }
    assert_eq!(replayed.state_hash(), first.strategy.state_hash());
    let recorded: Vec<_> = first
        .stream
        .iter()
        .filter(|m| {
            matches!(
                m,
                MarketMessage::NewOrder(_) | MarketMessage::StrategyFinished(_)
            )
        })
        .copied()
        .collect();
    assert_eq!(said, recorded);

    // The same day at other places of the stream: everything is the same but what the orders say
    // of their cause.
    let mut moved = Strategy::new(StrategyConfig::default()).unwrap();
    for (sequence, message) in (2..).zip(&first.stream) {
        moved.on_message(sequence, message, &mut |_| {}).unwrap();
    }
    assert_eq!(moved.counters(), first.strategy.counters());
    assert_ne!(moved.state_hash(), first.strategy.state_hash());

    // A fill at another price, and the hash is another.
    let mut changed = first.stream.clone();
    let fill = changed.iter_mut().rev().find_map(|message| match message {
        MarketMessage::OrderFilled(fill) if fill.remaining == 0 => Some(fill),
        _ => None,
    });
    fill.unwrap().price += 1;
    let mut other = Strategy::new(StrategyConfig::default()).unwrap();
    for (sequence, message) in (1..).zip(&changed) {
        other.on_message(sequence, message, &mut |_| {}).unwrap();
    }
    assert_ne!(other.state_hash(), first.strategy.state_hash());
}

#[test]
fn limits_are_kept_and_the_end_comes_once() {
    let messages = day();
    let config = StrategyConfig {
        position_limit: 250,
        cool_down_ns: 1_000_000,
        threshold_per_mille: 600,
        ..StrategyConfig::default()
    };
    for delay in [0, 1, 40, 1_000_000] {
        let mut last_sent: HashMap<u16, u64> = HashMap::new();
        let mut open: HashMap<u16, u64> = HashMap::new();
        let mut positions: HashMap<u16, i64> = HashMap::new();
        let mut most = 0;
        let mut now_ns = 0;
        let outcome = simulate(&messages, config, delay, |strategy, message| {
            if let (Some(time_ns), false) = (message.time_ns(), message.is_routing()) {
                now_ns = time_ns;
            }
            if let Some(symbol) = message.symbol() {
                let position = strategy.position(symbol);
                most = most.max(position.abs());
                assert!(position.abs() <= 250, "position {position}");
            }
        });
        // An account of the stream, kept apart.
        let mut cash = 0i64;
        let mut finished = 0;
        let mut ended = false;
        for (place, message) in outcome.stream.iter().enumerate() {
            match message {
                MarketMessage::NewOrder(order) => {
                    assert!(!ended || delay > 0);
                    assert_eq!(open.insert(order.symbol, order.client_order), None);
                    let trigger = &outcome.stream[order.trigger_sequence as usize - 1];
                    assert!((order.trigger_sequence as usize) <= place);
                    assert_eq!(trigger.symbol(), Some(order.symbol));
                    let time_ns = trigger.time_ns().unwrap();
                    if let Some(last) = last_sent.insert(order.symbol, time_ns) {
                        assert!(time_ns >= last + config.cool_down_ns);
                    }
                }
                MarketMessage::OrderFilled(fill) => {
                    let size = i64::from(fill.size);
                    let sign = if fill.side == *b"B" { 1 } else { -1 };
                    *positions.entry(fill.symbol).or_insert(0) += sign * size;
                    cash -= sign * size * i64::from(fill.price);
                    if fill.remaining == 0 {
                        open.remove(&fill.symbol);
                    }
                }
                MarketMessage::OrderExpired(m) => assert!(open.remove(&m.symbol).is_some()),
                MarketMessage::OrderRejected(m) => assert!(open.remove(&m.symbol).is_some()),
                MarketMessage::EndOfFeed(_) => ended = true,
                MarketMessage::StrategyFinished(end) => {
                    finished += 1;
                    assert!(ended && open.is_empty());
                    assert_eq!(end.orders, outcome.exchange.counters().orders);
                    assert_eq!(end.fills, outcome.exchange.counters().fills);
                    assert_eq!(end.cash, cash);
                    assert_eq!(end.strategy, 1);
                }
                _ => {}
            }
        }
        assert_eq!(finished, 1);
        assert!(outcome.strategy.is_finished());
        assert_eq!(outcome.strategy.orders_in_flight(), 0);
        assert_eq!(outcome.strategy.cash(), cash);
        assert_eq!(outcome.strategy.counters().unexpected, 0);
        for (symbol, position) in positions {
            assert_eq!(outcome.strategy.position(symbol), position);
        }
        if delay < 1_000 {
            assert!(most > 150, "the limit was never near: {most}");
        }
    }
}

#[test]
fn the_sample_day_has_some_thousand_orders() {
    let Some(messages) = common::sample_messages() else {
        return;
    };
    let outcome = simulate(&messages, StrategyConfig::default(), 3, |_, _| {});
    let counters = outcome.strategy.counters();
    println!("{counters:?}, cash {}", outcome.strategy.cash());
    assert!((2_000..50_000).contains(&counters.orders), "{counters:?}");
    assert!(counters.fills > 1_000, "{counters:?}");
    assert_eq!(counters.unexpected, 0);
    assert_eq!(counters.acknowledged, counters.orders);
    assert!(outcome.strategy.is_finished());
}

/// A market in which the strategy buys at once.
fn inviting() -> Vec<MarketMessage> {
    let add = |reference, side: &[u8; 1], price, size| {
        MarketMessage::from(AddOrder {
            time_ns: 10,
            reference,
            price,
            size,
            symbol: 1,
            side: *side,
            ..AddOrder::new_zeroed()
        })
    };
    vec![
        SystemEvent {
            event: *b"Q",
            ..SystemEvent::new_zeroed()
        }
        .into(),
        TradingAction {
            symbol: 1,
            state: *b"T",
            ..TradingAction::new_zeroed()
        }
        .into(),
        add(1, b"S", 101, 10),
        add(2, b"B", 100, 90),
    ]
}

#[test]
fn it_buys_where_buyers_outweigh_and_waits_for_the_answer() {
    let mut strategy = Strategy::new(StrategyConfig {
        cool_down_ns: 0,
        ..StrategyConfig::default()
    })
    .unwrap();
    let mut said = Vec::new();
    let mut send = |strategy: &mut Strategy, message: MarketMessage| -> Vec<MarketMessage> {
        said.clear();
        strategy
            .on_message(42, &message, &mut |output| said.push(*output))
            .unwrap();
        said.clone()
    };
    let mut last = Vec::new();
    for message in inviting() {
        assert!(last.is_empty());
        last = send(&mut strategy, message);
    }
    let [MarketMessage::NewOrder(order)] = last[..] else {
        panic!("{last:?}");
    };
    assert_eq!((order.side, order.price, order.size), (*b"B", 101, 100));
    assert_eq!((order.symbol, order.trigger_sequence), (1, 42));
    assert_eq!(order.client_order, 1 << 48 | 1);

    // Nothing more while it is in flight, and the feed's end waits for the answer.
    let grow = |reference| {
        MarketMessage::from(AddOrder {
            time_ns: 11,
            reference,
            price: 100,
            size: 5,
            symbol: 1,
            side: *b"B",
            ..AddOrder::new_zeroed()
        })
    };
    assert!(send(&mut strategy, grow(3)).is_empty());
    // Its own order, another strategy's answer, an answer to an unknown order: passed over.
    assert!(send(&mut strategy, order.into()).is_empty());
    let fill = OrderFilled {
        client_order: order.client_order,
        price: 101,
        size: 60,
        remaining: 40,
        symbol: 1,
        side: *b"B",
        ..OrderFilled::new_zeroed()
    };
    for client_order in [2 << 48 | 1, 1 << 48 | 2] {
        let foreign = OrderFilled {
            client_order,
            ..fill
        };
        assert!(send(&mut strategy, foreign.into()).is_empty());
    }
    let too_much = OrderFilled { size: 101, ..fill };
    send(&mut strategy, too_much.into());
    assert_eq!(
        (strategy.position(1), strategy.counters().unexpected),
        (0, 2)
    );

    send(&mut strategy, fill.into());
    assert_eq!((strategy.position(1), strategy.cash()), (60, -6_060));
    assert!(send(&mut strategy, EndOfFeed::new_zeroed().into()).is_empty());
    let expired = OrderExpired {
        client_order: order.client_order,
        filled: 60,
        unfilled: 40,
        symbol: 1,
        ..OrderExpired::new_zeroed()
    };
    let last = send(&mut strategy, expired.into());
    let [MarketMessage::StrategyFinished(end)] = last[..] else {
        panic!("{last:?}");
    };
    assert_eq!((end.orders, end.fills, end.cash), (1, 1, -6_060));
    // Once; and no orders after the end.
    assert!(send(&mut strategy, EndOfFeed::new_zeroed().into()).is_empty());
    assert!(send(&mut strategy, grow(4)).is_empty());
}

#[test]
fn it_sends_nothing_in_a_halt_or_out_of_hours() {
    for spoiler in [
        MarketMessage::from(TradingAction {
            symbol: 1,
            state: *b"H",
            ..TradingAction::new_zeroed()
        }),
        SystemEvent {
            event: *b"M",
            ..SystemEvent::new_zeroed()
        }
        .into(),
    ] {
        let mut messages = inviting();
        messages.insert(2, spoiler);
        let mut strategy = Strategy::new(StrategyConfig::default()).unwrap();
        for message in messages {
            strategy
                .on_message(1, &message, &mut |output| panic!("{output:?}"))
                .unwrap();
        }
    }
}

#[test]
fn settings_out_of_range_are_errors() {
    let good = StrategyConfig::default();
    for bad in [
        StrategyConfig { levels: 0, ..good },
        StrategyConfig {
            threshold_per_mille: 500,
            ..good
        },
        StrategyConfig {
            threshold_per_mille: 1_001,
            ..good
        },
        StrategyConfig {
            order_size: 0,
            ..good
        },
        StrategyConfig {
            position_limit: 0,
            ..good
        },
    ] {
        assert!(matches!(
            Strategy::new(bad),
            Err(MarketError::Setting { .. })
        ));
    }
}
