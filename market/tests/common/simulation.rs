//! Strategy and exchange on one stream, as the fabric would order it.

use selvedge_market::book::BookLimits;
use selvedge_market::exchange::{Exchange, MAX_EXCHANGE_OUTPUTS};
use selvedge_market::messages::{EndOfFeed, MarketMessage};
use selvedge_market::strategy::{MAX_STRATEGY_OUTPUTS, Strategy, StrategyConfig};
use std::collections::VecDeque;
use zerocopy::FromZeros;

pub struct Outcome {
    pub strategy: Strategy,
    pub exchange: Exchange,
    /// The whole stream; a message's sequence is its place plus one.
    pub stream: Vec<MarketMessage>,
}

/// Runs a day to its end. An output enters the stream behind `delay` further messages of the feed.
/// `inspect` sees the strategy after every message.
pub fn simulate(
    messages: &[MarketMessage],
    config: StrategyConfig,
    delay: usize,
    mut inspect: impl FnMut(&Strategy, &MarketMessage),
) -> Outcome {
    let mut strategy = Strategy::new(config).expect("settings in their range");
    let mut exchange = Exchange::new(BookLimits::default()).expect("limits in their range");
    let mut stream = Vec::with_capacity(messages.len() * 2);
    let mut waiting: VecDeque<(usize, MarketMessage)> = VecDeque::new();
    let end = MarketMessage::from(EndOfFeed::new_zeroed());
    let mut feed = messages.iter().chain([&end]).enumerate().peekable();
    let mut at = 0;
    loop {
        let due = waiting.front().is_some_and(|(due, _)| *due <= at);
        let message = if due || feed.peek().is_none() {
            match waiting.pop_front() {
                Some((_, message)) => message,
                None => break,
            }
        } else {
            let (number, message) = feed.next().expect("peeked");
            at = number + 1;
            *message
        };
        stream.push(message);
        let sequence = stream.len() as u64;
        let mut outputs = 0;
        strategy
            .on_message(sequence, &message, &mut |output| {
                outputs += 1;
                waiting.push_back((at + delay, *output));
            })
            .expect("a sound stream");
        assert!(outputs <= MAX_STRATEGY_OUTPUTS);
        let mut outputs = 0;
        exchange
            .on_message(sequence, &message, &mut |output| {
                outputs += 1;
                waiting.push_back((at + delay, *output));
            })
            .expect("a sound stream");
        assert!(outputs <= MAX_EXCHANGE_OUTPUTS);
        inspect(&strategy, &message);
    }
    Outcome {
        strategy,
        exchange,
        stream,
    }
}
