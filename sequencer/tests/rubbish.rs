//! Random rubbish in everything that the sequencer reads of others: ingress rings, registrations,
//! cursors. Whoever writes it may be cut off; the others' messages arrive, each once and in order.

use proptest::prelude::*;
use selvedge_fabric::memory::{Access, Mapping, Pages};
use selvedge_fabric::protocol::Ordering;
use selvedge_fabric::{Consumer, Fabric, FabricConfig, Producer, Start};
use selvedge_sequencer::{ConductorPlacement, Sequencer, SequencerConfig};
use std::path::{Path, PathBuf};

selvedge_fabric::message! {
    /// A number.
    struct Number: type 1, name "rubbish.number", version 1 {
        value: u64;
    }
}

/// Where rubbish is written.
#[derive(Clone, Copy, Debug)]
enum Target {
    Ring,
    Registration,
    Cursor,
}

/// One word of rubbish: where, at which word, what.
#[derive(Clone, Copy, Debug)]
struct Rubbish {
    target: Target,
    at: usize,
    word: u64,
}

fn rubbish() -> impl Strategy<Value = Rubbish> {
    let target = prop_oneof![
        4 => Just(Target::Ring),
        2 => Just(Target::Registration),
        2 => Just(Target::Cursor)
    ];
    // Where things are: the first words of everything, the slots, the cursor.
    let at = prop_oneof![0..16usize, 60..72usize, 0..4096usize];
    let word = prop_oneof![
        any::<u64>(),
        0..64u64,
        Just(u64::MAX),
        // Descriptors with lengths, types and flags that could be meant.
        (0..2048u64, 0..4u64, 0..4u64, any::<u16>()).prop_map(|(length, flags, kind, topic)| {
            length | flags << 24 | kind << 32 | u64::from(topic) << 48
        }),
        // Sequences of 48 bits.
        (0..=u64::MAX >> 16).prop_map(|sequence| sequence),
    ];
    (target, at, word).prop_map(|(target, at, word)| Rubbish { target, at, word })
}

struct Host {
    _directory: tempfile::TempDir,
    fabric: Fabric,
    sequencer: Sequencer,
}

impl Host {
    fn new() -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").expect("shared memory");
        let mut config = FabricConfig::new("rubbish").in_directory(directory.path());
        config.pages = Pages::Small;
        config.stream_capacity = 256;
        config.stream_payload_bytes = 4096;
        config.ingress_capacity = 64;
        config.ingress_payload_bytes = 4096;
        let fabric = Fabric::create(&config).expect("a fabric");
        let sequencer = Sequencer::start(&fabric, &sequencer_config()).expect("a sequencer");
        Host {
            _directory: directory,
            fabric,
            sequencer,
        }
    }

    fn step(&mut self) {
        for _ in 0..1100 {
            self.sequencer.do_work().expect("a duty cycle");
        }
    }

    fn producer(&mut self, name: &str) -> Producer {
        let mut pending = self
            .fabric
            .producer(name)
            .message::<Number>()
            .begin()
            .expect("a registration");
        loop {
            self.step();
            if let Some(producer) = pending.poll().expect("no refusal") {
                return producer;
            }
        }
    }

    fn consumer(&mut self, name: &str) -> Consumer {
        let mut pending = self
            .fabric
            .consumer(name)
            .start(Start::Oldest)
            .begin()
            .expect("a registration");
        loop {
            self.step();
            if let Some(consumer) = pending.poll().expect("no refusal") {
                return consumer;
            }
        }
    }

    fn ring_of(&self, name: &str) -> PathBuf {
        std::fs::read_dir(self.fabric.ring_directory())
            .expect("the rings")
            .map(|entry| entry.expect("an entry").path())
            .find(|path| path.to_string_lossy().contains(name))
            .expect("its ring")
    }
}

fn sequencer_config() -> SequencerConfig {
    SequencerConfig {
        conductor: ConductorPlacement::Inline,
        ..SequencerConfig::default()
    }
}

fn write(path: &Path, rubbish: &Rubbish) {
    let mapping = Mapping::open(path, Access::Write).expect("it can write its own file");
    let words = mapping.words(0, mapping.len()).expect("all of it");
    if let Some(word) = words.get(rubbish.at % words.count()) {
        word.store(rubbish.word, Ordering::Release);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn rubbish_hurts_only_who_writes_it(
        writes in proptest::collection::vec(rubbish(), 1..40),
        takeover_at in 0..80usize,
    ) {
        let mut host = Host::new();
        let mut honest = host.producer("honest");
        let mut reader = host.consumer("reader");
        let mut hostile = host.producer("hostile");
        let hostile_reader = host.consumer("neighbour");
        let ring = host.ring_of("hostile");
        let registration = host.fabric.registrations_of("hostile")[0].clone();
        let cursor = host.fabric.paths().consumer("neighbour");
        let mut read = Vec::new();
        let mut sent = 0;
        let source = honest.source();
        for (index, rubbish) in writes.iter().enumerate() {
            let path = match rubbish.target {
                Target::Ring => &ring,
                Target::Registration => &registration,
                Target::Cursor => &cursor,
            };
            // What was removed meanwhile needs no rubbish.
            if path.exists() {
                write(path, rubbish);
            }
            let _ = hostile.try_publish(&Number { value: u64::MAX });
            if honest.try_publish(&Number { value: sent }).is_ok() {
                sent += 1;
            }
            if index == takeover_at {
                // A successor reads the same rubbish, from the beginning.
                let epoch = host.fabric.epoch().load();
                host.fabric
                    .bank_for_sequencer(epoch.bank())
                    .expect("the bank")
                    .set_status(selvedge_fabric::shared::bank::SequencerStatus::Stopped);
                host.sequencer = Sequencer::start(&host.fabric, &sequencer_config())
                    .expect("a successor");
            }
            host.step();
            reader.poll(1000, |frame| {
                if frame.header().source() == source
                    && let Some(number) = frame.get::<Number>()
                {
                    read.push(number.value);
                }
            }).expect("a poll");
        }
        host.step();
        reader.poll(1000, |frame| {
            if frame.header().source() == source
                && let Some(number) = frame.get::<Number>()
            {
                read.push(number.value);
            }
        }).expect("a poll");
        prop_assert_eq!(read, (0..sent).collect::<Vec<_>>());
        drop(hostile_reader);
    }
}
