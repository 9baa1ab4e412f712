//! Measures how fast messages are read, decoded and worked on, one thread, from memory.
//!
//! `cargo run --release -p selvedge-market --example rates [FILE.itch.gz]`; without a file, a
//! generated session of a million messages. Time is the thread's time on a processor where the
//! system tells it (Linux), so that other programs disturb little; else time on the clock.

use selvedge_market::MarketError;
use selvedge_market::book::{BookLimits, OrderBooks};
use selvedge_market::exchange::Exchange;
use selvedge_market::feed::Feed;
use selvedge_market::generator::{Generator, GeneratorConfig};
use selvedge_market::itch::{ItchFile, ItchMessage, ItchSource};
use selvedge_market::messages::MarketMessage;
use selvedge_market::strategy::{Strategy, StrategyConfig};
use std::hint::black_box;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// How often each measurement is made; the fastest counts.
const ROUNDS: usize = 5;

/// The thread's time so far, from any beginning.
fn now() -> Duration {
    static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
    // The first number of `schedstat` is nanoseconds on a processor: proc(5), /proc/pid/schedstat.
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .map_or_else(|| BEGINNING.elapsed(), Duration::from_nanos)
}

fn source(path: Option<&str>) -> Result<Box<dyn ItchSource>, MarketError> {
    Ok(match path {
        Some(path) => Box::new(ItchFile::open(path)?),
        None => Box::new(Generator::new(GeneratorConfig::default())?),
    })
}

fn report(
    what: &str,
    count: usize,
    mut work: impl FnMut() -> Result<Duration, MarketError>,
) -> Result<(), MarketError> {
    let mut fastest = Duration::MAX;
    for _ in 0..ROUNDS {
        fastest = fastest.min(work()?);
    }
    let each = fastest.as_secs_f64() / count as f64;
    println!(
        "{what:32} {:7.1} ns a message {:7.2} million messages a second",
        each * 1e9,
        1e-6 / each
    );
    Ok(())
}

fn main() -> Result<(), MarketError> {
    let path = std::env::args().nth(1);
    let path = path.as_deref();
    let mut bytes: Vec<Vec<u8>> = Vec::new();
    let mut messages: Vec<MarketMessage> = Vec::new();
    let mut input = source(path)?;
    while let Some(message) = input.next_message()? {
        bytes.push(message.to_vec());
        messages.extend(ItchMessage::decode(message)?.map(MarketMessage::from));
    }
    let count = messages.len();
    println!("{count} messages");

    report("source and feed", count, || {
        let mut feed = Feed::new(source(path)?);
        let start = now();
        black_box(feed.skip(u64::MAX)?);
        Ok(now().saturating_sub(start))
    })?;
    report("decode", count, || {
        let start = now();
        for message in &bytes {
            black_box(ItchMessage::decode(black_box(message))?);
        }
        Ok(now().saturating_sub(start))
    })?;
    report("decode and normalise", count, || {
        let start = now();
        for message in &bytes {
            black_box(ItchMessage::decode(black_box(message))?.map(MarketMessage::from));
        }
        Ok(now().saturating_sub(start))
    })?;
    report("books", count, || {
        let mut books = OrderBooks::new(BookLimits::default())?;
        let start = now();
        for message in &messages {
            black_box(books.apply(message)?);
        }
        Ok(now().saturating_sub(start))
    })?;
    report("books and strategy", count, || {
        let mut strategy = Strategy::new(StrategyConfig::default())?;
        let mut orders = 0u64;
        let start = now();
        for (sequence, message) in (1..).zip(&messages) {
            strategy.on_message(sequence, message, &mut |_| orders += 1)?;
        }
        black_box(orders);
        Ok(now().saturating_sub(start))
    })?;
    report("books and exchange", count, || {
        let mut exchange = Exchange::new(BookLimits::default())?;
        let start = now();
        for (sequence, message) in (1..).zip(&messages) {
            exchange.on_message(sequence, message, &mut |_| {})?;
        }
        Ok(now().saturating_sub(start))
    })
}
