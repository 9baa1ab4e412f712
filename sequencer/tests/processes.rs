//! Every participant in a process of its own: two producers, the sequencer, two gating consumers
//! and an observer that lags. Then the same with processes that are killed.
//!
//! The processes are this test program again, told its part through the environment.

use selvedge_fabric::frame::system::EndOfStream;
use selvedge_fabric::host::IdleStrategy;
use selvedge_fabric::memory::{Access, Pages};
use selvedge_fabric::message::Message;
use selvedge_fabric::shared::cursor::CursorFile;
use selvedge_fabric::{Fabric, FabricConfig, FabricError, Frame, Start};
use selvedge_sequencer::{Sequencer, SequencerConfig};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

selvedge_fabric::message! {
    /// A numbered message.
    struct Tick: type 1, name "test.tick", version 1 {
        number: u64;
        check: u64;
    }
}

impl Tick {
    fn new(number: u64) -> Self {
        Tick {
            number,
            check: number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x55,
        }
    }
}

const ROLE: &str = "SELVEDGE_TEST_ROLE";
const DIRECTORY: &str = "SELVEDGE_TEST_DIRECTORY";
const COUNT: &str = "SELVEDGE_TEST_COUNT";

/// What a reader saw, as text on its standard output.
#[derive(PartialEq, Eq, Debug, Default)]
struct Seen {
    frames: u64,
    missed: u64,
    hash: u64,
    of_source: HashMap<u16, u64>,
}

/// Checks each frame against those before it and takes it into the account.
#[derive(Default)]
struct Account {
    seen: Seen,
    next: u64,
    next_of_source: HashMap<u16, u64>,
    ended: bool,
}

impl Account {
    fn take(&mut self, frame: &Frame<'_>) {
        let header = frame.header();
        if self.next != 0 {
            assert_eq!(
                header.sequence(),
                self.next,
                "a gap or a repeat in the order"
            );
        }
        self.next = header.sequence() + 1;
        self.ended = header.message_type() == EndOfStream::TYPE;
        if let Some(tick) = frame.get::<Tick>() {
            assert_eq!(*tick, Tick::new(tick.number), "a torn message");
            let next = self
                .next_of_source
                .entry(header.source())
                .or_insert(tick.number);
            assert_eq!(tick.number, *next, "a source's order");
            *next += 1;
            self.seen.frames += 1;
            *self.seen.of_source.entry(header.source()).or_default() += 1;
            self.seen.hash = (self.seen.hash ^ header.sequence())
                .wrapping_mul(0x100_0000_01B3)
                .wrapping_add(tick.number ^ u64::from(header.source()));
        }
    }

    fn print(&self) {
        let sources: Vec<String> = self
            .seen
            .of_source
            .iter()
            .map(|(source, count)| format!("{source}={count}"))
            .collect();
        println!(
            "SEEN {} {} {} {}",
            self.seen.frames,
            self.seen.missed,
            self.seen.hash,
            sources.join(",")
        );
    }
}

fn parse_seen(output: &str) -> Seen {
    let line = output
        .lines()
        .find_map(|line| line.split_once("SEEN ").map(|(_, rest)| rest))
        .unwrap_or_else(|| panic!("a reader reported nothing: {output}"));
    let mut fields = line.split(' ');
    let mut number = || fields.next().unwrap().parse().unwrap();
    let (frames, missed, hash) = (number(), number(), number());
    let of_source = fields
        .next()
        .unwrap_or("")
        .split(',')
        .filter_map(|pair| {
            let (source, count) = pair.split_once('=')?;
            Some((source.parse().ok()?, count.parse().ok()?))
        })
        .collect();
    Seen {
        frames,
        missed,
        hash,
        of_source,
    }
}

/// The part of a child process; does nothing in the test run itself.
#[test]
fn child_process() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let directory = PathBuf::from(std::env::var(DIRECTORY).expect("a directory"));
    let count: u64 = std::env::var(COUNT)
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(0);
    let fabric = Fabric::attach_in(&directory, "many").expect("the fabric");
    let (kind, name) = role.split_once(':').unwrap_or((&role, &role));
    match kind {
        "sequencer" => be_sequencer(&fabric, &directory),
        "producer" => be_producer(&fabric, name, count),
        "consumer" => be_consumer(&fabric, name),
        "observer" => be_observer(&fabric, name),
        other => panic!("no role {other}"),
    }
}

fn be_sequencer(fabric: &Fabric, directory: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut sequencer = loop {
        match Sequencer::start(fabric, &SequencerConfig::default()) {
            Ok(sequencer) => break sequencer,
            // The one before has been killed but is not gone yet.
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => panic!("{error}"),
        }
    };
    let stop = directory.join("stop");
    let mut idle = 0u64;
    while !sequencer.ended() {
        if sequencer.do_work().expect("a duty cycle") > 0 {
            idle = 0;
            continue;
        }
        idle += 1;
        if idle % 1024 == 1023 && stop.exists() {
            sequencer.drain();
        }
        IdleStrategy::Yield.idle(idle);
    }
}

fn be_producer(fabric: &Fabric, name: &str, count: u64) {
    let mut producer = fabric
        .producer(name)
        .message::<Tick>()
        .timeout(Duration::from_secs(60))
        .attach()
        .expect("to be admitted");
    producer.set_idle_strategy(IdleStrategy::Yield);
    // One that comes back goes on after its last message in the stream.
    for number in producer.next_source_sequence() - 1..count {
        producer.publish(&Tick::new(number)).expect("to publish");
    }
    println!("PUBLISHED {}", producer.next_source_sequence() - 1);
}

fn be_consumer(fabric: &Fabric, name: &str) {
    let mut consumer = fabric
        .consumer(name)
        .start(Start::Oldest)
        .timeout(Duration::from_secs(60))
        .attach()
        .expect("to be admitted");
    let mut account = Account::default();
    let mut idle = 0;
    while !account.ended {
        match consumer
            .poll(128, |frame| account.take(frame))
            .expect("a poll")
        {
            0 => idle += 1,
            _ => idle = 0,
        }
        IdleStrategy::Yield.idle(idle);
    }
    account.print();
}

fn be_observer(fabric: &Fabric, name: &str) {
    let mut observer = loop {
        match fabric.observer(name).start(Start::Oldest).attach() {
            Ok(observer) => break observer,
            Err(FabricError::SequenceNotAvailable { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    };
    let mut account = Account::default();
    let mut runs = 0;
    while !account.ended {
        runs += 1;
        match observer.poll(64, |frame| account.take(frame)) {
            Ok(_) => {}
            Err(FabricError::Overrun { from, to }) => {
                assert!(from <= to && (account.next == 0 || from == account.next));
                account.seen.missed += to - from + 1;
                account.next = to + 1;
                account.next_of_source.clear();
            }
            Err(error) => panic!("{error}"),
        }
        // It lags: the stream runs away from it again and again.
        if runs % 50 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        } else {
            std::thread::yield_now();
        }
    }
    account.print();
}

struct Stage {
    directory: tempfile::TempDir,
    fabric: Fabric,
}

impl Stage {
    fn new() -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").expect("shared memory");
        let mut config = FabricConfig::new("many").in_directory(directory.path());
        config.pages = Pages::Small;
        config.stream_capacity = 4096;
        config.ingress_capacity = 1024;
        let fabric = Fabric::create(&config).expect("a fabric");
        Stage { directory, fabric }
    }

    fn start(&self, role: &str, count: u64) -> Process {
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args([
                "child_process",
                "--exact",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(ROLE, role)
            .env(DIRECTORY, self.directory.path())
            .env(COUNT, count.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a child process");
        Process {
            child: Some(child),
            role: role.to_owned(),
        }
    }

    fn wait_for_consumers(&self, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.fabric.gating_consumers().len() < count {
            assert!(Instant::now() < deadline, "the consumers were not admitted");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until the observer `name` has its place in the stream.
    fn wait_for_observer(&self, name: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let path = self.fabric.paths().consumer(name);
        let reads = || {
            let file = CursorFile::open(&path, Access::Read).ok()?;
            (file.cursor()?.load() > 0).then_some(())
        };
        while reads().is_none() {
            assert!(Instant::now() < deadline, "the observer found no place");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn stop(&self) {
        std::fs::write(self.directory.path().join("stop"), []).expect("a file");
    }
}

/// A child process, killed when it is dropped.
struct Process {
    child: Option<Child>,
    role: String,
}

impl Process {
    fn output(mut self) -> String {
        let child = self.child.take().expect("it runs");
        let output = child.wait_with_output().expect("its output");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{} failed: {text} {}",
            self.role,
            String::from_utf8_lossy(&output.stderr)
        );
        text
    }

    fn kill(mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it can be reaped");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn every_process_sees_the_same_order_and_nothing_is_lost() {
    const COUNT_EACH: u64 = 1_000_000;
    let stage = Stage::new();
    let sequencer = stage.start("sequencer", 0);
    let consumers = [
        stage.start("consumer:first", 0),
        stage.start("consumer:second", 0),
    ];
    stage.wait_for_consumers(2);
    let observer = stage.start("observer:lagging", 0);
    stage.wait_for_observer("lagging");
    let producers = [
        stage.start("producer:a", COUNT_EACH),
        stage.start("producer:b", COUNT_EACH),
    ];
    for producer in producers {
        assert!(
            producer
                .output()
                .contains(&format!("PUBLISHED {COUNT_EACH}"))
        );
    }
    stage.stop();
    let [first, second] = consumers.map(|consumer| parse_seen(&consumer.output()));
    assert_eq!(first, second, "the same frames in the same order");
    assert_eq!(first.frames, 2 * COUNT_EACH);
    let mut counts: Vec<u64> = first.of_source.into_values().collect();
    counts.sort_unstable();
    assert_eq!(counts, [COUNT_EACH, COUNT_EACH]);
    let lagging = parse_seen(&observer.output());
    assert!(lagging.missed > 0, "it was meant to be overrun");
    assert!(lagging.frames + lagging.missed >= 2 * COUNT_EACH);
    sequencer.output();
}

#[test]
fn killed_sequencers_and_producers_lose_and_repeat_nothing() {
    const COUNT_EACH: u64 = 300_000;
    let stage = Stage::new();
    let mut sequencer = stage.start("sequencer", 0);
    let consumer = stage.start("consumer:audit", 0);
    stage.wait_for_consumers(1);
    let mut producers = [
        stage.start("producer:a", COUNT_EACH),
        stage.start("producer:b", COUNT_EACH),
    ];
    // A different moment each time; where it falls is the host's choice.
    for round in 0u64..12 {
        std::thread::sleep(Duration::from_millis(5 + round * 7 % 23));
        if round % 2 == 0 {
            sequencer.kill();
            sequencer = stage.start("sequencer", 0);
        } else {
            let place = (round / 2 % 2) as usize;
            let name = producers[place].role.clone();
            std::mem::replace(&mut producers[place], stage.start(&name, COUNT_EACH)).kill();
        }
    }
    // A producer started while the one before was alive has failed: start until it has finished.
    for producer in producers {
        let mut process = producer;
        loop {
            let name = process.role.clone();
            let child = process.child.take().expect("it runs");
            let output = child.wait_with_output().expect("its output");
            if output.status.success() {
                break;
            }
            process = stage.start(&name, COUNT_EACH);
        }
    }
    stage.stop();
    let seen = parse_seen(&consumer.output());
    assert_eq!(seen.frames, 2 * COUNT_EACH);
    assert!(seen.of_source.values().all(|&count| count == COUNT_EACH));
    sequencer.output();
}
