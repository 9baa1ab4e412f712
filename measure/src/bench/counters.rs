//! Whether two cores' counters agree: without that, one-way times mean nothing.

use crate::child::{Child, ChildHost, ChildPlace, Spin};
use crate::clock::{Clock, CounterOffset};
use crate::cores::{CorePair, pin};
use crate::error::{MeasureError, Result};
use crate::scratch::Scratch;
use selvedge_fabric::memory::{Access, Mapping, PageKind, RegionOptions, create_region};
use selvedge_fabric::protocol::{AtomicU64, Ordering, Words};
use std::path::Path;

const FILE: &str = "counters";
const BYTES: usize = 4096;
const QUESTION_AT: usize = 0;
const ANSWER_AT: usize = 32;
const COUNTER_AT: usize = 33;
const EXCHANGES: u64 = 20_000;

fn words(directory: &Path, create: bool) -> Result<Words> {
    let path = directory.join(FILE);
    if create {
        create_region(
            &path,
            BYTES as u64,
            RegionOptions {
                pages: PageKind::Small,
                numa_node: None,
            },
        )?;
    }
    Ok(Mapping::open(&path, Access::Write)?.words(0, BYTES)?)
}

fn word(words: &Words, index: usize) -> &AtomicU64 {
    // SAFETY: the callers' indices are constants inside the page.
    unsafe { words.at(index) }
}

/// Compares the counters of the two cores by many exchanges.
pub fn compare(cores: CorePair) -> Result<CounterOffset> {
    let scratch = Scratch::new()?;
    let shared = words(scratch.path(), true)?;
    let place = ChildPlace {
        role: "counters",
        core: cores.far,
        busy: &[cores.near, cores.far],
        directory: scratch.path(),
    };
    let mut child = Child::spawn(&place, ())?;
    child.wait_ready(|| Ok(()))?;
    pin(cores.near)?;
    let clock = Clock::best();
    let mut exchanges = Vec::with_capacity(EXCHANGES as usize);
    for number in 1..=EXCHANGES {
        let before = clock.now();
        word(&shared, QUESTION_AT).store(number, Ordering::Release);
        let mut spin = Spin::new("the other core's counter");
        while word(&shared, ANSWER_AT).load(Ordering::Acquire) != number {
            spin.turn()?;
        }
        let after = clock.now();
        let far = word(&shared, COUNTER_AT).load(Ordering::Relaxed);
        exchanges.push((before, far, after));
    }
    child.finish()?;
    CounterOffset::from_exchanges(&clock, &exchanges)
        .ok_or_else(|| MeasureError::Host("no exchange of counters".to_owned()))
}

pub(crate) fn tell(host: &mut ChildHost) -> Result<serde_json::Value> {
    let shared = words(host.directory(), false)?;
    let clock = Clock::best();
    host.ready();
    let mut number = 1;
    while !host.stopped() {
        if word(&shared, QUESTION_AT).load(Ordering::Acquire) == number {
            word(&shared, COUNTER_AT).store(clock.now(), Ordering::Relaxed);
            word(&shared, ANSWER_AT).store(number, Ordering::Release);
            number += 1;
        }
    }
    Ok(serde_json::Value::Null)
}

/// Whether one-way times can be told, and what to say about it.
pub fn one_way_possible(cores: CorePair) -> Result<(bool, String)> {
    let clock = Clock::best();
    let offset = compare(cores)?;
    let difference = format!(
        "the counters of cores {} and {} differ by {:.0} ns, known to {:.0} ns",
        cores.near, cores.far, offset.offset_ns, offset.uncertainty_ns
    );
    // CLOCK_MONOTONIC is one clock for all cores by definition; the counter has to prove it.
    let possible = !clock.is_time_stamp_counter() || offset.synchronised();
    Ok((
        possible,
        if possible {
            format!("one-way times rely on one clock for both cores: {difference}")
        } else {
            format!("{difference}: too much for one-way times, so round trips are measured")
        },
    ))
}
