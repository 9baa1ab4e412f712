//! What the always-on latency histogram costs: nanoseconds for one sample, and for the reading of
//! the tick counter that a consumer adds to it.
//!
//! `cargo run --release -p selvedge-fabric --example latency_cost`

use selvedge_fabric::host::ticks::{TickSource, monotonic_ns};
use selvedge_fabric::latency::{LatencyRecorder, LatencySubject};
use selvedge_fabric::{Fabric, FabricConfig};
use std::hint::black_box;

const SAMPLES: u64 = 5_000_000;
const ROUNDS: usize = 9;

fn main() -> selvedge_fabric::Result<()> {
    let directory = std::env::temp_dir().join(format!("latency-cost-{}", std::process::id()));
    let config = FabricConfig::new("cost").in_directory(&directory);
    let fabric = Fabric::create(&config)?;
    let subject = LatencySubject::Consumer {
        name: "cost".to_owned(),
    };
    let recorder = LatencyRecorder::create(&fabric, &subject)?;
    let ticks = TickSource::best();
    let nothing = quietest(|value| {
        black_box(value);
    });
    let record = quietest(|value| recorder.record(black_box(value)));
    let both = quietest(|value| recorder.record(black_box(value) + (ticks.now() & 1)));
    println!("one sample                      {:.2} ns", record - nothing);
    println!("with a reading of the counter   {:.2} ns", both - nothing);
    drop(recorder);
    Fabric::remove_in(&directory, "cost", true)?;
    let _ = std::fs::remove_dir(&directory);
    Ok(())
}

/// Nanoseconds a call, in the quietest of several rounds; values that spread over many buckets.
fn quietest(mut once: impl FnMut(u64)) -> f64 {
    let mut least = f64::MAX;
    for _ in 0..ROUNDS {
        let begin = monotonic_ns();
        let mut value = 12_345u64;
        for _ in 0..SAMPLES {
            // A linear congruential generator: cheap, and no two in a row alike.
            value = value
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            once(150 + (value >> 54));
        }
        least = least.min((monotonic_ns() - begin) as f64 / SAMPLES as f64);
    }
    least
}
