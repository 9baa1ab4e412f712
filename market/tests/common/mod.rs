//! What several tests need.
#![allow(dead_code)] // Each test uses its part.

pub mod model;
pub mod simulation;

use selvedge_market::generator::{Generator, GeneratorConfig};
use selvedge_market::itch::{ItchFile, ItchMessage, ItchSource};
use selvedge_market::messages::MarketMessage;
use std::path::PathBuf;

/// The folder with real market data: `SELVEDGE_DATA`, or `../shared/data` beside the workspace.
pub fn data_folder() -> PathBuf {
    match std::env::var_os("SELVEDGE_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
    }
}

/// The sample day; `None`, with a line that says so, where it is absent.
pub fn sample_day() -> Option<PathBuf> {
    let path = data_folder().join("itch/nasdaq-2012-06-21-aapl-amzn-goog.itch50.gz");
    if path.is_file() {
        return Some(path);
    }
    println!("skipped: {path:?} is absent; set SELVEDGE_DATA to the folder with the sample data");
    None
}

/// Calls `visit` with each message of a source.
pub fn for_each(source: &mut impl ItchSource, mut visit: impl FnMut(&[u8])) {
    while let Some(bytes) = source.next_message().expect("a sound source") {
        visit(bytes);
    }
}

/// Every message of a source, normalised.
pub fn normalised(source: &mut impl ItchSource) -> Vec<MarketMessage> {
    let mut messages = Vec::new();
    for_each(source, |bytes| {
        messages.extend(
            ItchMessage::decode(bytes)
                .expect("a sound message")
                .map(MarketMessage::from),
        );
    });
    messages
}

/// The sample day, normalised.
pub fn sample_messages() -> Option<Vec<MarketMessage>> {
    let mut file = ItchFile::open(sample_day()?).expect("the sample day opens");
    Some(normalised(&mut file))
}

/// A generated session.
pub fn generated(seed: u64, messages: u64, symbols: u16) -> Generator {
    Generator::new(GeneratorConfig {
        seed,
        messages,
        symbols,
        orders_per_symbol: 200,
    })
    .expect("settings in their range")
}
