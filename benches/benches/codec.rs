//! The market data codec, piece by piece: ITCH to messages, messages to and from payloads, and
//! payloads to values and text by their field tables.
//!
//! Each benchmark works through the same run of messages, of a generated day and of the sample day
//! in `SELVEDGE_DATA` (default `../shared/data` beside the workspace) where that is present. The
//! day is part of the name, so that a baseline is never compared with another day's:
//! `cargo bench -p selvedge-benches --bench codec -- --save-baseline mine`, later
//! `-- --baseline mine`.

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use selvedge_fabric::message::MessageSchema;
use selvedge_market::generator::{Generator, GeneratorConfig};
use selvedge_market::itch::{ItchFile, ItchMessage, ItchSource};
use selvedge_market::messages::MarketMessage;
use selvedge_query::{FieldValue, fields};
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::LazyLock;

/// Messages that each iteration works through: they stay in the second cache.
const MESSAGES: usize = 4096;

/// Messages passed over first, so that the market is open on both days.
const SKIPPED: usize = 100_000;

/// The longest payload of a market message.
const MAX_PAYLOAD_BYTES: usize = 64;

/// A run of messages in each of the forms that the codec takes and gives.
struct Day {
    name: &'static str,
    /// As the exchange sends them.
    itch: Vec<Vec<u8>>,
    /// As the fabric carries them.
    messages: Vec<MarketMessage>,
    /// The field tables of all types.
    tables: Vec<MessageSchema>,
    /// Which of them is each message's.
    table_of: Vec<usize>,
}

impl Day {
    fn read(name: &'static str, mut source: impl ItchSource) -> Self {
        let mut day = Day {
            name,
            itch: Vec::with_capacity(MESSAGES),
            messages: Vec::with_capacity(MESSAGES),
            tables: MarketMessage::schemas(),
            table_of: Vec::with_capacity(MESSAGES),
        };
        let mut passed = 0;
        while day.messages.len() < MESSAGES {
            let bytes = source
                .next_message()
                .expect("a sound source")
                .expect("a day long enough");
            passed += 1;
            let Some(itch) = ItchMessage::decode(bytes).expect("a sound message") else {
                continue;
            };
            if passed <= SKIPPED {
                continue;
            }
            let message = MarketMessage::from(itch);
            let table = day
                .tables
                .iter()
                .position(|table| table.message_type == message.message_type())
                .expect("a table for each type");
            day.itch.push(bytes.to_vec());
            day.table_of.push(table);
            day.messages.push(message);
        }
        day
    }

    fn payloads(&self) -> impl Iterator<Item = (&MessageSchema, &[u8])> {
        self.table_of
            .iter()
            .map(|&table| &self.tables[table])
            .zip(self.messages.iter().map(MarketMessage::as_bytes))
    }
}

/// Read once, for all benchmarks.
static DAYS: LazyLock<Vec<Day>> = LazyLock::new(|| {
    let generator = Generator::new(GeneratorConfig::default()).expect("settings in their range");
    let mut days = vec![Day::read("generated", generator)];
    let folder = std::env::var_os("SELVEDGE_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let path = folder.join("itch/nasdaq-2012-06-21-aapl-amzn-goog.itch50.gz");
    if path.is_file() {
        let file = ItchFile::open(&path).expect("the sample day opens");
        days.push(Day::read("nasdaq-2012-06-21", file));
    } else {
        eprintln!(
            "without the sample day: {} is not there (set SELVEDGE_DATA)",
            path.display()
        );
    }
    days
});

/// A benchmark for each day under the name of `what`.
fn each_day(
    criterion: &mut Criterion,
    what: &str,
    mut bench: impl FnMut(&mut BenchmarkGroup<'_, WallTime>, BenchmarkId, &Day),
) {
    let mut group = criterion.benchmark_group(what);
    group.throughput(Throughput::Elements(MESSAGES as u64));
    for day in DAYS.iter() {
        bench(&mut group, BenchmarkId::from_parameter(day.name), day);
    }
    group.finish();
}

/// The bytes checked and seen as what they are, nothing copied.
fn itch_decode(criterion: &mut Criterion) {
    each_day(criterion, "itch_decode", |group, id, day| {
        group.bench_function(id, |bencher| {
            bencher.iter(|| {
                for bytes in &day.itch {
                    black_box(ItchMessage::decode(black_box(bytes)).expect("a sound message"));
                }
            });
        });
    });
}

/// What the feed handler does with each: decoded, then turned into the fabric's layout.
fn itch_normalise(criterion: &mut Criterion) {
    each_day(criterion, "itch_normalise", |group, id, day| {
        group.bench_function(id, |bencher| {
            bencher.iter(|| {
                for bytes in &day.itch {
                    let itch = ItchMessage::decode(black_box(bytes)).expect("a sound message");
                    black_box(itch.map(MarketMessage::from));
                }
            });
        });
    });
}

/// A message's payload written to where a claim would lie.
fn payload_encode(criterion: &mut Criterion) {
    each_day(criterion, "payload_encode", |group, id, day| {
        let mut slot = [0; MAX_PAYLOAD_BYTES];
        group.bench_function(id, |bencher| {
            bencher.iter(|| {
                for message in &day.messages {
                    let bytes = black_box(message).as_bytes();
                    slot[..bytes.len()].copy_from_slice(bytes);
                    black_box(&mut slot);
                }
            });
        });
    });
}

/// What a consumer does with each frame: from type and payload to a message.
fn payload_decode(criterion: &mut Criterion) {
    each_day(criterion, "payload_decode", |group, id, day| {
        group.bench_function(id, |bencher| {
            bencher.iter(|| {
                for (schema, payload) in day.payloads() {
                    let message = MarketMessage::decode(schema.message_type, black_box(payload));
                    black_box(message.expect("a payload of its type's size"));
                }
            });
        });
    });
}

/// What queries do: every field's value, by the table.
fn table_values(criterion: &mut Criterion) {
    each_day(criterion, "table_values", |group, id, day| {
        group.bench_function(id, |bencher| {
            bencher.iter(|| {
                for (schema, payload) in day.payloads() {
                    for (_, value) in fields(schema, black_box(payload)) {
                        black_box(value);
                    }
                }
            });
        });
    });
}

/// What `tap`, `query` and `export` do: every field as text, by the table.
fn table_text(criterion: &mut Criterion) {
    type Show = fn(&mut String, &str, FieldValue<'_>);
    // Writing into a string does not fail.
    let formats: [(&str, Show); 3] = [
        ("table_text", |line, name, value| {
            let _ = write!(line, " {name}={value}");
        }),
        ("table_json", |line, name, value| {
            let _ = write!(line, ",\"{name}\":{}", value.json());
        }),
        ("table_csv", |line, _, value| {
            let _ = write!(line, ",{}", value.csv());
        }),
    ];
    for (what, show) in formats {
        each_day(criterion, what, |group, id, day| {
            let mut line = String::new();
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    for (schema, payload) in day.payloads() {
                        line.clear();
                        for (field, value) in fields(schema, black_box(payload)) {
                            show(&mut line, &field.name, value.expect("a whole payload"));
                        }
                        black_box(&line);
                    }
                });
            });
        });
    }
}

criterion_group!(
    codec,
    itch_decode,
    itch_normalise,
    payload_encode,
    payload_decode,
    table_values,
    table_text
);
criterion_main!(codec);
