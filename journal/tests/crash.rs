//! Power loss, kill -9, a full disk, a broken disk: what was reported is there.

mod common;

use common::slow::Slow;
use common::*;
use proptest::prelude::*;
use selvedge_journal::storage::{Faults, MemoryStorage, Storage, StorageFile};
use selvedge_journal::{
    AlarmState, Append, Dictionary, JournalConfig, JournalError, JournalReader, JournalWriter,
    ReadOptions, SyncPolicy, Verdict, VerifyOptions, WriteMode, verify,
};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

#[test]
fn after_any_power_loss_all_that_was_durable_is_there() {
    let mut torn = 0;
    let mut lost_something = 0;
    for seed in 0..1_500_u64 {
        let storage = MemoryStorage::new();
        let config = JournalConfig {
            sync: match seed % 3 {
                0 => SyncPolicy::OnlyAtClose,
                1 => SyncPolicy::EveryBytes(6_000),
                _ => SyncPolicy::EveryBlock,
            },
            block_alignment: [64, 512, 4096][seed as usize / 3 % 3],
            ..small()
        };
        let mut writer = open(&storage, &config).unwrap();
        let last = 1 + seed * 7 % 600;
        let mut next = 0;
        while next < last {
            next = (next + 1 + seed % 37).min(last);
            append_to(&mut writer, next);
            writer.flush().unwrap();
            if next % 11 == seed % 11 {
                writer.request_sync().unwrap();
            }
        }
        let durable = writer.positions().durable();
        let found = storage.after_power_loss(seed);
        drop(writer);
        if segments(&found).is_empty() {
            panic!("seed {seed}: the first segment was durable once opened");
        }
        let report = check(&found);
        assert!(
            report.verdict <= Verdict::TornTail,
            "seed {seed}: {report:?}"
        );
        assert!(report.last_sequence >= durable, "seed {seed}: {report:?}");
        torn += u32::from(report.verdict == Verdict::TornTail);
        lost_something += u32::from(report.last_sequence < last);
        let mut writer = open(&found, &config).unwrap();
        assert_eq!(writer.next_sequence(), report.last_sequence + 1);
        append_to(&mut writer, 700);
        writer.finish().unwrap();
        assert_eq!(
            read_all(&mut reader(&found).unwrap()).unwrap(),
            700,
            "seed {seed}"
        );
        assert_eq!(check(&found).verdict, Verdict::Sealed, "seed {seed}");
    }
    // The simulated disk must really lose things, or this proves nothing.
    assert!(
        torn > 100 && lost_something > 200,
        "{torn} {lost_something}"
    );
}

/// As above with writes and syncs under way at once: the power fails at whatever moment it is.
#[test]
fn after_a_power_loss_in_the_middle_of_overlapping_writes_too() {
    let (mut behind, mut torn) = (0, 0);
    for seed in 0..1_000_u64 {
        let storage = MemoryStorage::new();
        let config = JournalConfig {
            mode: WriteMode::HelperThread,
            buffers: 2 + seed as usize % 7,
            depth: 1 + seed as usize % 4,
            sync: match seed % 3 {
                0 => SyncPolicy::EveryInterval(Duration::from_micros(seed % 500)),
                1 => SyncPolicy::EveryBytes(6_000),
                _ => SyncPolicy::EveryBlock,
            },
            ..small()
        };
        let mut writer = open(&storage, &config).unwrap();
        let positions = writer.positions();
        let last = 200 + seed * 7 % 600;
        while writer.next_sequence() <= last {
            let next = writer.next_sequence() + seed % 37;
            append_to(&mut writer, next);
            writer.flush().unwrap();
        }
        let (recorded, durable) = (positions.recorded(), positions.durable());
        let found = storage.after_power_loss(seed);
        // What was handed over is there for whoever reads before the power fails.
        assert!(check(&storage.copy()).last_sequence >= recorded, "{seed}");
        drop(writer);
        let report = check(&found);
        assert!(report.verdict <= Verdict::TornTail, "{seed}: {report:?}");
        assert!(
            report.last_sequence >= durable,
            "{seed}: {durable}, {report:?}"
        );
        behind += u32::from(report.last_sequence < last);
        torn += u32::from(report.verdict == Verdict::TornTail);
        let mut writer = open(&found, &config).unwrap();
        assert_eq!(writer.next_sequence(), report.last_sequence + 1);
        append_to(&mut writer, 900);
        writer.finish().unwrap();
        assert_eq!(read_all(&mut reader(&found).unwrap()).unwrap(), 900);
        assert_eq!(check(&found).verdict, Verdict::Sealed, "{seed}");
    }
    assert!(behind > 50 && torn > 20, "{behind} {torn}");
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// Each use of the disk may fail, soon or not at all.
    fn faults(&mut self) -> Faults {
        Faults {
            longest_write: (self.below(2) == 0).then_some(1_500),
            writes_left: (self.below(3) == 0).then(|| self.below(20)),
            syncs_left: (self.below(3) == 0).then(|| self.below(4)),
            ..Faults::default()
        }
    }
}

/// What a writer was given and has taken.
#[derive(Default)]
struct Taken {
    records: Vec<(u64, String)>,
    gaps: Vec<(u64, u64)>,
}

impl Taken {
    /// Gives the writer something, of whatever kind.
    fn one(&mut self, writer: &mut JournalWriter, random: &mut Random) -> Result<(), JournalError> {
        let next = writer.next_sequence();
        match random.below(12) {
            0 => {
                let detail = self.records.len().to_string();
                if writer.record(&activity(&detail))? {
                    self.records.push((next, detail));
                }
            }
            1 if random.below(20) == 0 => {
                if writer.declare_gap(next + 2, 1, AlarmState::Other)? {
                    self.gaps.push((next, next + 2));
                }
            }
            2 => writer.flush()?,
            3 => writer.request_sync()?,
            _ => {
                let (header, payload) = frame(next);
                if writer.append(&header, &payload)? == Append::WouldBlock {
                    std::thread::yield_now();
                }
            }
        }
        Ok(())
    }
}

/// Writes and syncs fail at random moments, opening the journal again included, and the writer
/// goes on: frames, gaps and records that were taken are all there once, each in its place.
#[test]
fn after_any_errors_all_that_was_taken_is_there_once() {
    let (mut errors, mut recoveries, mut records, mut gaps) = (0, 0, 0, 0);
    for seed in 0..500_u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let storage = MemoryStorage::new();
        let config = JournalConfig {
            mode: WriteMode::HelperThread,
            block_alignment: [64, 512, 4096][random.below(3) as usize],
            buffers: 2 + random.below(6) as usize,
            depth: 1 + random.below(4) as usize,
            sync: match random.below(4) {
                0 => SyncPolicy::EveryInterval(Duration::from_micros(random.below(500))),
                1 => SyncPolicy::EveryBytes(6_000),
                2 => SyncPolicy::EveryBlock,
                _ => SyncPolicy::OnlyAtClose,
            },
            ..small()
        };
        let mut writer = open(&storage, &config).unwrap();
        let mut taken = Taken::default();
        while writer.next_sequence() <= 400 {
            if random.below(40) == 0 {
                storage.set_faults(random.faults());
            }
            if taken.one(&mut writer, &mut random).is_err() {
                errors += 1;
                storage.set_faults(random.faults());
                writer.retry().unwrap();
            }
        }
        // From here on the disk is well: what failed before is over when this is durable.
        storage.set_faults(Faults::default());
        let positions = writer.positions();
        let last = writer.next_sequence();
        while positions.durable() < last {
            let (header, payload) = frame(last);
            let appended = match writer.next_sequence() <= last {
                true => writer.append(&header, &payload).map(|_| ()),
                false => Ok(()),
            };
            if appended.and_then(|()| writer.request_sync()).is_err() {
                writer.retry().unwrap();
            }
            std::thread::yield_now();
        }
        writer.finish().unwrap();
        let found = storage.after_power_loss(seed);
        let report = check(&found);
        assert_eq!(report.verdict, Verdict::Sealed, "{seed}: {report:?}");
        assert_eq!(activities(&found).unwrap(), taken.records, "{seed}");
        let declared: Vec<_> = report
            .gaps
            .iter()
            .map(|gap| (gap.first_sequence, gap.last_sequence))
            .collect();
        assert_eq!(declared, taken.gaps, "{seed}");
        assert_eq!(positions.gaps().2, taken.gaps.len() as u64, "{seed}");
        assert_eq!(
            sequences(&found),
            (1..=last)
                .filter(|sequence| {
                    !taken
                        .gaps
                        .iter()
                        .any(|(first, last)| (first..=last).contains(&sequence))
                })
                .collect::<Vec<_>>(),
            "{seed}"
        );
        recoveries += report.recoveries.len();
        records += taken.records.len();
        gaps += taken.gaps.len();
    }
    // They must really have failed, or this proves nothing.
    assert!(errors > 1_000 && recoveries > 1_000 && records > 10_000 && gaps > 500);
}

/// The disk is slower than whoever declares gaps: at the limit one is not taken, and neither it nor
/// a block of frames between two is lost.
#[test]
fn more_gaps_than_may_wait_are_refused_and_lose_nothing() {
    let disk = MemoryStorage::new();
    let storage = Slow {
        disk: disk.clone(),
        write_takes: Duration::from_millis(1),
    };
    let config = JournalConfig {
        mode: WriteMode::HelperThread,
        buffers: 64,
        ..small()
    };
    let mut writer = open_in(Arc::new(storage), &config).unwrap();
    append_to(&mut writer, 2);
    let (mut gaps, mut refused) = (Vec::new(), 0);
    while gaps.len() < 200 {
        let next = writer.next_sequence();
        match writer.declare_gap(next + 1, 1, AlarmState::Other).unwrap() {
            true => {
                gaps.push((next, next + 1));
                append_to(&mut writer, next + 3);
            }
            false => {
                assert_eq!(writer.next_sequence(), next);
                refused += 1;
                std::thread::yield_now();
            }
        }
    }
    let last = writer.next_sequence() - 1;
    writer.finish().unwrap();
    assert!(refused > 0);
    let report = check(&disk);
    assert_eq!(report.verdict, Verdict::Sealed, "{report:?}");
    let declared = report.gaps.iter();
    let declared: Vec<_> = declared
        .map(|gap| (gap.first_sequence, gap.last_sequence))
        .collect();
    assert_eq!(declared, gaps);
    let left_out = 2 * gaps.len();
    assert_eq!(sequences(&disk).len(), last as usize - left_out);
}

/// The sequences of all frames, gaps left out; each is as it was given.
fn sequences(storage: &MemoryStorage) -> Vec<u64> {
    let options = ReadOptions {
        allow_gaps: true,
        ..ReadOptions::default()
    };
    let mut reader = JournalReader::open_in(Arc::new(storage.clone()), options).unwrap();
    let mut found = Vec::new();
    while let Some((header, payload)) = reader.next().unwrap() {
        assert_eq!(payload, frame(header.sequence()).1);
        found.push(header.sequence());
    }
    found
}

#[test]
fn a_full_disk_stops_the_writer_and_loses_nothing() {
    for mode in [WriteMode::Inline, WriteMode::HelperThread] {
        let storage = MemoryStorage::new();
        let config = JournalConfig {
            mode,
            sync: SyncPolicy::EveryBlock,
            ..small()
        };
        let mut writer = open(&storage, &config).unwrap();
        let positions = writer.positions();
        // The first segment is reserved; the second does not fit.
        storage.set_faults(Faults {
            space_left: Some(30_000),
            ..Faults::default()
        });
        let error = loop {
            let (header, payload) = frame(writer.next_sequence());
            match writer.append(&header, &payload) {
                Ok(Append::Done) => assert!(writer.next_sequence() < 5_000, "never full"),
                Ok(Append::WouldBlock) => std::thread::yield_now(),
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("free space"), "{error}");
        assert_eq!(
            matches!(error, JournalError::Stopped { .. }),
            mode == WriteMode::HelperThread
        );
        let appended = writer.next_sequence() - 1;
        let recorded = positions.recorded();
        assert!(recorded > 0 && recorded < appended);
        // What is reported is on disk, and what is on disk is right.
        let now = storage.after_power_loss(1);
        let report = check(&now);
        assert!(report.verdict <= Verdict::TornTail, "{report:?}");
        assert!(report.last_sequence >= positions.durable());
        assert_eq!(check(&storage).last_sequence, recorded);
        // It stays stopped, takes nothing, and goes on when there is space again.
        let (header, payload) = frame(writer.next_sequence());
        assert!(writer.append(&header, &payload).is_err());
        assert!(writer.flush().is_err());
        storage.set_faults(Faults::default());
        writer.retry().unwrap();
        append_to(&mut writer, appended + 500);
        let end = writer.finish().unwrap();
        assert_eq!(end.last_sequence, appended + 500);
        assert_eq!(
            read_all(&mut reader(&storage).unwrap()).unwrap(),
            appended + 500
        );
        let report = check(&storage);
        assert_eq!(report.verdict, Verdict::Sealed, "{report:?}");
    }
}

#[test]
fn a_failing_write_can_be_tried_again_wherever_it_fails() {
    // The n-th write fails, for every n: frames, dictionary, snapshot, index, seal, header page.
    for allowed in 0..60 {
        let storage = MemoryStorage::new();
        let mut writer = open(&storage, &small()).unwrap();
        storage.set_faults(Faults {
            writes_left: Some(allowed),
            longest_write: Some(3_000),
            ..Faults::default()
        });
        let mut failures = 0;
        while writer.next_sequence() <= 1_000 {
            let (header, payload) = frame(writer.next_sequence());
            match writer.append(&header, &payload) {
                Ok(done) => assert_eq!(done, Append::Done),
                Err(error) => {
                    assert!(error.to_string().contains("os error 5"), "{error}");
                    assert_eq!(check(&storage).last_sequence, writer.positions().recorded());
                    failures += 1;
                    storage.set_faults(Faults::default());
                }
            }
        }
        assert_eq!(failures, 1, "{allowed}");
        writer.finish().unwrap();
        let report = check(&storage);
        assert_eq!(report.verdict, Verdict::Sealed, "{allowed}: {report:?}");
        assert_eq!(read_all(&mut reader(&storage).unwrap()).unwrap(), 1_000);
    }
}

#[test]
fn after_a_failed_sync_nothing_more_is_called_durable() {
    for mode in [WriteMode::Inline, WriteMode::HelperThread] {
        let storage = MemoryStorage::new();
        let config = JournalConfig {
            mode,
            sync: SyncPolicy::EveryBlock,
            ..small()
        };
        let mut writer = open(&storage, &config).unwrap();
        let positions = writer.positions();
        append_to(&mut writer, 50);
        writer.flush().unwrap();
        while positions.durable() < 50 {
            std::thread::yield_now();
        }
        storage.set_faults(Faults {
            syncs_left: Some(0),
            ..Faults::default()
        });
        append_to(&mut writer, 60);
        let failed = loop {
            if let Err(error) = writer.request_sync() {
                break error;
            }
        };
        assert!(failed.to_string().contains("sync"), "{failed}");
        assert_eq!(positions.durable(), 50);
        storage.set_faults(Faults::default());
        if mode == WriteMode::Inline {
            // It kept nothing, and says what to do, even if the disk then claims to be well.
            let error = writer.request_sync().unwrap_err();
            assert!(error.to_string().contains("sequence 50"), "{error}");
            assert_eq!(positions.durable(), 50);
            writer.retry().unwrap();
            assert_eq!((writer.next_sequence(), positions.recorded()), (51, 50));
        } else {
            // It cuts what it cannot believe and writes it again from staging.
            writer.retry().unwrap();
        }
        append_to(&mut writer, 70);
        writer.finish().unwrap();
        assert_eq!(positions.durable(), 70);
        let found = storage.after_power_loss(7);
        let report = check(&found);
        assert_eq!(report.verdict, Verdict::Sealed, "{report:?}");
        assert_eq!(report.recoveries.len(), 1);
        assert_eq!(read_all(&mut reader(&found).unwrap()).unwrap(), 70);
    }
}

/// Whichever sync fails, of a segment or of the directory: once it was tried again, what is called
/// durable is.
#[test]
fn a_failing_sync_can_be_tried_again_wherever_it_fails() {
    for allowed in 0..60 {
        let storage = MemoryStorage::new();
        let config = JournalConfig {
            sync: SyncPolicy::EveryBlock,
            ..small()
        };
        let mut writer = open(&storage, &config).unwrap();
        storage.set_faults(Faults {
            syncs_left: Some(allowed),
            ..Faults::default()
        });
        let last = loop {
            let (header, payload) = frame(writer.next_sequence());
            if writer.append(&header, &payload).is_err() {
                break header.sequence() + 10;
            }
        };
        storage.set_faults(Faults::default());
        writer.retry().unwrap();
        append_to(&mut writer, last);
        writer.request_sync().unwrap();
        assert_eq!(writer.positions().durable(), last);
        for seed in 0..8 {
            let report = check(&storage.after_power_loss(seed));
            assert!(report.verdict <= Verdict::TornTail, "{allowed}: {report:?}");
            assert!(report.last_sequence >= last, "{allowed}: {report:?}");
        }
    }
}

/// A write fails, and then one of the syncs with which the journal is opened again: what the page
/// cache still shows may not be on the disk.
#[test]
fn what_a_failed_sync_was_to_make_durable_when_opening_again_is_not_believed() {
    for allowed in 0..3 {
        let storage = MemoryStorage::new();
        let config = JournalConfig {
            mode: WriteMode::HelperThread,
            buffers: 16,
            ..small()
        };
        let mut writer = open(&storage, &config).unwrap();
        let positions = writer.positions();
        append_to(&mut writer, 10);
        writer.flush().unwrap();
        while positions.recorded() < 10 {
            std::thread::yield_now();
        }
        append_to(&mut writer, 20);
        storage.set_faults(Faults {
            writes_left: Some(0),
            ..Faults::default()
        });
        wait_for_error(&mut writer);
        storage.set_faults(Faults {
            syncs_left: Some(allowed),
            ..Faults::default()
        });
        writer.retry().unwrap();
        wait_for_error(&mut writer);
        storage.set_faults(Faults::default());
        writer.retry().unwrap();
        while positions.durable() < 20 {
            if writer.request_sync().is_err() {
                writer.retry().unwrap();
            }
            std::thread::yield_now();
        }
        for seed in 0..8 {
            let report = check(&storage.after_power_loss(seed));
            assert!(report.verdict <= Verdict::TornTail, "{allowed}: {report:?}");
            assert!(report.last_sequence >= 20, "{allowed}: {report:?}");
        }
    }
}

/// Inline, after a failed sync, and nothing done about it: no call claims success.
#[test]
fn inline_a_failed_sync_is_not_passed_over() {
    let storage = MemoryStorage::new();
    let mut writer = open(&storage, &small()).unwrap();
    append_to(&mut writer, 50);
    storage.set_faults(Faults {
        syncs_left: Some(0),
        ..Faults::default()
    });
    assert!(writer.request_sync().is_err());
    storage.set_faults(Faults::default());
    assert!(writer.request_sync().is_err());
    assert_eq!(writer.positions().durable(), 0);
    assert!(writer.finish().is_err());
}

const GONE: &str = "the disk is gone, as this test wants it";

/// A disk whose driver is not only wrong but gone: the thread that uses it panics.
#[derive(Debug)]
struct Panicking {
    disk: MemoryStorage,
    on_write: bool,
    left: Arc<AtomicU32>,
    /// The last write before the panic fails, when the one that panics is under way, and is
    /// answered before that.
    fails_first: Option<Arc<Barrier>>,
}

impl Panicking {
    /// How often it may still be called, this time included; `None`: not any more.
    fn count_down(left: &AtomicU32) -> Option<u32> {
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(1)
        })
        .ok()
    }
}

impl Storage for Panicking {
    fn describe(&self) -> String {
        self.disk.describe()
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }
    fn create(&self, name: &str, bytes: u64) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(PanickingFile {
            file: self.disk.create(name, bytes)?,
            left: self.on_write.then(|| Arc::clone(&self.left)),
            fails_first: self.fails_first.clone(),
        }))
    }
    fn open(&self, name: &str, write: bool) -> io::Result<Box<dyn StorageFile>> {
        self.disk.open(name, write)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if !self.on_write {
            Self::count_down(&self.left).expect(GONE);
        }
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn sync_directory(&self) -> io::Result<()> {
        self.disk.sync_directory()
    }
    fn lock(&self) -> io::Result<Box<dyn std::any::Any + Send>> {
        self.disk.lock()
    }
}

#[derive(Debug)]
struct PanickingFile {
    file: Box<dyn StorageFile>,
    left: Option<Arc<AtomicU32>>,
    fails_first: Option<Arc<Barrier>>,
}

impl StorageFile for PanickingFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(into, offset)
    }
    fn write_at(&self, from: &[u8], offset: u64) -> io::Result<usize> {
        if let Some(left) = &self.left {
            match (Panicking::count_down(left), &self.fails_first) {
                (Some(1), Some(both_are_here)) => {
                    both_are_here.wait();
                    return Err(io::Error::from_raw_os_error(5));
                }
                (None, Some(both_are_here)) => {
                    both_are_here.wait();
                    // Time enough for the other one's answer.
                    std::thread::sleep(Duration::from_millis(100));
                    panic!("{GONE}");
                }
                (None, None) => panic!("{GONE}"),
                (Some(_), _) => {}
            }
        }
        self.file.write_at(from, offset)
    }
    fn resize(&self, bytes: u64) -> io::Result<()> {
        self.file.resize(bytes)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

/// Writes through threads until one panics: that is an error, and what is on disk is what a crash
/// leaves.
fn writes_until_a_thread_panics(storage: Panicking, buffers: usize) {
    let disk = storage.disk.clone();
    let config = JournalConfig {
        mode: WriteMode::HelperThread,
        buffers,
        ..small()
    };
    let mut writer = open_in(Arc::new(storage), &config).unwrap();
    let error = loop {
        let (header, payload) = frame(writer.next_sequence());
        match writer.append(&header, &payload) {
            Ok(Append::Done) => {}
            Ok(Append::WouldBlock) => std::thread::yield_now(),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, JournalError::HelperGone), "{error}");
    drop(writer);
    assert!(check(&disk).verdict <= Verdict::TornTail);
    let mut writer = open(&disk, &config).unwrap();
    append_to(&mut writer, 2_000);
    writer.finish().unwrap();
    assert_eq!(check(&disk).verdict, Verdict::Sealed);
}

/// A thread of the journal that is gone gives no slot back: to answer "would block" then would be
/// for ever.
#[test]
fn a_thread_that_panics_is_an_error_and_not_a_wait_for_ever() {
    // Writes are made by workers, the names of segments are given by the thread above them.
    for (on_write, left) in [(true, 12), (false, 1)] {
        let storage = Panicking {
            disk: MemoryStorage::new(),
            on_write,
            left: Arc::new(AtomicU32::new(left)),
            fails_first: None,
        };
        writes_until_a_thread_panics(storage, 4);
    }
}

/// An error is being dealt with when another thread panics, and a block with it: the journal does
/// not go on behind the hole.
#[test]
fn a_thread_that_panics_while_an_error_is_dealt_with_leaves_no_hole() {
    let storage = Panicking {
        disk: MemoryStorage::new(),
        on_write: true,
        left: Arc::new(AtomicU32::new(12)),
        fails_first: Some(Arc::new(Barrier::new(2))),
    };
    writes_until_a_thread_panics(storage, 8);
}

const CHILD_DIRECTORY: &str = "SELVEDGE_JOURNAL_TEST_CHILD";

/// Not a test of its own: the process that gets killed. Tells `durable` through its output.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Ok(directory) = std::env::var(CHILD_DIRECTORY) else {
        return;
    };
    let mut writer = JournalWriter::open(
        Path::new(&directory),
        &identity(),
        1,
        &Dictionary::default(),
        &on_disk(),
    )
    .unwrap();
    let positions = writer.positions();
    let mut told = 0;
    let mut out = std::io::stderr();
    loop {
        let next = writer.next_sequence() + 23;
        append_to(&mut writer, next);
        writer.flush().unwrap();
        let durable = positions.durable();
        // Slow enough that the parent can check everything after each round.
        std::thread::sleep(Duration::from_micros(50));
        if durable > told {
            told = durable;
            writeln!(out, "durable {told}").unwrap();
        }
    }
}

fn on_disk() -> JournalConfig {
    JournalConfig {
        block_bytes: 16 << 10,
        segment_bytes: 256 << 10,
        buffers: 4,
        sync: SyncPolicy::EveryInterval(Duration::from_micros(300)),
        ..JournalConfig::default()
    }
}

#[test]
fn killed_thirty_times_all_that_was_told_durable_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let mut durable = 0;
    let mut went_on = 0;
    for round in 0..30_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "child_that_writes_until_it_is_killed",
                "--nocapture",
            ])
            .env(CHILD_DIRECTORY, directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stderr.take().unwrap();
        let killer = std::thread::spawn(move || {
            // From the middle of opening on, to some segments later.
            std::thread::sleep(Duration::from_micros(2_000 + round * round * 211 % 97_000));
            child.kill().unwrap();
            child.wait().unwrap();
        });
        let before = durable;
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(told) = line.strip_prefix("durable ") {
                // A line that the kill cut short has too few digits: no more than was said.
                durable = durable.max(told.parse().unwrap_or(0));
            } else {
                assert!(!line.contains("panicked"), "{line}");
            }
        }
        killer.join().unwrap();
        went_on += u32::from(durable > before);
        if durable == 0 {
            continue;
        }
        let report = verify(directory.path(), &VerifyOptions::default(), &mut |_| ()).unwrap();
        assert!(
            report.verdict <= Verdict::TornTail,
            "round {round}: {report:?}"
        );
        assert!(
            report.last_sequence >= durable,
            "round {round}: {durable}, {report:?}"
        );
    }
    assert!(went_on >= 10, "only {went_on} of 30 children came to write");
    let mut reader = JournalReader::open(directory.path()).unwrap();
    assert!(read_all(&mut reader).unwrap() >= durable);
    // A child killed between two segments leaves a sealed end.
    reader.tail().unwrap();
}

fn fuzz(original: &MemoryStorage, changes: &[(usize, usize, Vec<u8>, u8)]) {
    let storage = original.copy();
    let names = segments(&storage);
    for (file, at, bytes, action) in changes {
        let name = &names[file % names.len()];
        storage.change(name, |data| {
            let at = at % (data.len() + 1);
            match action {
                0 => data.truncate(at),
                1 => {
                    data.splice(at..at, bytes.iter().copied());
                }
                2 => {
                    let end = (at + bytes.len()).min(data.len());
                    data.drain(at..end);
                }
                _ => {
                    for (place, byte) in data[at..].iter_mut().zip(bytes) {
                        *place = *byte;
                    }
                    // With a right CRC the change comes through to what lies behind that check.
                    if *action > 3 {
                        mend(data);
                    }
                }
            }
        });
    }
    let report = check(&storage);
    let options = ReadOptions {
        check_hashes: changes.len().is_multiple_of(2),
        ..ReadOptions::default()
    };
    if let Ok(mut reader) = JournalReader::open_in(Arc::new(storage.clone()), options) {
        let mut frames = 0;
        while let Ok(Some((header, payload))) = reader.next() {
            assert_eq!(header.length(), payload.len());
            frames += 1;
        }
        assert!(frames <= 10_000);
        for sequence in [0, 1, 60, 150, u64::MAX] {
            if reader.seek(sequence).is_ok() {
                let _ = reader.next();
            }
        }
        let _ = reader.tail();
    }
    if let Ok(mut writer) = open(&storage, &small()) {
        let next = writer.next_sequence();
        let _ = writer.append(&header_of(next, 7, 3, 0), &[]);
        let _ = writer.finish();
        // Whatever a writer takes over, it must not make worse.
        if report.verdict <= Verdict::TornTail {
            assert_eq!(check(&storage).verdict, Verdict::Sealed);
        }
    }
}

/// Makes the CRC and the hash of every block that can be found right.
fn mend(data: &mut [u8]) {
    use selvedge_journal::format::{BLOCK_HEADER_BYTES, BlockHeader};
    use zerocopy::IntoBytes;
    for at in block_offsets(data) {
        let Some(mut header) = BlockHeader::from_prefix(&data[at..]) else {
            continue;
        };
        let start = at + BLOCK_HEADER_BYTES;
        let Some(payload) = data.get(start..start + header.payload_bytes as usize) else {
            continue;
        };
        header.hash = header.compute_hash(payload);
        header.crc32c = header.compute_crc(payload);
        data[at..start].copy_from_slice(header.as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn mutated_journals_never_panic_hang_or_take_memory(
        changes in proptest::collection::vec(
            (
                any::<usize>(),
                prop_oneof![0_usize..9_000, any::<usize>()],
                proptest::collection::vec(any::<u8>(), 1..40),
                0_u8..9,
            ),
            1..6,
        ),
        finished in any::<bool>(),
    ) {
        let storage = journal(90, 9, &small());
        if !finished {
            let mut writer = open(&storage, &small()).unwrap();
            append_to(&mut writer, 150);
        }
        fuzz(&storage, &changes);
    }
}
