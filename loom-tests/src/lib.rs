//! What the models share: how one is explored, how one ordering is weakened, and small rings.
//!
//! The models are in `tests/`, one concept a file. They compile the shipped source of
//! [`selvedge_fabric::protocol`]: built with `--cfg loom`, its words are loom's atomics, and loom
//! runs every interleaving of the threads (up to the preemption bound that a model names) with
//! every value that the memory model lets each load return. Run them with
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p selvedge-loom-tests --release
//! ```
//!
//! All of it takes about a minute. `LOOM_MAX_PREEMPTIONS` overrides the bounds of all models,
//! for a deeper search or a quicker one.
//!
//! Without `--cfg loom` the whole crate compiles to nothing.
//!
//! # Two kinds of test
//!
//! `holds` explores a model of the protocol as shipped, and checks that the situations which the
//! model is about really occurred in some execution, so that no model holds for want of anything
//! happening. `fails_without` explores the same model with one ordering weakened, which must
//! break it, and break it by what the model requires rather than by a limit of loom. `breaks` is the
//! same for a rule of the protocol that the model leaves out itself.
//!
//! # What loom does not show
//!
//! - A load never returns a store that comes later in the execution, so what a release store does
//!   for *loads* before it cannot show in values. The models put `Places` beside the
//!   slots: loom reports when a write to one is not ordered after the reads. That is also what the
//!   product needs, where in-place reads and writes are plain memory accesses.
//! - Sequentially consistent accesses count as acquire-release only. The protocols rely on
//!   sequentially consistent *fences*, which loom models.
//! - A fence is not a point where threads switch, only atomic accesses are. A fence commutes with
//!   everything except other sequentially consistent fences and runs right after the access before
//!   it, so a fence that comes late is covered by an access before it that comes late.
//! - On x86-64 the product leaves out the fence of `SyncPoint::EpochCheck` and relies on the
//!   processor's order of loads instead. The models show the protocol with the fence.
#![cfg(loom)]

use selvedge_fabric::frame::FrameHeader;
use selvedge_fabric::protocol::Words;
use selvedge_fabric::protocol::epoch::{BankHeader, EpochCell, EpochWord, Opened};
use selvedge_fabric::protocol::ingress::RingShape;
use selvedge_fabric::protocol::ordering::weaken;
use selvedge_fabric::protocol::stream::{
    FRAME_HEADER_WORDS, OverwriteBound, StreamReader, StreamWriter,
};
use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Instant;

pub use selvedge_fabric::protocol::ordering::SyncPoint;

/// The three epochs of the models, in banks of their own.
pub const FIRST: EpochWord = EpochWord::new(1, 0);
/// The epoch after [`FIRST`].
pub const SECOND: EpochWord = EpochWord::new(2, 1);
/// The epoch after [`SECOND`].
pub const THIRD: EpochWord = EpochWord::new(3, 2);

/// How every requirement of a model that is broken begins its message.
const VIOLATED: &str = "violated: ";

/// How loom begins its message where one of the [`Places`] is touched by two threads at once.
const RACE: &str = "Causality violation";

/// One model at a time: the weakening is a switch of the whole process.
static TURN: Mutex<()> = Mutex::new(());

/// What happened in any execution of the model that is explored.
static SEEN: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Set while a weakened model runs: the execution that breaks it panics, as it should.
static QUIET: AtomicBool = AtomicBool::new(false);

/// What a panic says, if it says anything.
fn message(payload: &dyn Any) -> Option<&str> {
    payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
}

/// Leaves out the panics that are no news. Those without a message are how loom's threads end.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = take_hook();
        set_hook(Box::new(move |info| {
            if message(info.payload()).is_some() && !QUIET.load(Ordering::Relaxed) {
                report(info);
            }
        }));
    });
}

/// Notes that this execution has reached the situation `what`.
pub fn saw(what: &'static str) {
    lock(&SEEN).insert(what);
}

/// A requirement of the model.
///
/// # Panics
///
/// Where `kept` is false: this execution breaks the protocol.
#[track_caller]
pub fn require(kept: bool, what: &str) {
    if !kept {
        panic!("{VIOLATED}{what}");
    }
}

/// Says on the way out how many executions there were.
struct Report {
    executions: std::sync::Arc<AtomicU64>,
    began: Instant,
}

impl Drop for Report {
    fn drop(&mut self) {
        println!(
            "{} executions in {:.1?}",
            self.executions.load(Ordering::Relaxed),
            self.began.elapsed()
        );
    }
}

fn explore(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let executions = std::sync::Arc::new(AtomicU64::new(0));
    let _report = Report {
        executions: executions.clone(),
        began: Instant::now(),
    };
    let model = move || {
        executions.fetch_add(1, Ordering::Relaxed);
        model();
    };
    let mut builder = loom::model::Builder::new();
    // Loom's own variable, which the builder has read, goes first.
    builder.preemption_bound = builder.preemption_bound.or(preemptions);
    builder.max_branches = 10_000;
    builder.check(model);
}

/// Explores `model` with all orderings as shipped, with at most `preemptions` switches away from a
/// thread that could go on (`None`: any number), and requires that each situation in `seen` occurred.
///
/// # Panics
///
/// Where an execution breaks the model, or none reached one of the situations.
pub fn holds(preemptions: Option<usize>, seen: &[&str], model: impl Fn() + Send + Sync + 'static) {
    let _turn = lock(&TURN);
    hush();
    weaken(None);
    lock(&SEEN).clear();
    explore(preemptions, model);
    for what in seen {
        assert!(lock(&SEEN).contains(what), "no execution saw: {what}");
    }
}

/// Explores `model` with the ordering at `point` weakened: some execution must break it.
///
/// # Panics
///
/// Where no execution does, or one ends for another reason than a broken requirement.
#[track_caller]
pub fn fails_without(
    point: SyncPoint,
    preemptions: Option<usize>,
    model: impl Fn() + Send + Sync + 'static,
) {
    let file = std::path::Path::new(std::panic::Location::caller().file());
    assert!(
        shown_in(point)
            .iter()
            .any(|name| file.ends_with(format!("{name}.rs"))),
        "{point:?} is not listed for {file:?}"
    );
    let message = explore_broken(Some(point), preemptions, model);
    println!("without {point:?}: {message}");
}

/// Explores a `model` that leaves a rule of the protocol out, with all orderings as shipped: some
/// execution must break it.
///
/// # Panics
///
/// As [`fails_without`].
pub fn breaks(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let message = explore_broken(None, preemptions, model);
    println!("without the rule: {message}");
}

/// Explores a model that must break. Returns what the first broken execution says.
fn explore_broken(
    point: Option<SyncPoint>,
    preemptions: Option<usize>,
    model: impl Fn() + Send + Sync + 'static,
) -> String {
    let _turn = lock(&TURN);
    hush();
    QUIET.store(true, Ordering::Relaxed);
    weaken(point);
    let outcome = catch_unwind(AssertUnwindSafe(|| explore(preemptions, model)));
    weaken(None);
    QUIET.store(false, Ordering::Relaxed);
    let Err(panic) = outcome else {
        panic!(
            "no execution breaks this model: what it leaves out is not shown to be needed ({point:?})"
        );
    };
    let message = message(&*panic).unwrap_or("a panic without a message");
    assert!(
        message.starts_with(VIOLATED) || message.contains(RACE),
        "the model ended for another reason than what it leaves out ({point:?}): {message}"
    );
    message.to_owned()
}

/// The files under `tests/` whose models break without the ordering at `point`. The compiler asks
/// for a line here, and so for a model, for each new one.
fn shown_in(point: SyncPoint) -> &'static [&'static str] {
    match point {
        SyncPoint::IngressPublish | SyncPoint::IngressAcquire => &["ingress_ring"],
        SyncPoint::ConsumedRelease => &["ingress_ring", "takeover_producers"],
        SyncPoint::ConsumedAcquire => &["ingress_ring"],
        SyncPoint::StreamPublish | SyncPoint::StreamAcquire => {
            &["stream_gating", "takeover_producers"]
        }
        SyncPoint::CursorRelease | SyncPoint::CursorAcquire => {
            &["stream_gating", "cursor_handover"]
        }
        SyncPoint::OverwriteRelease | SyncPoint::OverwriteAcquire => &["stream_overrun", "attach"],
        SyncPoint::TakeoverFence => &["takeover_readers", "takeover_producers", "cursor_handover"],
        SyncPoint::EpochCheck => &["takeover_readers", "takeover_producers"],
        SyncPoint::OpenRelease | SyncPoint::OpenAcquire => &["takeover_readers", "attach"],
        SyncPoint::SnapshotRelease | SyncPoint::SnapshotAcquire => &["snapshots"],
        SyncPoint::GrantFence => &["cursor_handover"],
        SyncPoint::RecordRelease | SyncPoint::RecordAcquire => &["records"],
    }
}

/// Stands beside the slots of a ring for the memory that is read and written in place by plain
/// accesses: loom reports a read and a write that no ordering keeps apart.
#[derive(Clone, Default)]
pub struct Places {
    cells: std::sync::Arc<Vec<Place>>,
}

#[derive(Default)]
struct Place(loom::cell::UnsafeCell<()>);

// SAFETY: the cell holds nothing. Loom, which runs one thread at a time, watches the accesses.
unsafe impl Sync for Place {}

impl Places {
    /// Places for a ring of `capacity` slots.
    pub fn new(capacity: u64) -> Self {
        Places {
            cells: std::sync::Arc::new((0..capacity).map(|_| Place::default()).collect()),
        }
    }

    /// No places: only what the words carry counts, so that a broken model breaks in the values.
    pub fn unwatched() -> Self {
        Places::default()
    }

    fn at(&self, sequence: u64) -> Option<&Place> {
        let capacity = self.cells.len().max(1) as u64;
        self.cells.get((sequence % capacity) as usize)
    }

    /// Reads the slot of `sequence` in place.
    pub fn read(&self, sequence: u64) {
        if let Some(place) = self.at(sequence) {
            place.0.with(|_| ());
        }
    }

    /// Writes the slot of `sequence` in place.
    pub fn write(&self, sequence: u64) {
        if let Some(place) = self.at(sequence) {
            place.0.with_mut(|_| ());
        }
    }
}

/// A value of which the model knows that it is there.
///
/// # Panics
///
/// Where it is not: the model itself is wrong.
#[track_caller]
pub fn sure<T>(value: Option<T>) -> T {
    value.expect("the model gives what is needed")
}

/// The shape of a ring of `capacity` slots of `slot_words` words.
pub fn shape(capacity: u64, slot_words: usize) -> RingShape {
    sure(RingShape::new(capacity, slot_words))
}

/// A cell that says that `epoch` is current.
pub fn epoch_cell(epoch: EpochWord) -> EpochCell {
    let cell = sure(EpochCell::new(Words::private(1)));
    require(cell.take_over(EpochWord::NONE, epoch), "a cell is new");
    cell
}

/// What a frame of `epoch` carries at `sequence` in these models: different for any two.
pub fn content(epoch: EpochWord, sequence: u64) -> u64 {
    epoch.epoch() * 1_000 + sequence
}

/// A bank: what the sequencer of one epoch writes.
#[derive(Clone)]
pub struct Bank {
    /// Which epoch it serves.
    pub header: BankHeader,
    /// The ring's words.
    pub slots: Words,
    /// The ring's shape.
    pub shape: RingShape,
    /// What is being overwritten.
    pub bound: OverwriteBound,
}

impl Bank {
    /// A closed bank with an empty ring of `capacity` slots.
    pub fn new(capacity: u64) -> Self {
        let shape = shape(capacity, 2 * FRAME_HEADER_WORDS);
        Bank {
            header: sure(BankHeader::new(Words::private(
                selvedge_fabric::protocol::LINE_WORDS,
            ))),
            slots: Words::private(shape.words()),
            shape,
            bound: sure(OverwriteBound::new(Words::private(2))),
        }
    }

    /// The bank, open for [`FIRST`] from sequence 1 on.
    pub fn first(capacity: u64) -> Self {
        let bank = Bank::new(capacity);
        bank.open(FIRST, 1, EpochWord::NONE);
        bank
    }

    /// Opens it.
    pub fn open(&self, epoch: EpochWord, first_sequence: u64, previous: EpochWord) {
        self.header.open(Opened {
            epoch,
            first_sequence,
            previous,
        });
    }

    /// A writer into it.
    pub fn writer(&self, epoch: EpochWord, first: u64) -> StreamWriter {
        sure(StreamWriter::new(
            self.slots.clone(),
            self.shape,
            epoch,
            self.bound.clone(),
            first,
        ))
    }

    /// A reader of it.
    pub fn reader(&self, epoch: EpochWord, next: u64, closed_at: Option<u64>) -> StreamReader {
        sure(StreamReader::new(
            self.slots.clone(),
            self.shape,
            epoch,
            next,
            closed_at,
        ))
    }
}

/// Publishes the next frame, with [`content`] in its source word and its payload.
pub fn publish(writer: &mut StreamWriter) {
    let value = content(writer.epoch(), writer.next());
    writer.publish(0, FrameHeader::source_word(0, value), 0, 1, |_| value);
}

/// Publishes the next `count` frames at once, the last one's word first, without regard for
/// anybody. The content is that of [`publish`].
pub fn publish_group(writer: &mut StreamWriter, count: u64) {
    if writer.room() < count {
        writer.extend(None);
    }
    let (epoch, next) = (writer.epoch(), writer.next());
    let mut run = writer.run();
    for ahead in 0..count {
        let value = content(epoch, next + ahead);
        run.write(ahead, 0, FrameHeader::source_word(0, value), 0, 1, |_| {
            value
        });
    }
    run.publish_written(count);
}

/// Publishes the next frame without regard for anybody.
pub fn publish_ungated(writer: &mut StreamWriter) {
    if writer.room() == 0 {
        writer.extend(None);
    }
    publish(writer);
}

/// The content of the reader's next frame, or of whatever lies in its slot; `None` where the two
/// words that carry it differ.
pub fn copy(reader: &StreamReader) -> Option<u64> {
    let source = reader.word(0, 2);
    let payload = reader.word(0, FRAME_HEADER_WORDS);
    (source == payload).then_some(payload)
}
