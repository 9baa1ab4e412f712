//! The same agents as in the product, single-stepped by a seeded scheduler in one thread, with
//! faults: whoever it is drops dead, freezes, comes back, and sequencers that have been replaced
//! write on before they notice. Each seed is a run of its own and can be repeated:
//!
//! `SELVEDGE_SIMULATION_SEED=n cargo test -p selvedge-sequencer --test simulation`
//!
//! After each step: one total order without gaps, each source's messages exactly once and in
//! order, every reader handed the same, no reader beyond the writer.

use selvedge_fabric::frame::FrameHeader;
use selvedge_fabric::host::simulated;
use selvedge_fabric::memory::Pages;
use selvedge_fabric::{
    ClaimError, Consumer, Fabric, FabricConfig, FabricError, Frame, Observer, PendingConsumer,
    PendingProducer, Producer, Start,
};
use selvedge_sequencer::{
    ConductorPlacement, Sequencer, SequencerConfig, SequencerError, Standby, StandbyConfig,
    TimeSource, Watch,
};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

selvedge_fabric::message! {
    /// A numbered message.
    struct Tick: type 1, name "simulation.tick", version 1 {
        source_sequence: u64;
        producer: u64;
    }
}

/// Seeds of the test run.
const SEEDS: u64 = 1500;

/// Steps before everybody is left in peace.
const STEPS: u64 = 250;

/// Steps in which all must be read then.
const STEPS_OF_PEACE: u64 = 20_000;

const SEQUENCERS: usize = 3;
const PRODUCERS: usize = 3;
const CONSUMERS: usize = 3;

/// The essential one.
const AUDIT: usize = 0;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// What all readers were handed, by sequence; whoever comes first says what it is.
#[derive(Default)]
struct Truth {
    frames: HashMap<u64, [u64; 4]>,
    next_of: [u64; PRODUCERS],
    ids: HashMap<u16, usize>,
}

impl Truth {
    fn take(&mut self, frame: &Frame<'_>, expected: &mut u64, who: &str) {
        let header: FrameHeader = *frame.header();
        if *expected != 0 {
            assert_eq!(header.sequence(), *expected, "{who}: a gap or a repeat");
        }
        *expected = header.sequence() + 1;
        let known = *self
            .frames
            .entry(header.sequence())
            .or_insert(header.words());
        assert_eq!(
            known,
            header.words(),
            "{who}: {} was handed out as another frame",
            header.sequence()
        );
        if let Some(tick) = frame.get::<Tick>() {
            assert_eq!(tick.source_sequence, header.source_sequence(), "{who}");
            let producer = *self
                .ids
                .entry(header.source())
                .or_insert(tick.producer as usize);
            assert_eq!(producer as u64, tick.producer, "{who}: a source's number");
        }
    }

    /// The audit sees everything, once.
    fn audit(&mut self, frame: &Frame<'_>) {
        if let Some(tick) = frame.get::<Tick>() {
            let next = &mut self.next_of[tick.producer as usize];
            assert_eq!(tick.source_sequence, *next + 1, "exactly once, in order");
            *next += 1;
        }
    }
}

enum Sequencing {
    Standby(Box<Standby>),
    Active(Box<Sequencer>),
}

enum Publishing {
    Pending(PendingProducer),
    Attached(Producer),
    Away,
}

enum Reading {
    Pending(PendingConsumer),
    Attached(Consumer),
    Away,
}

/// Somebody who may be frozen.
struct Player<T> {
    state: T,
    number: u32,
    frozen_until: u64,
}

struct World {
    random: Random,
    step: u64,
    fabric: Fabric,
    time: Arc<AtomicU64>,
    sequencers: Vec<Player<Sequencing>>,
    producers: Vec<Player<Publishing>>,
    consumers: Vec<Player<Reading>>,
    /// What each consumer must be handed next; 0: whatever comes.
    expected: [u64; CONSUMERS],
    observer: Option<Observer>,
    observed: u64,
    committed: [u64; PRODUCERS],
    truth: Truth,
    numbers: u32,
    takeovers: u64,
    zombie_frames: u64,
    /// Whoever dropped dead: their memory stays as it was.
    graveyard: Vec<Box<dyn std::any::Any>>,
    peace: bool,
}

impl World {
    fn new(seed: u64, directory: &Path) -> Self {
        simulated::reset();
        let fabric = Fabric::attach_in(directory, "simulation").expect("the fabric");
        let mut world = World {
            random: Random(seed),
            step: 0,
            time: Arc::new(AtomicU64::new(1)),
            sequencers: Vec::new(),
            producers: Vec::new(),
            consumers: Vec::new(),
            expected: [0; CONSUMERS],
            observer: None,
            observed: 0,
            committed: [0; PRODUCERS],
            truth: Truth::default(),
            numbers: 0,
            takeovers: 0,
            zombie_frames: 0,
            graveyard: Vec::new(),
            peace: false,
            fabric,
        };
        for _ in 0..SEQUENCERS {
            let number = world.number();
            let state = Sequencing::Standby(Box::new(world.standby()));
            world.sequencers.push(Player::new(state, number));
        }
        for _ in 0..PRODUCERS {
            let number = world.number();
            world.producers.push(Player::new(Publishing::Away, number));
        }
        for _ in 0..CONSUMERS {
            let number = world.number();
            world.consumers.push(Player::new(Reading::Away, number));
        }
        // The first sequencer, and the audit before anybody publishes.
        world.play_sequencer(0);
        while !matches!(world.consumers[AUDIT].state, Reading::Attached(_)) {
            world.play_consumer(AUDIT);
            world.play_sequencer(0);
        }
        world
    }

    fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    fn config(&self) -> SequencerConfig {
        SequencerConfig {
            time: TimeSource::Manual(self.time.clone()),
            conductor: ConductorPlacement::Inline,
            anonymous: true,
        }
    }

    /// A standby that takes over when it has seen the same heartbeat twice: the scheduler decides
    /// how often that is, not the clock.
    fn standby(&self) -> Standby {
        Standby::new(
            &self.fabric,
            StandbyConfig {
                sequencer: self.config(),
                heartbeat_limit: Duration::ZERO,
                kill_frozen: false,
            },
        )
    }

    fn frozen(&self, until: u64) -> bool {
        !self.peace && until > self.step
    }

    fn play_sequencer(&mut self, at: usize) {
        let player = &self.sequencers[at];
        if self.frozen(player.frozen_until) {
            return;
        }
        let number = player.number;
        simulated::play(Some(number));
        // Not all watch all the time: or a living sequencer would be replaced at every turn.
        let watches = self.peace || self.random.one_in(4);
        let zombie_cycles = self.random.below(4);
        let config = self.config();
        let next = match &mut self.sequencers[at].state {
            Sequencing::Standby(_) if !watches => None,
            Sequencing::Standby(standby) => match standby.poll().expect("a look") {
                Watch::TakenOver(sequencer) => {
                    self.takeovers += 1;
                    Some(Sequencing::Active(sequencer))
                }
                Watch::Stopped => Some(Sequencing::Active(Box::new(
                    Sequencer::start(&self.fabric, &config).expect("the first"),
                ))),
                Watch::Healthy | Watch::Waiting(_) => None,
            },
            Sequencing::Active(sequencer) => {
                let replaced = self.fabric.epoch().load().epoch() != sequencer.epoch();
                if replaced {
                    // It had been frozen right after it looked at the epoch.
                    for _ in 0..zombie_cycles {
                        self.zombie_frames += sequencer.do_work_unchecked() as u64;
                    }
                }
                let mut outcome = Ok(0);
                for _ in 0..80 {
                    outcome = sequencer.do_work();
                    if outcome.is_err() {
                        break;
                    }
                }
                match outcome {
                    Ok(_) => {
                        assert!(!replaced, "it must notice");
                        None
                    }
                    Err(SequencerError::Fabric(FabricError::Replaced { .. })) => {
                        assert!(replaced, "nobody has replaced it");
                        Some(Sequencing::Standby(Box::new(self.standby())))
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        };
        if let Some(state) = next {
            self.sequencers[at].state = state;
        }
    }

    fn play_producer(&mut self, at: usize) {
        if self.frozen(self.producers[at].frozen_until) {
            return;
        }
        simulated::play(Some(self.producers[at].number));
        let next = match &mut self.producers[at].state {
            Publishing::Away => Some(Publishing::Pending(
                self.fabric
                    .producer(&format!("p{at}"))
                    .message::<Tick>()
                    .begin()
                    .expect("a registration"),
            )),
            Publishing::Pending(pending) => pending.poll().expect("no refusal").map(|producer| {
                assert_eq!(
                    producer.next_source_sequence(),
                    self.committed[at] + 1,
                    "it goes on exactly where it stood"
                );
                Publishing::Attached(producer)
            }),
            Publishing::Attached(producer) => {
                let count = if self.peace { 0 } else { self.random.below(12) };
                for _ in 0..count {
                    let tick = Tick {
                        source_sequence: producer.next_source_sequence(),
                        producer: at as u64,
                    };
                    match producer.try_publish(&tick) {
                        Ok(sequence) => self.committed[at] = sequence,
                        Err(ClaimError::Full) => break,
                        Err(error) => panic!("{error:?}"),
                    }
                }
                None
            }
        };
        if let Some(state) = next {
            self.producers[at].state = state;
        }
    }

    fn play_consumer(&mut self, at: usize) {
        if self.frozen(self.consumers[at].frozen_until) {
            return;
        }
        simulated::play(Some(self.consumers[at].number));
        let who = format!("c{at}");
        let next = match &mut self.consumers[at].state {
            Reading::Away => {
                let builder = self.fabric.consumer(&who).start(Start::Stored);
                let builder = if at == AUDIT {
                    builder.essential()
                } else {
                    builder
                };
                Some(Reading::Pending(builder.begin().expect("a registration")))
            }
            Reading::Pending(pending) => match pending.poll() {
                Ok(None) => None,
                Ok(Some(consumer)) => {
                    let expected = self.expected[at];
                    if at == AUDIT && expected != 0 {
                        assert!(
                            consumer.position() <= expected,
                            "the audit missed something"
                        );
                    }
                    self.expected[at] = consumer.position();
                    Some(Reading::Attached(consumer))
                }
                // Nobody held what it had not read.
                Err(FabricError::Refused { .. } | FabricError::SequenceNotAvailable { .. })
                    if at != AUDIT =>
                {
                    self.consumers[at].state = Reading::Away;
                    let path = self.fabric.paths().consumer(&who);
                    std::fs::remove_file(path).expect("its file");
                    None
                }
                Err(error) => panic!("{who}: {error}"),
            },
            Reading::Attached(consumer) => {
                let limit = 1 + self.random.below(40) as usize;
                let (truth, expected) = (&mut self.truth, &mut self.expected[at]);
                consumer
                    .poll(limit, |frame| {
                        truth.take(frame, expected, &who);
                        if at == AUDIT {
                            truth.audit(frame);
                        }
                    })
                    .expect("a gating consumer is never overrun");
                None
            }
        };
        if let Some(state) = next {
            self.consumers[at].state = state;
        }
    }

    fn play_observer(&mut self) {
        simulated::play(Some(0));
        let Some(observer) = &mut self.observer else {
            self.observer = self
                .fabric
                .observer("observer")
                .start(Start::Oldest)
                .timeout(Duration::ZERO)
                .attach()
                .ok();
            self.observed = self.observer.as_ref().map_or(0, Observer::position);
            return;
        };
        let (truth, expected) = (&mut self.truth, &mut self.observed);
        match observer.poll(64, |frame| truth.take(frame, expected, "observer")) {
            Ok(_) => {}
            Err(FabricError::Overrun { to, .. }) => self.observed = to + 1,
            Err(error) => panic!("{error}"),
        }
    }

    /// Somebody drops dead or freezes.
    fn strike(&mut self) {
        let span = self.step + 1 + self.random.below(40);
        let dies = self.random.one_in(2);
        let number = self.number();
        let at = self.random.below(3) as usize;
        match self.random.below(3) {
            0 if dies => {
                let state = Sequencing::Standby(Box::new(self.standby()));
                simulated::bury(self.sequencers[at].number);
                self.sequencers[at] = Player::new(state, number);
            }
            0 => self.sequencers[at].frozen_until = span,
            1 if dies => {
                let mut dead = std::mem::replace(
                    &mut self.producers[at],
                    Player::new(Publishing::Away, number),
                );
                if let Publishing::Attached(producer) = &mut dead.state
                    && let Ok(mut claim) = producer.try_claim::<Tick>()
                {
                    // In the middle of a message.
                    claim.source_sequence = u64::MAX;
                    let _ = claim;
                }
                simulated::bury(dead.number);
                self.graveyard.push(Box::new(dead));
            }
            1 => self.producers[at].frozen_until = span,
            _ if dies => {
                let dead =
                    std::mem::replace(&mut self.consumers[at], Player::new(Reading::Away, number));
                simulated::bury(dead.number);
                self.graveyard.push(Box::new(dead));
            }
            _ => self.consumers[at].frozen_until = span,
        }
    }

    fn turn(&mut self) {
        self.step += 1;
        self.time.fetch_add(1000, Ordering::Relaxed);
        if !self.peace && self.random.one_in(8) {
            self.strike();
        }
        let at = self.random.below(3) as usize;
        match self.random.below(10) {
            0..=3 => self.play_sequencer(at),
            4..=5 => self.play_producer(at),
            6..=8 => self.play_consumer(at),
            _ => self.play_observer(),
        }
        self.check();
    }

    /// No reader is beyond the writer.
    fn check(&self) {
        let epoch = self.fabric.epoch().load();
        let opened = self
            .fabric
            .bank(epoch)
            .is_some_and(|bank| bank.header().read(epoch).is_some());
        if !opened {
            return;
        }
        let next = self.fabric.next_sequence();
        for player in &self.consumers {
            if let Reading::Attached(consumer) = &player.state {
                assert!(consumer.position() <= next, "a reader beyond the writer");
            }
        }
        if let Some(observer) = &self.observer {
            assert!(observer.position() <= next, "a reader beyond the writer");
        }
    }

    fn run(&mut self) {
        while self.step < STEPS {
            self.turn();
        }
        self.peace = true;
        while self.truth.next_of != self.committed {
            assert!(
                self.step < STEPS + STEPS_OF_PEACE,
                "committed {:?}, in the stream {:?}",
                self.committed,
                self.truth.next_of
            );
            self.turn();
        }
    }
}

impl<T> Player<T> {
    fn new(state: T, number: u32) -> Self {
        Player {
            state,
            number,
            frozen_until: 0,
        }
    }
}

/// The files of a new fabric, made once and copied for each run.
struct Template {
    directory: tempfile::TempDir,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Template {
    fn new() -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").expect("shared memory");
        let mut config = FabricConfig::new("simulation").in_directory(directory.path());
        config.pages = Pages::Small;
        config.stream_capacity = 256;
        config.stream_payload_bytes = 4096;
        config.ingress_capacity = 16;
        config.ingress_payload_bytes = 4096;
        drop(Fabric::create(&config).expect("a fabric"));
        let mut template = Template {
            directory,
            files: Vec::new(),
        };
        let root = template.directory.path().join("simulation");
        template.collect(&root);
        template
    }

    fn collect(&mut self, directory: &Path) {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                self.collect(&path);
            } else {
                let bytes = std::fs::read(&path).expect("a file");
                self.files.push((path, bytes));
            }
        }
    }

    /// A new fabric where the one before was.
    fn restore(&self) -> &Path {
        let root = self.directory.path().join("simulation");
        std::fs::remove_dir_all(&root).expect("the fabric before");
        for directory in ["sources", "consumers"] {
            std::fs::create_dir_all(root.join(directory)).expect("a directory");
        }
        for (path, bytes) in &self.files {
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, bytes).expect("a file");
        }
        self.directory.path()
    }
}

/// Prints the seed when a run fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this run again: SELVEDGE_SIMULATION_SEED={}", self.0);
        }
    }
}

#[test]
fn whatever_happens_in_whatever_order_the_stream_is_one() {
    let single: Option<u64> = std::env::var("SELVEDGE_SIMULATION_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = match single {
        Some(seed) => seed..seed + 1,
        None => 0..SEEDS,
    };
    let threads = 2;
    let totals: Vec<(u64, u64, u64)> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|thread| {
                let seeds = seeds.clone();
                scope.spawn(move || {
                    let template = Template::new();
                    let mut total = (0, 0, 0);
                    for seed in seeds.filter(|seed| seed % threads == thread) {
                        let _seed = Seed(seed);
                        let mut world = World::new(seed, template.restore());
                        world.run();
                        total.0 += world.takeovers;
                        total.1 += world.zombie_frames;
                        total.2 += world.committed.iter().sum::<u64>();
                    }
                    total
                })
            })
            .collect();
        handles
            .into_iter()
            .map(|handle| handle.join().expect("every run holds"))
            .collect()
    });
    if single.is_none() {
        let sum = |of: fn(&(u64, u64, u64)) -> u64| totals.iter().map(of).sum::<u64>();
        let (takeovers, zombies, messages) = (sum(|t| t.0), sum(|t| t.1), sum(|t| t.2));
        println!("{takeovers} takeovers, {zombies} zombie frames, {messages} messages");
        // Or nothing would have been shown.
        assert!(takeovers > SEEDS && zombies > SEEDS && messages > 50 * SEEDS);
    }
}
