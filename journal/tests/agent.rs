//! The journal of a living fabric: killed, out of space, failing, followed.

mod common;

use common::slow::Slow;
use selvedge_fabric::agent::{Agent, Progress};
use selvedge_fabric::memory::Pages;
use selvedge_fabric::{Fabric, FabricConfig, Producer};
use selvedge_journal::format::Action;
use selvedge_journal::storage::{Faults, MemoryStorage};
use selvedge_journal::{
    AlarmState, FollowFrom, Follower, FollowerPlace, JournalAgent, JournalConfig, JournalReader,
    JournalView, ReadOptions, Record, SyncPolicy, Verdict, VerifyOptions, WhenStopped,
    announce_action, verify, verify_in,
};
use selvedge_sequencer::{Sequencer, SequencerConfig};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

selvedge_fabric::message! {
    /// A numbered message.
    pub struct Number: type 0x77, name "test.number", version 1 {
        /// Its number.
        pub number: u64;
        /// Something to write.
        pub filler: [u8; 24];
    }
}

/// Nothing here takes that long, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

struct Stream {
    directory: tempfile::TempDir,
    fabric: Fabric,
    sequencer: Sequencer,
    producer: Producer,
    next: u64,
}

impl Stream {
    fn new(slots: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = FabricConfig::new("test").in_directory(directory.path());
        config.pages = Pages::Small;
        config.stream_capacity = slots;
        config.stream_payload_bytes = 1 << 16;
        config.ingress_capacity = 256;
        config.ingress_payload_bytes = 1 << 16;
        let fabric = Fabric::create(&config).unwrap();
        let mut sequencer = Sequencer::start(&fabric, &SequencerConfig::default()).unwrap();
        let mut pending = fabric
            .producer("numbers")
            .message::<Number>()
            .begin()
            .unwrap();
        let producer = loop {
            sequencer.do_work().unwrap();
            if let Some(producer) = pending.poll().unwrap() {
                break producer;
            }
        };
        Stream {
            directory,
            fabric,
            sequencer,
            producer,
            next: 0,
        }
    }

    fn journal(&self) -> PathBuf {
        self.directory.path().join("the-journal")
    }

    /// Publishes a few messages as far as there is room; how many.
    fn publish(&mut self, count: u64) -> u64 {
        let before = self.next;
        for _ in 0..count {
            let message = Number {
                number: self.next,
                filler: [7; 24],
            };
            if self.producer.try_publish(&message).is_err() {
                break;
            }
            self.next += 1;
        }
        self.sequencer.do_work().unwrap();
        self.next - before
    }

    fn end(&mut self, mut step: impl FnMut() -> bool) {
        self.sequencer.drain();
        let started = Instant::now();
        while !(self.sequencer.ended() && step()) {
            if !self.sequencer.ended() {
                self.sequencer.do_work().unwrap();
            }
            step();
            assert!(started.elapsed() < PATIENCE, "it does not end");
        }
    }
}

/// Steps until the sequencer has let the journal in.
fn admit(stream: &mut Stream, agent: &mut JournalAgent) {
    let started = Instant::now();
    while agent.do_work().unwrap() != Progress::Worked {
        stream.publish(0);
        assert!(started.elapsed() < PATIENCE, "not admitted");
    }
}

fn config() -> JournalConfig {
    JournalConfig {
        block_bytes: 16 << 10,
        segment_bytes: 1 << 20,
        buffers: 8,
        sync: SyncPolicy::EveryInterval(Duration::from_millis(2)),
        ..JournalConfig::default()
    }
}

/// Every number from 0 on is there once, in order; how many.
fn numbers(reader: &mut JournalReader) -> u64 {
    let mut next = 0_u64;
    while let Some((header, payload)) = reader.next().unwrap() {
        if header.message_type() == 0x77 {
            assert_eq!(payload[..8], next.to_le_bytes());
            next += 1;
        }
    }
    next
}

const CHILD: &str = "SELVEDGE_AGENT_TEST_CHILD";

/// Not a test of its own: the journal's process, which gets killed.
#[test]
fn child_that_journals_until_it_is_killed() {
    let Ok(base) = std::env::var(CHILD) else {
        return;
    };
    let base = Path::new(&base);
    let fabric = Fabric::attach_in(base, "test").unwrap();
    let mut agent = JournalAgent::new(&fabric, &base.join("the-journal"), &config()).unwrap();
    while agent.do_work().unwrap() != Progress::Finished {
        std::thread::yield_now();
    }
}

fn start_child(base: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "child_that_journals_until_it_is_killed",
            "--nocapture",
        ])
        .env(CHILD, base)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// By default a few rounds; `SELVEDGE_KILLS` says how many.
#[test]
fn killed_under_load_the_journal_loses_nothing_that_it_took() {
    let rounds: u64 = std::env::var("SELVEDGE_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(12);
    let mut stream = Stream::new(1024);
    let base = stream.directory.path().to_owned();
    let mut progressed = 0;
    let mut last = 0;
    for round in 0..rounds {
        let mut child = start_child(&base);
        // The first one is let in before anything is sent: from then on the ring is held.
        let started = Instant::now();
        while stream.next == 0 && stream.fabric.gating_consumers().is_empty() {
            stream.publish(0);
            assert!(started.elapsed() < PATIENCE);
        }
        // At a random moment, which every other time comes only after it has written something:
        // on a busy machine it may take longer to start than to be killed.
        let until = Instant::now() + Duration::from_millis(5 + round * 37 % 120);
        let idle = |fabric: &Fabric| {
            JournalView::attach(fabric).map_or(0, |journal| journal.recorded()) <= last
        };
        while Instant::now() < until || (round % 2 == 1 && idle(&stream.fabric)) {
            stream.publish(16);
            assert!(started.elapsed() < PATIENCE);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if let Ok(view) = JournalView::attach(&stream.fabric) {
            let (recorded, durable) = (view.recorded(), view.durable());
            assert!(durable <= recorded);
            let begun = std::fs::read_dir(stream.journal())
                .into_iter()
                .flatten()
                .flatten()
                .any(|entry| entry.path().extension().is_some_and(|is| is == "segment"));
            if begun {
                let options = VerifyOptions {
                    digest: false,
                    ..VerifyOptions::default()
                };
                let report = verify(&stream.journal(), &options, &mut |_| ()).unwrap();
                assert!(report.verdict <= Verdict::TornTail, "{round}: {report:?}");
                let nothing = report.frames == 0 && recorded < 32;
                assert!(
                    nothing || report.last_sequence >= recorded,
                    "{round}: {recorded}"
                );
                progressed += u64::from(recorded > last);
                last = recorded;
            }
        }
    }
    let mut child = start_child(&base);
    // A sequencer that ends lets nobody in.
    let admitted = |stream: &Stream, pid: u32| {
        let consumers = stream.fabric.gating_consumers();
        consumers.iter().any(|entry| entry.process.pid == pid)
    };
    let started = Instant::now();
    while !admitted(&stream, child.id()) {
        stream.publish(1);
        assert!(started.elapsed() < PATIENCE, "not admitted");
    }
    stream.end(|| child.try_wait().unwrap().is_some());
    assert!(child.wait().unwrap().success());
    assert!(!stream.journal().join("next.segment.tmp").exists());
    let report = verify(&stream.journal(), &VerifyOptions::default(), &mut |_| ()).unwrap();
    assert_eq!(report.verdict, Verdict::Sealed, "{report:?}");
    let mut reader = JournalReader::open(&stream.journal()).unwrap();
    assert_eq!(numbers(&mut reader), stream.next);
    assert!(
        progressed * 3 > rounds,
        "only {progressed} of {rounds} came to write"
    );
    assert!(report.recoveries.len() > 1, "{report:?}");
}

#[test]
fn what_a_full_disk_does_not_take_is_held_back_and_loses_nothing() {
    for sync_fails in [false, true] {
        let mut stream = Stream::new(512);
        let storage = MemoryStorage::new();
        let mut agent =
            JournalAgent::new_in(&stream.fabric, Arc::new(storage.clone()), &config()).unwrap();
        admit(&mut stream, &mut agent);
        let view = JournalView::attach(&stream.fabric).unwrap();
        let started = Instant::now();
        let mut failing = false;
        let mut healed = None;
        while stream.next < 200_000 || healed.is_none() {
            assert!(started.elapsed() < PATIENCE);
            let room = stream.publish(64);
            agent.do_work().unwrap();
            if !failing && stream.next > 30_000 {
                failing = true;
                storage.set_faults(if sync_fails {
                    Faults {
                        syncs_left: Some(3),
                        ..Faults::default()
                    }
                } else {
                    Faults {
                        space_left: Some(100_000),
                        ..Faults::default()
                    }
                });
            }
            if healed.is_none() && view.alarm().state.stopped() && room == 0 {
                let expected = match sync_fails {
                    true => AlarmState::InputOutput,
                    false => AlarmState::NoSpace,
                };
                assert_eq!(view.alarm().state, expected);
                assert!(view.alarm().since > 0 && view.alarm().errno > 0);
                storage.set_faults(Faults::default());
                healed = Some(stream.next);
            }
        }
        stream.end(|| agent.end().is_some() || agent.do_work().unwrap() == Progress::Finished);
        assert_eq!(view.alarm().state, AlarmState::Clear);
        assert!(view.alarm().count >= 1);
        assert_eq!(view.durable(), agent.end().unwrap().last_sequence);
        let report = verify_in(&storage, &VerifyOptions::default(), &mut |_| ()).unwrap();
        assert_eq!(report.verdict, Verdict::Sealed, "{report:?}");
        let mut reader = common::reader(&storage).unwrap();
        assert_eq!(numbers(&mut reader), stream.next);
    }
}

/// After the error nothing comes any more: what was taken is put on disk all the same, as soon as
/// the disk takes it.
#[test]
fn a_disk_that_fails_while_the_stream_is_quiet_is_tried_again() {
    let mut stream = Stream::new(512);
    let storage = MemoryStorage::new();
    let mut agent =
        JournalAgent::new_in(&stream.fabric, Arc::new(storage.clone()), &config()).unwrap();
    admit(&mut stream, &mut agent);
    let view = JournalView::attach(&stream.fabric).unwrap();
    let started = Instant::now();
    let step_until = |agent: &mut JournalAgent, done: &dyn Fn() -> bool| {
        while !done() {
            agent.do_work().unwrap();
            std::thread::yield_now();
            assert!(started.elapsed() < PATIENCE);
        }
    };
    fails_with_a_block_half_full(&mut stream, &storage, &mut agent);
    // Tried a few times in vain: one alarm, which stands until it is over.
    let until = Instant::now() + Duration::from_millis(350);
    step_until(&mut agent, &|| Instant::now() >= until);
    assert!(view.alarm().state.stopped() && view.alarm().count == 1);
    storage.set_faults(Faults::default());
    let last = stream.fabric.next_sequence() - 1;
    step_until(&mut agent, &|| view.durable() >= last);
    agent.do_work().unwrap();
    assert_eq!(view.alarm().state, AlarmState::Clear);
    stream.end(|| agent.end().is_some() || agent.do_work().unwrap() == Progress::Finished);
    assert_eq!(numbers(&mut common::reader(&storage).unwrap()), 2);
}

fn goes_on() -> JournalConfig {
    JournalConfig {
        when_stopped: WhenStopped::DeclareGap,
        buffers: 2,
        ..config()
    }
}

/// The disk fails while one slot of staging waits for it and the other is not full.
fn fails_with_a_block_half_full(
    stream: &mut Stream,
    storage: &MemoryStorage,
    agent: &mut JournalAgent,
) {
    let view = JournalView::attach(&stream.fabric).unwrap();
    let started = Instant::now();
    storage.set_faults(Faults {
        stalled: true,
        ..Faults::default()
    });
    stream.publish(1);
    let first = stream.fabric.next_sequence() - 1;
    while view.recorded() < first {
        agent.do_work().unwrap();
        assert!(started.elapsed() < PATIENCE);
    }
    stream.publish(1);
    agent.do_work().unwrap();
    storage.set_faults(Faults {
        syncs_left: Some(0),
        ..Faults::default()
    });
    // Not stepped meanwhile, it does not hand the block over.
    while !view.alarm().state.stopped() {
        std::thread::yield_now();
        assert!(started.elapsed() < PATIENCE);
    }
}

/// A stream, and a journal that may leave out what its disk does not take: which is everything now.
fn failing_and_going_on() -> (Stream, MemoryStorage, JournalAgent) {
    let mut stream = Stream::new(512);
    let storage = MemoryStorage::new();
    let mut agent =
        JournalAgent::new_in(&stream.fabric, Arc::new(storage.clone()), &goes_on()).unwrap();
    admit(&mut stream, &mut agent);
    fails_with_a_block_half_full(&mut stream, &storage, &mut agent);
    (stream, storage, agent)
}

/// Publishes until the ring has gone round several times.
fn go_round(stream: &mut Stream, agent: &mut JournalAgent) {
    let started = Instant::now();
    let last = stream.next + 2_000;
    while stream.next < last {
        stream.publish(64);
        agent.do_work().unwrap();
        assert!(started.elapsed() < PATIENCE);
    }
}

fn left_out(gaps: &[(u64, u64)]) -> u64 {
    gaps.iter().map(|(first, last)| last - first + 1).sum()
}

/// Sealed, and whatever is not there is in one of these gaps. A machine that stands still for long
/// may add one.
fn gaps_and_the_rest(storage: &MemoryStorage, last: u64) -> Vec<(u64, u64)> {
    let report = verify_in(storage, &VerifyOptions::default(), &mut |_| ()).unwrap();
    assert_eq!(report.verdict, Verdict::Sealed, "{report:?}");
    let gaps = report.gaps.iter();
    let gaps: Vec<_> = gaps
        .map(|gap| (gap.first_sequence, gap.last_sequence))
        .collect();
    assert_eq!(report.frames + left_out(&gaps), last, "{report:?}");
    gaps
}

/// The gap takes the slot that was half full: nothing is read before there is another.
#[test]
fn a_gap_behind_a_block_half_full_loses_no_more_than_it_says() {
    let (mut stream, storage, mut agent) = failing_and_going_on();
    go_round(&mut stream, &mut agent);
    storage.set_faults(Faults::default());
    let view = JournalView::attach(&stream.fabric).unwrap();
    let started = Instant::now();
    while view.positions().gaps().2 == 0 || view.alarm().state.stopped() {
        stream.publish(64);
        agent.do_work().unwrap();
        assert!(started.elapsed() < PATIENCE);
    }
    go_round(&mut stream, &mut agent);
    stream.end(|| agent.end().is_some() || agent.do_work().unwrap() == Progress::Finished);
    let last = agent.end().unwrap().last_sequence;
    assert!(!gaps_and_the_rest(&storage, last).is_empty());
}

/// Nothing is left out before the stream ends: its end is, and the journal says so.
#[test]
fn an_end_of_the_stream_that_is_left_out_is_declared() {
    let (mut stream, storage, mut agent) = failing_and_going_on();
    let (failed, mut steps) = (Instant::now(), 0);
    stream.end(|| {
        // So late that it has long been read.
        steps += u32::from(failed.elapsed() > Duration::from_millis(500));
        if steps == 100 {
            storage.set_faults(Faults::default());
        }
        agent.end().is_some() || agent.do_work().unwrap() == Progress::Finished
    });
    let last = stream.fabric.next_sequence() - 1;
    assert_eq!(gaps_and_the_rest(&storage, last), [(last, last)]);
}

/// Killed while the disk fails, the journal has not said what it left out: its successor does.
#[test]
fn what_a_killed_journal_left_out_is_declared_by_the_next() {
    for ends in [false, true] {
        let (mut stream, storage, mut agent) = failing_and_going_on();
        go_round(&mut stream, &mut agent);
        drop(agent);
        storage.set_faults(Faults::default());
        if ends {
            stream.end(|| true);
        }
        let mut agent =
            JournalAgent::new_in(&stream.fabric, Arc::new(storage.clone()), &goes_on()).unwrap();
        if !ends {
            admit(&mut stream, &mut agent);
            go_round(&mut stream, &mut agent);
        }
        stream.end(|| agent.end().is_some() || agent.do_work().unwrap() == Progress::Finished);
        let last = stream.fabric.next_sequence() - 1;
        let (first, gap_end) = gaps_and_the_rest(&storage, last)[0];
        assert!(gap_end - first >= 1_000, "{first} to {gap_end}");
    }
}

#[test]
fn told_to_go_on_the_journal_declares_exactly_what_it_left_out() {
    let mut stream = Stream::new(512);
    let storage = MemoryStorage::new();
    let config = JournalConfig {
        when_stopped: WhenStopped::DeclareGap,
        ..config()
    };
    let mut agent =
        JournalAgent::new_in(&stream.fabric, Arc::new(storage.clone()), &config).unwrap();
    admit(&mut stream, &mut agent);
    let view = JournalView::attach(&stream.fabric).unwrap();
    let started = Instant::now();
    let mut failed_at = None;
    let mut healed = false;
    while !healed || view.positions().gaps().2 == 0 {
        assert!(started.elapsed() < PATIENCE);
        stream.publish(64);
        agent.do_work().unwrap();
        if failed_at.is_none() && stream.next > 20_000 {
            storage.set_faults(Faults {
                writes_left: Some(0),
                ..Faults::default()
            });
            failed_at = Some(stream.next);
        }
        // The fabric goes on although nothing can be written.
        if !healed && view.alarm().state.stopped() && stream.next > 60_000 {
            storage.set_faults(Faults::default());
            healed = true;
        }
    }
    let more = stream.next + 1_000;
    while stream.next < more {
        stream.publish(64);
        agent.do_work().unwrap();
        assert!(started.elapsed() < PATIENCE);
    }
    stream.end(|| agent.end().is_some() || agent.do_work().unwrap() == Progress::Finished);
    let last_sequence = agent.end().unwrap().last_sequence;
    let gaps = gaps_and_the_rest(&storage, last_sequence);
    let &(first, last) = gaps.last().unwrap();
    assert_eq!(view.positions().gaps(), (first, last, gaps.len() as u64));
    let (gap_first, gap_last) = gaps[0];
    // A reader stops there unless it is told otherwise; then exactly that is missing.
    let mut reader = common::reader(&storage).unwrap();
    let mut last = 0;
    let error = loop {
        match reader.next() {
            Ok(Some((header, _))) => last = header.sequence(),
            Ok(None) => panic!("no gap met"),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("missing"), "{error}");
    assert_eq!(last + 1, gap_first);
    assert!(
        reader.next().is_err(),
        "asked again, the answer is the same"
    );
    reader.skip_gap();
    let (header, _) = reader.next().unwrap().unwrap();
    assert_eq!(header.sequence(), gap_last + 1);
    let options = ReadOptions {
        allow_gaps: true,
        ..ReadOptions::default()
    };
    let mut reader = JournalReader::open_in(Arc::new(storage.clone()), options).unwrap();
    let mut count = 0;
    while reader.next().unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count + left_out(&gaps), last_sequence);
}

#[test]
fn a_real_full_disk_raises_the_alarm_and_recovers() {
    let mut stream = Stream::new(512);
    let disk = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=6m", "selvedge-test"])
        .arg(disk.path())
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: a small tmpfs cannot be mounted here (needs root)");
        return;
    }
    let unmount = || {
        let _ = Command::new("umount").arg("-l").arg(disk.path()).status();
    };
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![1; 3 << 20]).unwrap();
    let directory = disk.path().join("journal");
    let mut agent = JournalAgent::new(&stream.fabric, &directory, &config()).unwrap();
    admit(&mut stream, &mut agent);
    let view = JournalView::attach(&stream.fabric).unwrap();
    let started = Instant::now();
    let mut removed = false;
    while started.elapsed() < PATIENCE && (!removed || stream.next < 40_000) {
        let room = stream.publish(64);
        agent.do_work().unwrap();
        if !removed && view.alarm().state == AlarmState::NoSpace && room == 0 {
            std::fs::remove_file(&ballast).unwrap();
            removed = true;
        }
        if removed && view.alarm().state == AlarmState::Clear && stream.next > 36_000 {
            break;
        }
    }
    let cleared = view.alarm();
    stream.end(|| agent.end().is_some() || agent.do_work().unwrap() == Progress::Finished);
    let report = verify(&directory, &VerifyOptions::default(), &mut |_| ()).unwrap();
    let found = numbers(&mut JournalReader::open(&directory).unwrap());
    unmount();
    assert!(removed, "the disk was never full");
    assert_eq!(cleared.state, AlarmState::Clear);
    assert_eq!(report.verdict, Verdict::Sealed, "{report:?}");
    assert_eq!(found, stream.next);
}

#[test]
fn a_slow_sync_never_stops_the_stream() {
    let mut stream = Stream::new(512);
    let storage = MemoryStorage::new();
    let config = JournalConfig {
        buffers: 64,
        ..config()
    };
    let mut agent =
        JournalAgent::new_in(&stream.fabric, Arc::new(storage.clone()), &config).unwrap();
    admit(&mut stream, &mut agent);
    let view = JournalView::attach(&stream.fabric).unwrap();
    storage.set_faults(Faults {
        stalled: true,
        ..Faults::default()
    });
    let durable = view.durable();
    // Many times the ring goes by while not one sync comes back.
    let started = Instant::now();
    while stream.next < 8_000 {
        stream.publish(64);
        agent.do_work().unwrap();
        assert!(started.elapsed() < PATIENCE, "{} published", stream.next);
    }
    assert!(view.durable() <= durable.max(stream.next / 2));
    assert_eq!(agent.held_back(), 0);
    storage.set_faults(Faults::default());
    stream.end(|| agent.end().is_some() || agent.do_work().unwrap() == Progress::Finished);
    assert_eq!(numbers(&mut common::reader(&storage).unwrap()), stream.next);
}

#[test]
fn a_follower_reads_segments_staging_and_stream_as_one() {
    let mut stream = Stream::new(512);
    let directory = stream.journal();
    let mut agent = JournalAgent::new(&stream.fabric, &directory, &config()).unwrap();
    admit(&mut stream, &mut agent);
    let step = |stream: &mut Stream, agent: &mut JournalAgent, last: u64| {
        let started = Instant::now();
        while stream.next < last {
            stream.publish(32);
            agent.do_work().unwrap();
            assert!(started.elapsed() < PATIENCE);
        }
    };
    step(&mut stream, &mut agent, 20_000);
    let mut follower =
        Follower::attach(&stream.fabric, &directory, "late", FollowFrom::Oldest).unwrap();
    let mut places = std::collections::BTreeSet::new();
    let mut seen = 0_u64;
    let mut next = 1;
    let mut poll = |follower: &mut Follower, stream: &mut Stream, agent: &mut JournalAgent| {
        let started = Instant::now();
        while follower.behind() > 0 {
            assert!(started.elapsed() < PATIENCE, "at {}", follower.position());
            agent.do_work().unwrap();
            stream.publish(1);
            follower
                .poll(64, |frame| {
                    assert_eq!(frame.header().sequence(), next);
                    next += 1;
                    if let Some(number) = frame.get::<Number>() {
                        assert_eq!(number.number, seen);
                        seen += 1;
                    }
                })
                .unwrap();
            places.insert(format!("{:?}", follower.place()));
            if stream.next >= 60_000 && follower.behind() < 8 {
                break;
            }
        }
        (seen, next)
    };
    let (first_seen, _) = poll_until_live(&mut poll, &mut follower, &mut stream, &mut agent);
    // All but what still waits in the producer's ring.
    assert!(first_seen >= 20_000 - 256);
    assert_eq!(follower.place(), FollowerPlace::Live);
    // Fallen behind further than the ring, it goes to the journal and comes back by itself.
    step(&mut stream, &mut agent, 60_000);
    poll_until_live(&mut poll, &mut follower, &mut stream, &mut agent);
    // Once more where the journal was slow: what waited for it then passes the ring at once.
    assert!(follower.catch_ups() >= 2);
    let (seen, position) = poll(&mut follower, &mut stream, &mut agent);
    assert!(seen > 59_000);
    assert_eq!(follower.position(), position);
    drop(follower);
    step(&mut stream, &mut agent, 70_000);
    // Resumes where it stood.
    let mut again =
        Follower::attach(&stream.fabric, &directory, "late", FollowFrom::Stored).unwrap();
    assert_eq!(again.position(), position);
    let mut first = None;
    while first.is_none() {
        agent.do_work().unwrap();
        again
            .poll(1, |frame| first = Some(frame.header().sequence()))
            .unwrap();
    }
    assert_eq!(first, Some(position));
    let beyond = FollowFrom::Sequence(stream.fabric.next_sequence() + 1_000);
    assert!(Follower::attach(&stream.fabric, &directory, "other", beyond).is_err());
}

type Poll<'a> = dyn FnMut(&mut Follower, &mut Stream, &mut JournalAgent) -> (u64, u64) + 'a;

fn poll_until_live(
    poll: &mut Poll<'_>,
    follower: &mut Follower,
    stream: &mut Stream,
    agent: &mut JournalAgent,
) -> (u64, u64) {
    let started = Instant::now();
    loop {
        let found = poll(follower, stream, agent);
        if follower.place() == FollowerPlace::Live && follower.behind() < 64 {
            return found;
        }
        assert!(started.elapsed() < PATIENCE);
    }
}

#[test]
fn who_did_what_and_what_the_clock_was_worth_are_in_the_journal() {
    let mut stream = Stream::new(512);
    let directory = stream.journal();
    let config = JournalConfig {
        clock_bound_ns: 1,
        ..config()
    };
    let mut agent = JournalAgent::new(&stream.fabric, &directory, &config).unwrap();
    admit(&mut stream, &mut agent);
    let started = Instant::now();
    let view = JournalView::attach(&stream.fabric).unwrap();
    let mut found = String::new();
    let wanted = ["ProducerAttached", "SequencerStarted", "ClockBreach"];
    while view.alarm().state != AlarmState::ClockBound
        || !wanted.iter().all(|action| found.contains(action))
    {
        for _ in 0..1_000 {
            stream.publish(u64::from(stream.next < 100));
            agent.do_work().unwrap();
        }
        let summary = selvedge_journal::summarise(&directory, true).unwrap();
        found = format!("{:?}", summary.activities);
        assert!(started.elapsed() < PATIENCE, "{found}");
    }
    // Here and gone between two looks.
    drop(stream.fabric.observer("brief").attach().unwrap());
    let brief = |action: Action| {
        let summary = selvedge_journal::summarise(&directory, true).unwrap();
        let entries = summary.activities.iter();
        entries
            .filter(|entry| entry.action == action && entry.detail == "brief")
            .inspect(|entry| assert_eq!(entry.pid, std::process::id()))
            .count()
    };
    while brief(Action::ConsumerDetached) == 0 {
        agent.do_work().unwrap();
        assert!(started.elapsed() < PATIENCE);
    }
    assert_eq!(brief(Action::ConsumerAttached), 1);
    stream.end(|| agent.end().is_some() || agent.do_work().unwrap() == Progress::Finished);
    assert_eq!(brief(Action::ConsumerDetached), 1);
    let summary = selvedge_journal::summarise(&directory, true).unwrap();
    assert!(!summary.clocks.is_empty());
    let text = format!("{:?}", summary.activities);
    for action in [
        "WriterStarted",
        "WriterFinished",
        "ProducerAttached",
        "SequencerStarted",
        "ClockBreach",
    ] {
        assert!(text.contains(action), "{action} in {text}");
    }
    let started = &summary.activities[0];
    assert_eq!(started.pid, std::process::id());
    assert!(!started.executable.is_empty());
}

/// What the journal says operators did, without the ids.
fn operator_actions(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    selvedge_journal::records(directory, 0, &mut |placed| {
        if let Record::Activity(entries) = placed.record {
            let wanted = [Action::OperatorAction, Action::ConfigurationChanged];
            for entry in entries
                .iter()
                .filter(|entry| wanted.contains(&entry.action))
            {
                assert_eq!(entry.pid, std::process::id());
                assert!(!entry.executable.is_empty());
                found.push(entry.detail.split(" (action").next().unwrap().to_owned());
            }
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    found
}

/// The disk takes its time: more wait at the end than the writer has places for.
#[test]
fn at_the_end_every_action_is_recorded_or_its_file_is_still_there() {
    let mut stream = Stream::new(512);
    let root = stream.fabric.paths().root().to_owned();
    for number in 0..200 {
        let detail = format!("action number {number:03};");
        announce_action(&root, Action::OperatorAction, &detail).unwrap();
    }
    let disk = MemoryStorage::new();
    let storage = Slow {
        disk: disk.clone(),
        write_takes: Duration::from_millis(2),
    };
    let config = JournalConfig {
        buffers: 2,
        ..config()
    };
    let mut agent = JournalAgent::new_in(&stream.fabric, Arc::new(storage), &config).unwrap();
    admit(&mut stream, &mut agent);
    // The watcher finds them meanwhile.
    std::thread::sleep(Duration::from_millis(400));
    stream.sequencer.drain();
    stream.end(|| agent.end().is_some() || agent.do_work().unwrap() == Progress::Finished);
    let mut found = String::new();
    selvedge_journal::records_in(&disk, 0, &mut |placed| {
        if let Record::Activity(entries) = placed.record {
            found.extend(entries.into_iter().map(|entry| entry.detail));
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    let recorded = found.matches("action number").count();
    assert!(recorded > 0);
    for path in waiting_files(&root) {
        found.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
    }
    for number in 0..200 {
        let detail = format!("action number {number:03};");
        assert!(found.contains(&detail), "{number} of 200 is lost");
        let once = found.matches(&format!("{detail} (action")).count();
        assert!(once <= 1, "{number} is recorded twice");
    }
}

/// Whoever may put files there, puts as many directories there as are looked at in one round.
#[test]
fn what_cannot_be_taken_away_keeps_no_action_out() {
    let mut stream = Stream::new(512);
    let root = stream.fabric.paths().root().to_owned();
    let actions = root.join("actions");
    for number in 1..=64 {
        std::fs::create_dir_all(actions.join(format!("{number:020}-{number:016x}.action")))
            .unwrap();
    }
    let directory = stream.journal();
    let mut agent = JournalAgent::new(&stream.fabric, &directory, &config()).unwrap();
    admit(&mut stream, &mut agent);
    announce_action(&root, Action::OperatorAction, "remove").unwrap();
    let started = Instant::now();
    while waiting_files(&root).len() > 64 {
        agent.do_work().unwrap();
        std::thread::yield_now();
        assert!(started.elapsed() < PATIENCE, "the action still waits");
    }
    announce_action(&root, Action::OperatorAction, "down").unwrap();
    stream.end(|| agent.end().is_some() || agent.do_work().unwrap() == Progress::Finished);
    let mut found = Vec::new();
    selvedge_journal::records(&directory, 0, &mut |placed| {
        if let Record::Activity(entries) = placed.record {
            let wanted = entries
                .into_iter()
                .filter(|entry| entry.action == Action::OperatorAction);
            found.extend(wanted.map(|entry| entry.detail));
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    let count = |front: &str| {
        let fitting = found.iter().filter(|detail| detail.starts_with(front));
        fitting.count()
    };
    assert_eq!(count("a file of an action that is none"), 64, "{found:?}");
    assert_eq!((count("remove (action"), count("down (action")), (1, 1));
    assert_eq!(waiting_files(&root).len(), 64);
}

fn waiting_files(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root.join("actions"))
        .into_iter()
        .flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn what_operators_do_is_recorded_once_whenever_they_do_it() {
    let mut stream = Stream::new(512);
    let directory = stream.journal();
    let root = stream.fabric.paths().root().to_owned();
    let announce = |root: &Path, what| announce_action(root, Action::OperatorAction, what).unwrap();
    // Before there is a journal, and on the journal's directory.
    announce(&root, "create test");
    announce(&directory, "journal retain");
    let before = waiting_files(&root);
    let (path, content) = (before[0].clone(), std::fs::read(&before[0]).unwrap());
    let mut agent = JournalAgent::new(&stream.fabric, &directory, &config()).unwrap();
    admit(&mut stream, &mut agent);
    let started = Instant::now();
    while !waiting_files(&root).is_empty() || !waiting_files(&directory).is_empty() {
        stream.publish(u64::from(stream.next < 100));
        agent.do_work().unwrap();
        assert!(started.elapsed() < PATIENCE);
    }
    assert_eq!(
        operator_actions(&directory),
        ["create test", "journal retain"]
    );
    // Known as recorded, a file that could not be taken away is no second action.
    std::fs::write(&path, &content).unwrap();
    announce_action(&root, Action::ConfigurationChanged, "topology").unwrap();
    while !waiting_files(&root).is_empty() {
        agent.do_work().unwrap();
        assert!(started.elapsed() < PATIENCE);
    }
    // The last thing that anybody does: nobody looks any more except the journal that ends.
    announce(&root, "down test");
    std::fs::write(&path, &content).unwrap();
    stream.end(|| agent.end().is_some() || agent.do_work().unwrap() == Progress::Finished);
    assert_eq!(waiting_files(&root), [] as [PathBuf; 0]);
    assert_eq!(
        operator_actions(&directory),
        ["create test", "journal retain", "topology", "down test"]
    );
    let report = verify(&directory, &VerifyOptions::default(), &mut |_| ()).unwrap();
    assert_eq!(report.verdict, Verdict::Sealed, "{report:?}");
}

#[test]
fn a_journal_that_was_dead_when_the_stream_ended_records_the_rest_of_it() {
    let mut stream = Stream::new(1024);
    let base = stream.directory.path().to_owned();
    let mut child = start_child(&base);
    let started = Instant::now();
    while stream.fabric.gating_consumers().is_empty() {
        stream.publish(0);
        assert!(started.elapsed() < PATIENCE);
    }
    // Until it has written something; then it dies, and misses what comes.
    while JournalView::attach(&stream.fabric).map_or(0, |journal| journal.recorded()) < 20 {
        stream.publish(u64::from(stream.next < 300));
        assert!(started.elapsed() < PATIENCE);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    while stream.next < 600 {
        stream.publish(16);
        assert!(started.elapsed() < PATIENCE, "the ring holds all of it");
    }
    stream.end(|| true);
    // Nobody lets a consumer in any more, and nobody has to.
    let mut agent = JournalAgent::new(&stream.fabric, &stream.journal(), &config()).unwrap();
    while agent.do_work().unwrap() != Progress::Finished {
        assert!(started.elapsed() < PATIENCE, "it does not end");
    }
    assert!(agent.frames() > 0);
    let end = agent.end().unwrap();
    assert_eq!(end.last_sequence + 1, stream.fabric.next_sequence());
    let report = verify(&stream.journal(), &VerifyOptions::default(), &mut |_| ()).unwrap();
    assert_eq!(report.verdict, Verdict::Sealed, "{report:?}");
    let mut reader = JournalReader::open(&stream.journal()).unwrap();
    assert_eq!(numbers(&mut reader), stream.next);
    // There is nothing left: the next one waits for the next sequencer.
    drop(agent);
    let mut agent = JournalAgent::new(&stream.fabric, &stream.journal(), &config()).unwrap();
    assert_eq!(agent.do_work().unwrap(), Progress::Idle);
    assert_eq!(agent.frames(), 0);
}
