//! Fabric and sequencer together, stepped in one thread: attach, publish, sequence, read, leave,
//! restart.

use selvedge_fabric::frame::system::{EndOfStream, EpochOpened, SourceJoined, SourceLeft};
use selvedge_fabric::latency::{LatencyFile, LatencySubject};
use selvedge_fabric::memory::Pages;
use selvedge_fabric::message::{Message, MessageSchema};
use selvedge_fabric::shared::bank::MAX_CONSUMERS;
use selvedge_fabric::{
    ClaimError, Consumer, ConsumerBuilder, Fabric, FabricConfig, FabricError, Observer,
    Participant, Producer, ProducerBuilder, Start,
};
use selvedge_sequencer::{ConductorPlacement, Sequencer, SequencerConfig};
use std::time::Duration;

selvedge_fabric::message! {
    /// A number.
    struct Number: type 1, name "test.number", version 1 {
        value: u64;
        check: u64;
    }
}

selvedge_fabric::message! {
    /// Too long for a slot.
    struct Long: type 2, name "test.long", version 1 {
        values: [u8; 1000];
    }
}

impl Number {
    fn new(value: u64) -> Self {
        Number {
            value,
            check: value.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        }
    }

    fn assert_whole(&self) {
        assert_eq!(*self, Number::new(self.value));
    }
}

struct Host {
    _directory: tempfile::TempDir,
    fabric: Fabric,
    sequencer: Option<Sequencer>,
}

fn config() -> SequencerConfig {
    SequencerConfig {
        conductor: ConductorPlacement::Inline,
        ..SequencerConfig::default()
    }
}

impl Host {
    fn with(change: impl FnOnce(&mut FabricConfig)) -> Self {
        Self::sequenced_as(&config(), change)
    }

    fn sequenced_as(config: &SequencerConfig, change: impl FnOnce(&mut FabricConfig)) -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").expect("a directory in shared memory");
        let mut fabric_config = FabricConfig::new("test").in_directory(directory.path());
        fabric_config.pages = Pages::Small;
        change(&mut fabric_config);
        let fabric = Fabric::create(&fabric_config).expect("a fabric");
        let sequencer = Sequencer::start(&fabric, config).expect("a sequencer");
        Host {
            _directory: directory,
            fabric,
            sequencer: Some(sequencer),
        }
    }

    fn new() -> Self {
        Self::with(|_| {})
    }

    fn step(&mut self) {
        let sequencer = self.sequencer.as_mut().expect("a running sequencer");
        for _ in 0..128 {
            sequencer.do_work().expect("a duty cycle");
        }
    }

    fn restart(&mut self) {
        self.sequencer = None;
        // Dropped without draining: as after a crash, but this process lives on, so the word
        // that it stopped has to be given for it.
        let epoch = self.fabric.epoch().load();
        self.fabric
            .bank_for_sequencer(epoch.bank())
            .expect("the bank")
            .set_status(selvedge_fabric::shared::bank::SequencerStatus::Stopped);
        self.sequencer = Some(Sequencer::start(&self.fabric, &config()).expect("a successor"));
    }

    fn stop(&mut self) {
        let sequencer = self.sequencer.as_mut().expect("a running sequencer");
        sequencer.drain();
        while !sequencer.ended() {
            sequencer.do_work().expect("a duty cycle");
        }
        self.sequencer = None;
    }

    fn producer_with(&mut self, builder: ProducerBuilder) -> Producer {
        let mut pending = builder.begin().expect("a registration");
        for _ in 0..1000 {
            self.step();
            if let Some(producer) = pending.poll().expect("no refusal") {
                return producer;
            }
        }
        panic!("the producer was not admitted");
    }

    fn producer(&mut self, name: &str) -> Producer {
        let builder = self
            .fabric
            .producer(name)
            .message::<Number>()
            .message::<Long>();
        self.producer_with(builder)
    }

    fn consumer(&mut self, name: &str, start: Start) -> Consumer {
        let builder = self.fabric.consumer(name).start(start);
        self.admitted(builder)
    }

    fn admitted(&mut self, builder: ConsumerBuilder) -> Consumer {
        let mut pending = builder.begin().expect("a registration");
        for _ in 0..1000 {
            self.step();
            if let Some(consumer) = pending.poll().expect("no refusal") {
                return consumer;
            }
        }
        panic!("the consumer was not admitted");
    }
}

fn numbers(consumer: &mut Consumer) -> Vec<u64> {
    let mut values = Vec::new();
    while consumer
        .poll(64, |frame| {
            if let Some(number) = frame.get::<Number>() {
                number.assert_whole();
                values.push(number.value);
            }
        })
        .expect("a poll")
        > 0
    {}
    values
}

fn observed(observer: &mut Observer) -> (Vec<u64>, Vec<(u64, u64)>) {
    let (mut values, mut missed) = (Vec::new(), Vec::new());
    loop {
        match observer.poll(64, |frame| {
            if let Some(number) = frame.get::<Number>() {
                number.assert_whole();
                values.push(number.value);
            }
        }) {
            Ok(0) => return (values, missed),
            Ok(_) => {}
            Err(FabricError::Overrun { from, to }) => missed.push((from, to)),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn messages_of_two_producers_are_read_in_one_order() {
    let mut host = Host::new();
    let mut first = host.consumer("first", Start::Oldest);
    let mut second = host.consumer("second", Start::Oldest);
    let mut a = host.producer("a");
    let mut b = host.producer("b");
    for value in 0..1000 {
        a.publish(&Number::new(value)).expect("room");
        b.publish(&Number::new(1_000_000 + value)).expect("room");
        if value % 100 == 0 {
            host.step();
        }
    }
    host.step();
    let read = numbers(&mut first);
    assert_eq!(read.len(), 2000);
    assert_eq!(read, numbers(&mut second));
    let of_a: Vec<u64> = read.iter().copied().filter(|&v| v < 1_000_000).collect();
    assert_eq!(of_a, (0..1000).collect::<Vec<_>>());
    assert_eq!(first.position(), host.fabric.next_sequence());
}

#[test]
fn stamps_and_sequences_rise_without_gaps() {
    let mut host = Host::new();
    let mut consumer = host.consumer("reader", Start::Oldest);
    let mut producer = host.producer("a");
    for value in 0..500 {
        producer.publish(&Number::new(value)).expect("room");
        host.step();
    }
    let (mut sequence, mut stamp, mut source_sequence) = (0, 0, 0);
    consumer
        .poll(10_000, |frame| {
            let header = frame.header();
            assert_eq!(header.sequence(), sequence + 1);
            assert!(header.timestamp() >= stamp);
            if header.source() == producer.source() {
                assert_eq!(header.source_sequence(), source_sequence + 1);
                source_sequence = header.source_sequence();
            }
            sequence = header.sequence();
            stamp = header.timestamp();
        })
        .expect("a poll");
    assert_eq!(source_sequence, 500);
    let now = selvedge_fabric::host::ticks::utc_ns();
    assert!(now.abs_diff(stamp) < 1_000_000_000, "{now} {stamp}");
}

#[test]
fn a_gating_consumer_holds_the_stream_and_nothing_is_lost() {
    let mut host = Host::with(|config| {
        config.stream_capacity = 256;
        config.ingress_capacity = 64;
    });
    let mut consumer = host.consumer("slow", Start::Latest);
    let mut producer = host.producer("a");
    let mut sent = 0;
    let mut full = 0;
    for _ in 0..100 {
        while producer.try_publish(&Number::new(sent)).is_ok() {
            sent += 1;
        }
        full += 1;
        host.step();
    }
    assert!(full == 100 && sent < 400, "held back: {sent}");
    assert!(host.sequencer.as_ref().unwrap().counters().held_back > 0);
    let mut read = numbers(&mut consumer);
    host.step();
    read.extend(numbers(&mut consumer));
    assert_eq!(read, (0..sent).collect::<Vec<_>>());
}

#[test]
fn ten_thousand_messages_into_a_full_ring_lose_nothing() {
    let mut host = Host::new();
    let mut producer = host.producer("a");
    let mut refused = 0;
    let mut sent = 0;
    for value in 0..10_000 {
        match producer.try_publish(&Number::new(value)) {
            Ok(source_sequence) => {
                sent += 1;
                assert_eq!(source_sequence, sent);
            }
            Err(error) => {
                assert_eq!(error, ClaimError::Full);
                let text = producer
                    .explain(error, size_of::<Number>(), Number::TYPE)
                    .to_string();
                assert!(text.contains("4096") && text.contains("nothing was lost"));
                refused += 1;
            }
        }
    }
    assert_eq!((sent, refused), (4096, 10_000 - 4096));
    let mut consumer = host.consumer("reader", Start::Oldest);
    host.step();
    assert_eq!(numbers(&mut consumer), (0..4096).collect::<Vec<_>>());
}

#[test]
fn a_run_of_messages_is_sent_as_far_as_there_is_room() {
    let mut host = Host::with(|config| config.ingress_capacity = 64);
    let mut consumer = host.consumer("reader", Start::Latest);
    let mut producer = host.producer("a");
    let (mut sent, mut read) = (0, Vec::new());
    for length in [0, 1, 7, 64, 200, 33, 64] {
        let first = sent;
        let count = producer
            .try_publish_run(length, |index, number| {
                *number = Number::new(first + index as u64);
            })
            .expect("a registered type");
        assert_eq!(count, length.min(64), "an empty ring takes what fits");
        sent += count as u64;
        host.step();
        read.extend(numbers(&mut consumer));
    }
    // What does not fit its slot goes the long way.
    let count = producer
        .try_publish_run(3, |index, long: &mut Long| {
            long.values = [index as u8; 1000]
        })
        .expect("a registered type");
    assert_eq!(count, 3);
    host.step();
    let mut long = 0;
    consumer
        .poll(10, |frame| {
            let values = frame.get::<Long>().expect("a long one").values;
            assert_eq!(values, [long; 1000]);
            long += 1;
        })
        .expect("a poll");
    assert_eq!(long, 3);
    assert_eq!(read, (0..sent).collect::<Vec<_>>());
}

#[test]
fn an_aborted_claim_is_never_sent() {
    let mut host = Host::new();
    let mut consumer = host.consumer("reader", Start::Oldest);
    let mut producer = host.producer("a");
    for value in 0..10 {
        let mut claim = producer.try_claim::<Number>().expect("room");
        *claim = Number::new(value);
        if value % 2 == 0 {
            claim.commit();
        } else {
            claim.abort();
        }
        host.step();
    }
    assert_eq!(numbers(&mut consumer), [0, 2, 4, 6, 8]);
}

#[test]
fn keeping_warm_sends_nothing_and_spoils_nothing() {
    const CAPACITY: u64 = 64;
    let mut host = Host::with(|config| config.ingress_capacity = CAPACITY);
    let mut consumer = host.consumer("reader", Start::Latest);
    let mut producer = host.producer("a");
    let mut value = 0;
    // Up to a full ring, where the next slot still holds a message that nobody has read.
    for length in [0, 1, CAPACITY - 1, CAPACITY, 3, CAPACITY] {
        let first = value;
        for _ in 0..length {
            producer.keep_warm();
            producer.try_publish(&Number::new(value)).expect("room");
            value += 1;
        }
        producer.keep_warm();
        assert_eq!(producer.next_source_sequence(), value + 1);
        host.step();
        producer.keep_warm();
        host.step();
        assert_eq!(numbers(&mut consumer), (first..value).collect::<Vec<_>>());
    }
}

#[test]
fn every_size_from_one_byte_to_64_kib_arrives_whole() {
    let mut host = Host::new();
    let schema = MessageSchema {
        message_type: 77,
        name: "test.bytes".to_owned(),
        version: 1,
        size: 0,
        fields: Vec::new(),
    };
    let builder = host.fabric.producer("bytes").schema(schema);
    let mut producer = host.producer_with(builder);
    let mut consumer = host.consumer("reader", Start::Latest);
    let mut observer = host
        .fabric
        .observer("watcher")
        .start(Start::Latest)
        .attach()
        .expect("an observer");
    let pattern = |length: usize| -> Vec<u8> {
        (0..length)
            .map(|index| (index * 7 + length) as u8)
            .collect()
    };
    let sizes: Vec<usize> = (1..200)
        .chain([1000, 4095, 4096, 4097, 65_535, 65_536])
        .collect();
    for &size in &sizes {
        producer.publish_bytes(77, &pattern(size)).expect("room");
        host.step();
        let mut seen = Vec::new();
        consumer
            .poll(10, |frame| seen.push(frame.payload().to_vec()))
            .expect("a poll");
        observer
            .poll(10, |frame| seen.push(frame.payload().to_vec()))
            .expect("a poll");
        assert_eq!(seen, [pattern(size), pattern(size)], "{size}");
    }
    let too_long = producer.publish_bytes(77, &pattern(65_537)).unwrap_err();
    assert!(
        matches!(
            too_long,
            FabricError::MessageTooLarge {
                length: 65_537,
                limit: 65_536
            }
        ),
        "{too_long}"
    );
}

#[test]
fn long_messages_wait_for_room_in_the_payload_ring() {
    let mut host = Host::new();
    let mut producer = host.producer("a");
    let mut consumer = host.consumer("reader", Start::Latest);
    let (mut sent, mut read) = (0u64, 0u64);
    for _ in 0..50 {
        while producer
            .try_publish(&Long {
                values: [sent as u8; 1000],
            })
            .is_ok()
        {
            sent += 1;
        }
        for _ in 0..40 {
            host.step();
        }
        consumer
            .poll(usize::MAX, |frame| {
                if let Some(long) = frame.get::<Long>() {
                    assert!(long.values.iter().all(|&byte| byte == read as u8));
                    read += 1;
                }
            })
            .expect("a poll");
    }
    assert!(sent > 10_000, "{sent}");
    host.step();
    while consumer.poll(1000, |_| read += 1).expect("a poll") > 0 {
        host.step();
    }
    assert_eq!(read, sent);
}

#[test]
fn an_observer_that_is_overrun_says_exactly_what_it_missed() {
    let mut host = Host::with(|config| config.stream_capacity = 256);
    let mut producer = host.producer("a");
    host.step();
    let mut observer = host
        .fabric
        .observer("lagging")
        .start(Start::Latest)
        .attach()
        .expect("an observer");
    let first = observer.position();
    for value in 0..3000 {
        producer.publish(&Number::new(value)).expect("room");
        if value % 32 == 0 {
            host.step();
        }
    }
    host.step();
    let (values, missed) = observed(&mut observer);
    assert_eq!(missed.len(), 1);
    let (from, to) = missed[0];
    assert_eq!(from, first);
    assert_eq!(to - from + 1 + values.len() as u64, 3000);
    assert_eq!(*values.last().unwrap(), 2999);
    assert_eq!(values[0], to - from + 1);
    assert!(values.len() >= 256 - 16, "{}", values.len());
}

#[test]
fn the_place_of_a_message_in_the_total_order_can_be_learnt() {
    let mut host = Host::new();
    let mut a = host.producer("a");
    let mut b = host.producer("b");
    let mut consumer = host.consumer("reader", Start::Oldest);
    let mut expected = Vec::new();
    for value in 0..200 {
        expected.push(a.publish(&Number::new(value)).expect("room"));
        if value % 3 == 0 {
            b.publish(&Number::new(value)).expect("room");
        }
        if value % 7 == 0 {
            host.step();
        }
    }
    host.step();
    let mut places = std::collections::HashMap::new();
    consumer
        .poll(10_000, |frame| {
            let header = frame.header();
            places.insert(
                (header.source(), header.source_sequence()),
                header.sequence(),
            );
        })
        .expect("a poll");
    for source_sequence in expected {
        let place = a
            .wait_sequenced(source_sequence, Duration::ZERO)
            .expect("it is sequenced");
        assert_eq!(Some(&place), places.get(&(a.source(), source_sequence)));
    }
    let error = a.wait_sequenced(1_000_000, Duration::ZERO).unwrap_err();
    assert!(matches!(error, FabricError::TimedOut { .. }), "{error}");
}

#[test]
fn waiting_inside_a_handler_is_an_error_and_not_a_deadlock() {
    let mut host = Host::new();
    let mut producer = host.producer("a");
    let mut consumer = host.consumer("reader", Start::Latest);
    while producer.try_publish(&Number::new(0)).is_ok() {}
    host.step();
    while producer.try_publish(&Number::new(0)).is_ok() {}
    let mut outcomes = Vec::new();
    consumer
        .poll(1, |_| outcomes.push(producer.publish(&Number::new(1))))
        .expect("a poll");
    assert!(
        matches!(outcomes[..], [Err(FabricError::WaitInsideHandler { .. })]),
        "{outcomes:?}"
    );
}

#[test]
fn everyone_gating_and_publishing_with_every_ring_full_never_stands_still() {
    let mut host = Host::with(|config| {
        config.stream_capacity = 256;
        config.ingress_capacity = 16;
    });
    // Each answers every message of the feed with four messages: far more than there is room for.
    let mut answerers: Vec<Participant> = ["strategy", "gateway"]
        .iter()
        .map(|name| {
            let producer = host.producer(name);
            let consumer = host.consumer(name, Start::Latest);
            Participant::new(consumer, producer)
        })
        .collect();
    let mut feed = host.producer("feed");
    let feed_source = feed.source();
    let mut audit = host.consumer("audit", Start::Latest);
    let mut fed = 0;
    let mut seen = vec![0u64; 8];
    let total = 5_000;
    let mut rounds = 0;
    while seen.iter().sum::<u64>() < total * 9 {
        rounds += 1;
        assert!(rounds < 1_000_000, "it stands still: {seen:?}");
        while fed < total && feed.try_publish(&Number::new(fed)).is_ok() {
            fed += 1;
        }
        host.sequencer.as_mut().unwrap().do_work().expect("a cycle");
        for answerer in &mut answerers {
            answerer
                .poll(64, |frame, output| {
                    if frame.header().source() == feed_source
                        && let Some(number) = frame.get::<Number>()
                    {
                        for copy in 0..4 {
                            output
                                .send(&Number::new(number.value * 4 + copy))
                                .expect("within the limit");
                        }
                    }
                })
                .expect("a poll");
        }
        audit
            .poll(64, |frame| {
                if frame.get::<Number>().is_some() {
                    seen[frame.header().source() as usize] += 1;
                }
            })
            .expect("a poll");
    }
    assert_eq!(seen[feed_source as usize], total);
    assert_eq!(seen.iter().filter(|&&count| count == total * 4).count(), 2);
}

#[test]
fn a_full_pending_output_is_an_error_that_loses_nothing() {
    let mut host = Host::with(|config| config.ingress_capacity = 16);
    let producer = host.producer("a");
    let consumer = host.consumer("a", Start::Latest);
    let mut participant = Participant::new(consumer, producer).pending_limit(160);
    let mut sent = 0;
    let error = loop {
        match participant.output().send(&Number::new(sent)) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, FabricError::PendingFull { pending: 160, .. }),
        "{error}"
    );
    assert_eq!(sent, 16 + 10);
    let mut audit = host.consumer("audit", Start::Oldest);
    for _ in 0..10 {
        host.step();
        participant.poll(64, |_, _| {}).expect("a poll");
    }
    assert_eq!(numbers(&mut audit), (0..26).collect::<Vec<_>>());
}

#[test]
fn a_restarted_sequencer_goes_on_where_the_last_one_stopped() {
    let mut host = Host::with(|config| config.stream_capacity = 256);
    let mut quiet = host.producer("quiet");
    quiet.publish(&Number::new(7_000_000)).expect("room");
    let mut producer = host.producer("busy");
    let mut consumer = host.consumer("reader", Start::Latest);
    let mut read = Vec::new();
    let mut sent = 0;
    for round in 0..40 {
        for _ in 0..97 {
            producer.publish(&Number::new(sent)).expect("room");
            sent += 1;
        }
        if round % 3 == 0 {
            host.step();
            read.extend(numbers(&mut consumer));
        }
        // Sometimes with messages in the ring, sometimes with frames unread.
        host.restart();
        host.step();
        read.extend(numbers(&mut consumer));
    }
    quiet.publish(&Number::new(7_000_001)).expect("room");
    host.step();
    read.extend(numbers(&mut consumer));
    let busy: Vec<u64> = read.iter().copied().filter(|&v| v < 7_000_000).collect();
    assert_eq!(busy, (0..sent).collect::<Vec<_>>());
    assert_eq!(read.iter().filter(|&&v| v == 7_000_001).count(), 1);
    assert_eq!(host.sequencer.as_ref().unwrap().epoch(), 41);
}

#[test]
fn stopping_in_order_drains_the_rings_and_ends_the_stream() {
    let mut host = Host::new();
    let mut consumer = host.consumer("reader", Start::Oldest);
    let mut producer = host.producer("a");
    for value in 0..1000 {
        producer.publish(&Number::new(value)).expect("room");
    }
    host.stop();
    let mut types = Vec::new();
    let mut count = 0;
    consumer
        .poll(10_000, |frame| {
            types.push(frame.header().message_type());
            count += u64::from(frame.get::<Number>().is_some());
        })
        .expect("a poll");
    assert_eq!(count, 1000);
    assert_eq!(types[0], EpochOpened::TYPE);
    assert_eq!(*types.last().unwrap(), EndOfStream::TYPE);
    // What is published while no sequencer runs waits for the next.
    producer.publish(&Number::new(1000)).expect("room");
    host.sequencer = Some(Sequencer::start(&host.fabric, &config()).expect("a successor"));
    host.step();
    assert_eq!(numbers(&mut consumer), [1000]);
}

#[test]
fn a_producer_that_comes_back_goes_on_after_its_last_message() {
    let mut host = Host::new();
    let mut consumer = host.consumer("reader", Start::Oldest);
    for life in 0..5u64 {
        let mut producer = host.producer("phoenix");
        assert_eq!(producer.next_source_sequence(), life * 10 + 1);
        for value in 0..10 {
            producer
                .publish(&Number::new(life * 10 + value))
                .expect("room");
        }
        // A claim that is never committed is never sequenced.
        **producer.try_claim::<Number>().as_mut().unwrap() = Number::new(u64::MAX);
        drop(producer);
    }
    host.step();
    assert_eq!(numbers(&mut consumer), (0..50).collect::<Vec<_>>());
    let rings = std::fs::read_dir(host.fabric.ring_directory())
        .unwrap()
        .filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with("source-")
        })
        .count();
    for _ in 0..20 {
        host.step();
    }
    assert!(rings <= 1, "drained rings are removed");
}

#[test]
fn coming_and_going_is_part_of_the_stream() {
    let mut host = Host::new();
    let mut consumer = host.consumer("reader", Start::Oldest);
    let producer = host.producer("a");
    let source = producer.source();
    drop(producer);
    for _ in 0..20 {
        host.step();
    }
    let (mut joined, mut left) = (0, 0);
    consumer
        .poll(1000, |frame| {
            if let Some(message) = frame.get::<SourceJoined>() {
                assert_eq!(message.source, source);
                assert_eq!(&message.name[..2], b"a\0");
                joined += 1;
            }
            if let Some(message) = frame.get::<SourceLeft>() {
                assert_eq!((message.source, message.reason), (source, 0));
                left += 1;
            }
        })
        .expect("a poll");
    assert_eq!((joined, left), (1, 1));
}

#[test]
fn a_consumer_resumes_where_it_stood() {
    let mut host = Host::new();
    let mut producer = host.producer("a");
    let mut consumer = host.consumer("reader", Start::Stored);
    for value in 0..100 {
        producer.publish(&Number::new(value)).expect("room");
    }
    host.step();
    let mut read = Vec::new();
    while read.len() < 40 {
        consumer
            .poll(8, |frame| {
                read.extend(frame.get::<Number>().map(|number| number.value));
            })
            .expect("a poll");
    }
    drop(consumer);
    host.step();
    let mut consumer = host.consumer("reader", Start::Stored);
    read.extend(numbers(&mut consumer));
    assert_eq!(read, (0..100).collect::<Vec<_>>());
}

#[test]
fn of_frames_that_come_alone_one_in_so_many_is_timed() {
    let mut host = Host::new();
    let mut producer = host.producer("a");
    for (every, alone) in [(0, 0), (1, 64), (16, 4)] {
        let name = format!("every-{every}");
        let builder = host.fabric.consumer(&name).timed_every(every);
        let mut consumer = host.admitted(builder);
        let samples = |host: &Host| {
            LatencyFile::all(&host.fabric)
                .into_iter()
                .find(|(subject, _)| *subject == LatencySubject::Consumer { name: name.clone() })
                .map_or(0, |(_, snapshot)| snapshot.count())
        };
        for value in 0..64 {
            producer.publish(&Number::new(value)).expect("room");
            host.step();
            assert_eq!(consumer.poll(64, |_| {}).expect("a poll"), 1);
        }
        assert_eq!(samples(&host), alone, "{name}");
        // A run of as many is timed once.
        for value in 0..48 {
            producer.publish(&Number::new(value)).expect("room");
        }
        host.step();
        assert_eq!(consumer.poll(64, |_| {}).expect("a poll"), 48);
        assert_eq!(samples(&host), alone + u64::from(every > 0), "{name}");
    }
    let error = host.fabric.consumer("odd").timed_every(3).begin();
    assert!(error.is_err_and(|error| error.to_string().contains("power of two")));
}

#[test]
fn a_producer_that_is_read_in_runs_of_one_length_is_timed_now_and_then() {
    const RUN: u64 = 64;
    const RUNS: u64 = 1024;
    for in_calls in [false, true] {
        let mut host = Host::new();
        let mut producer = host.producer("feed");
        // Runs begin at the second place of each so many: none that is a multiple of anything.
        assert_eq!(producer.next_source_sequence() % RUN, 1);
        for run in 0..RUNS {
            if in_calls {
                let sent = producer.try_publish_run(RUN as usize, |index, number: &mut Number| {
                    *number = Number::new(run * RUN + index as u64);
                });
                assert_eq!(sent.expect("room"), RUN as usize);
            } else {
                for index in 0..RUN {
                    let number = Number::new(run * RUN + index);
                    producer.try_publish(&number).expect("room");
                }
            }
            let sequencer = host.sequencer.as_mut().expect("a running sequencer");
            let before = sequencer.counters().messages;
            while sequencer.counters().messages < before + RUN {
                sequencer.do_work().expect("a duty cycle");
            }
        }
        let sequencer = host.sequencer.as_ref().expect("a running sequencer");
        let timed = sequencer.publish_to_sequenced().len();
        // One message in 64, and by themselves one in 16.
        let expected = if in_calls { RUNS / 64 } else { RUNS / 16 };
        assert!(
            (expected / 2..=expected * 2).contains(&timed),
            "{timed} of {RUNS} runs, in calls: {in_calls}"
        );
    }
}

#[test]
fn of_many_sources_the_silent_ones_are_heard_as_soon_as_they_speak() {
    const SOURCES: usize = 40;
    let mut host = Host::new();
    let mut producers: Vec<_> = (0..SOURCES)
        .map(|index| host.producer(&format!("source-{index}")))
        .collect();
    let mut consumer = host.consumer("reader", Start::Latest);
    let mut value = 0;
    let mut expected = Vec::new();
    let cycle = |host: &mut Host, count: usize| {
        let sequencer = host.sequencer.as_mut().expect("it runs");
        for _ in 0..count {
            sequencer.do_work().expect("the only sequencer");
        }
        sequencer.next_sequence()
    };
    // Long enough for silence, again and again.
    for round in 0..6 {
        cycle(&mut host, 40_000);
        for step in 0..SOURCES {
            for speaker in [0, (round * 7 + step) % SOURCES] {
                // An eighth of the silent ones is looked at in each cycle; who has spoken in all.
                for cycles in [8, 1] {
                    let next = cycle(&mut host, 0);
                    producers[speaker]
                        .try_publish(&Number::new(value))
                        .expect("room");
                    expected.push(value);
                    value += 1;
                    assert_eq!(cycle(&mut host, cycles), next + 1, "round {round}");
                }
            }
        }
        assert_eq!(numbers(&mut consumer), expected, "round {round}");
        expected.clear();
        // One leaves, one comes.
        producers.swap_remove(round + 1);
        host.step();
        let name = format!("late-{round}");
        let late = host.producer(&name);
        producers.push(late);
    }
}

#[test]
fn a_consumer_is_admitted_although_the_stream_is_full_and_a_source_waits_for_it() {
    let mut host = Host::with(|config| {
        config.stream_capacity = 256;
        config.ingress_capacity = 64;
    });
    let mut producer = host.producer("a");
    let mut slow = host.consumer("slow", Start::Latest);
    let mut sent = 0;
    for _ in 0..20 {
        while producer.try_publish(&Number::new(sent)).is_ok() {
            sent += 1;
        }
        host.step();
    }
    let mut newcomer = host
        .fabric
        .producer("b")
        .message::<Number>()
        .begin()
        .expect("a registration");
    for _ in 0..20 {
        host.step();
        assert!(newcomer.poll().expect("no refusal").is_none(), "no room");
    }
    // It could be the one whose return the stream waits for.
    let mut second = host.consumer("second", Start::Latest);
    assert_eq!(numbers(&mut slow).len() as u64, sent - 64);
    host.step();
    let joined = (0..1000).any(|_| {
        host.step();
        newcomer.poll().expect("no refusal").is_some()
    });
    assert!(joined, "there is room now");
    assert_eq!(numbers(&mut second), (sent - 64..sent).collect::<Vec<_>>());
}

#[test]
fn consumers_start_where_they_ask_to() {
    let mut host = Host::with(|config| config.stream_capacity = 256);
    let mut producer = host.producer("a");
    for value in 0..1000 {
        producer.publish(&Number::new(value)).expect("room");
        if value % 50 == 0 {
            host.step();
            std::thread::sleep(Duration::from_micros(50));
        }
    }
    host.step();
    let next = host.fabric.next_sequence();
    let oldest = host.fabric.oldest_sequence();
    assert!(
        next - oldest > 200 && next - oldest <= 256,
        "{oldest} {next}"
    );
    assert_eq!(host.consumer("latest", Start::Latest).position(), next);
    assert_eq!(host.consumer("oldest", Start::Oldest).position(), oldest);
    let middle = next - 100;
    assert_eq!(
        host.consumer("sequence", Start::Sequence(middle))
            .position(),
        middle
    );
    let stamp = host.fabric.peek(middle).expect("it is there").timestamp();
    let at = host.consumer("time", Start::Time(stamp)).position();
    assert_eq!(host.fabric.peek(at).unwrap().timestamp(), stamp);
    assert!(host.fabric.peek(at - 1).unwrap().timestamp() < stamp);

    let refused = |host: &mut Host, start| {
        let mut pending = host
            .fabric
            .consumer("refused")
            .start(start)
            .begin()
            .unwrap();
        for _ in 0..100 {
            host.step();
            if let Err(error) = pending.poll() {
                return error.to_string();
            }
        }
        panic!("not refused");
    };
    let text = refused(&mut host, Start::Sequence(1));
    assert!(text.contains("journal"), "{text}");
    let text = refused(&mut host, Start::Sequence(next + 1000));
    assert!(text.contains("not come so far"), "{text}");
}

#[test]
fn names_are_exclusive_while_their_holder_lives() {
    let mut host = Host::new();
    let _producer = host.producer("a");
    let _consumer = host.consumer("a", Start::Latest);
    let error = host
        .fabric
        .producer("a")
        .message::<Number>()
        .begin()
        .unwrap_err();
    assert!(
        matches!(error, FabricError::NameTaken { role: "source", .. }),
        "{error}"
    );
    let error = host.fabric.consumer("a").begin().unwrap_err();
    assert!(
        matches!(
            error,
            FabricError::NameTaken {
                role: "consumer",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_second_sequencer_is_refused() {
    let host = Host::new();
    let Err(error) = Sequencer::start(&host.fabric, &config()) else {
        panic!("a second sequencer started");
    };
    assert!(
        error.to_string().contains("already has a sequencer"),
        "{error}"
    );
}

#[test]
fn another_layout_under_the_same_number_is_refused() {
    mod other {
        selvedge_fabric::message! {
            /// Not the other.
            pub struct Number: type 1, name "test.number", version 2 {
                pub value: u32;
            }
        }
    }
    let mut host = Host::new();
    let _producer = host.producer("a");
    let error = host
        .fabric
        .producer("b")
        .message::<other::Number>()
        .begin()
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("version 2") && text.contains("version 1"),
        "{text}"
    );
    let error = host.fabric.producer("c").begin().unwrap_err();
    assert!(error.to_string().contains(".message::<T>()"), "{error}");
    let mut unregistered = host.producer_with(host.fabric.producer("d").message::<Long>());
    let error = unregistered.publish(&Number::new(1)).unwrap_err();
    assert!(
        matches!(error, FabricError::NotRegistered { .. }),
        "{error}"
    );
}

#[test]
fn a_producer_that_writes_rubbish_is_cut_off_and_nobody_else_notices() {
    use selvedge_fabric::memory::{Access, Mapping};
    use selvedge_fabric::protocol::Ordering;
    let mut host = Host::new();
    let mut consumer = host.consumer("reader", Start::Oldest);
    let mut honest = host.producer("honest");
    let rubbish = [
        u64::MAX,
        0,
        1 << 32 | 17,             // wrong length for its type
        1 << 32 | 16 | 1 << 24,   // external, but short
        2 << 32 | 1000,           // long, but not external
        0xF001 << 32 | 16,        // the fabric's own type
        2 << 32 | 1 << 24 | 1000, // external with a position that leads outside
    ];
    for (index, &descriptor) in rubbish.iter().enumerate() {
        let name = format!("hostile-{index}");
        let hostile = host.producer(&name);
        let ring = std::fs::read_dir(host.fabric.ring_directory())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.to_string_lossy().contains(&name))
            .expect("its ring");
        let mapping = Mapping::open(&ring, Access::Write).expect("it can write its own ring");
        let words = mapping.words(0, mapping.len()).unwrap();
        let registration = selvedge_fabric::shared::registration::RegistrationFile::open(
            &host.fabric.registrations_of(&name)[0],
            Access::Read,
        )
        .unwrap()
        .read()
        .unwrap();
        let slot = registration.slots_offset as usize / 8 + 8;
        words
            .get(slot + 1)
            .unwrap()
            .store(descriptor, Ordering::Relaxed);
        words
            .get(slot + 2)
            .unwrap()
            .store(u64::MAX - 7, Ordering::Relaxed);
        words.get(slot).unwrap().store(1, Ordering::Release);
        for _ in 0..20 {
            host.step();
        }
        drop(hostile);
        honest.publish(&Number::new(index as u64)).expect("room");
        host.step();
    }
    assert_eq!(
        host.sequencer.as_ref().unwrap().counters().cut_off,
        rubbish.len() as u64
    );
    assert_eq!(
        numbers(&mut consumer),
        (0..rubbish.len() as u64).collect::<Vec<_>>()
    );
}

#[test]
fn a_fabric_in_use_is_not_removed() {
    let mut host = Host::new();
    let directory = host.fabric.paths().root().parent().unwrap().to_path_buf();
    let _producer = host.producer("a");
    let error = Fabric::remove_in(&directory, "test", false)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("sequencer") && error.contains("`a`"),
        "{error}"
    );
    let error = Fabric::create(&FabricConfig::new("test").in_directory(&directory))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("exists already") && error.contains("in use"),
        "{error}"
    );
    Fabric::remove_in(&directory, "test", true).expect("by force");
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
    let error = Fabric::attach_in(&directory, "test").unwrap_err();
    assert!(matches!(error, FabricError::NoSuchFabric { .. }), "{error}");
}

#[test]
fn a_fabric_of_another_version_is_refused() {
    let host = Host::new();
    let control = host.fabric.paths().control();
    let directory = host.fabric.paths().root().parent().unwrap();
    let mut bytes = std::fs::read(&control).unwrap();
    bytes[8] = 99;
    std::fs::write(&control, &bytes).unwrap();
    let error = Fabric::attach_in(directory, "test").unwrap_err();
    assert!(
        matches!(error, FabricError::WrongVersion { found: 99, .. }),
        "{error}"
    );
    for cut in [0, 8, 15, 100, bytes.len() - 1] {
        bytes[8] = 1;
        std::fs::write(&control, &bytes[..cut]).unwrap();
        let error = Fabric::attach_in(directory, "test").unwrap_err();
        assert!(
            matches!(error, FabricError::Damaged { .. }),
            "{cut}: {error}"
        );
    }
}

#[test]
fn impossible_sizes_and_missing_hugepages_are_named() {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let base = FabricConfig::new("test").in_directory(directory.path());
    let error = Fabric::create(&FabricConfig {
        stream_capacity: 1000,
        ..base.clone()
    })
    .unwrap_err();
    assert!(error.to_string().contains("power of two"), "{error}");
    let required = Fabric::create(&FabricConfig {
        pages: Pages::Require1GiB,
        ..base.clone()
    });
    match required {
        Ok(fabric) => assert_eq!(fabric.control().page_shift, 30),
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("nr_hugepages"), "{text}");
        }
    }
    let error = Fabric::create(&FabricConfig {
        pages: Pages::Small,
        stream_payload_bytes: 1 << 36,
        ..base
    })
    .unwrap_err();
    assert!(
        matches!(error, FabricError::NotEnoughMemory { .. }),
        "{error}"
    );
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert!(
        left.len() <= 1,
        "a failed creation leaves nothing: {left:?}"
    );
}

#[test]
fn a_standby_takes_over_from_a_frozen_sequencer_and_the_zombie_is_never_believed() {
    use selvedge_sequencer::{Standby, StandbyConfig, Watch};
    let mut host = Host::with(|config| config.stream_capacity = 256);
    let mut producer = host.producer("a");
    let mut consumer = host.consumer("reader", Start::Oldest);
    let mut standby = Standby::new(
        &host.fabric,
        StandbyConfig {
            sequencer: config(),
            heartbeat_limit: Duration::from_millis(20),
            kill_frozen: false,
        },
    );
    let mut read = Vec::new();
    let mut sent = 0;
    for takeover in 0..10 {
        for _ in 0..50 {
            producer.publish(&Number::new(sent)).expect("room");
            sent += 1;
        }
        if takeover % 2 == 0 {
            host.step();
            read.extend(numbers(&mut consumer));
        }
        assert!(matches!(standby.poll(), Ok(Watch::Healthy)));
        // The sequencer is not stepped any more: to others it is frozen.
        let successor = loop {
            if let Watch::TakenOver(successor) = standby.poll().expect("a look") {
                break *successor;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let mut zombie = host.sequencer.replace(successor).expect("the old one");
        let error = zombie.do_work().unwrap_err();
        assert!(error.to_string().contains("was replaced"), "{error}");
        host.step();
        read.extend(numbers(&mut consumer));
    }
    assert_eq!(read, (0..sent).collect::<Vec<_>>());
}

#[test]
fn an_essential_consumer_holds_the_stream_beyond_its_death() {
    let mut host = Host::with(|config| config.stream_capacity = 256);
    let mut producer = host.producer("a");
    let builder = host
        .fabric
        .consumer("journal")
        .essential()
        .start(Start::Oldest);
    let mut consumer = host.admitted(builder);
    for value in 0..100 {
        producer.publish(&Number::new(value)).expect("room");
    }
    host.step();
    let mut read = Vec::new();
    consumer
        .poll(20, |frame| {
            read.extend(frame.get::<Number>().map(|number| number.value));
        })
        .expect("a poll");
    let position = consumer.position();
    // As if its process had been killed: neither detached nor alive.
    std::mem::forget(consumer);
    let path = host.fabric.paths().consumer("journal");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40..48].copy_from_slice(&1u64.to_le_bytes());
    use std::os::unix::fs::FileExt;
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .write_all_at(&bytes[40..48], 40)
        .unwrap();
    // The successor's ring is empty: it may fill it once.
    let closed_at = host.fabric.next_sequence();
    host.restart();
    let mut sent = 100;
    for _ in 0..200 {
        while sent < 1000 && producer.try_publish(&Number::new(sent)).is_ok() {
            sent += 1;
        }
        host.step();
    }
    assert!(
        host.fabric.next_sequence() <= closed_at + 256,
        "it went on without the journal"
    );
    let mut again = host.consumer("journal", Start::Stored);
    assert_eq!(again.position(), position);
    let error = host.fabric.dismiss_consumer("journal").unwrap_err();
    assert!(matches!(error, FabricError::NameTaken { .. }), "{error}");
    while read.len() < 1000 {
        read.extend(numbers(&mut again));
        while sent < 1000 && producer.try_publish(&Number::new(sent)).is_ok() {
            sent += 1;
        }
        host.step();
    }
    assert_eq!(read, (0..1000).collect::<Vec<_>>());
}

#[test]
fn an_observer_that_holds_is_waited_for_and_loses_its_hold_when_it_freezes() {
    let mut host = Host::with(|config| {
        config.stream_capacity = 256;
        config.ingress_capacity = 64;
    });
    let mut producer = host.producer("a");
    let fabric = host.fabric.clone();
    let attaching = std::thread::spawn(move || {
        fabric
            .observer("holder")
            .start(Start::Latest)
            .hold(Duration::from_secs(1))
            .attach()
            .expect("to be admitted")
    });
    while !attaching.is_finished() {
        host.step();
    }
    let mut observer = attaching.join().unwrap();
    let (mut sent, mut values, mut rounds) = (0, Vec::new(), 0);
    while values.len() < 1000 {
        rounds += 1;
        assert!(rounds < 10_000);
        while sent < 1000 && producer.try_publish(&Number::new(sent)).is_ok() {
            sent += 1;
        }
        host.step();
        let (read, missed) = observed(&mut observer);
        assert_eq!(missed, [], "what it holds is not overwritten");
        values.extend(read);
    }
    assert_eq!(values, (0..1000).collect::<Vec<_>>());
    // Now it stands still; the stream waits, and then goes on.
    let fill = |producer: &mut Producer, sent: &mut u64| {
        while *sent < 3000 && producer.try_publish(&Number::new(*sent)).is_ok() {
            *sent += 1;
        }
    };
    let mut rounds = 0;
    let mut waited = false;
    loop {
        fill(&mut producer, &mut sent);
        host.step();
        let waits = producer.sequenced() != Some(sent);
        if waited && !waits {
            break;
        }
        waited |= waits;
        rounds += 1;
        assert!(rounds < 30_000, "it holds for ever, or not at all");
        std::thread::sleep(Duration::from_millis(1));
    }
    let holds = |host: &Host| {
        let epoch = host.fabric.epoch().load();
        let bank = host.fabric.bank(epoch).expect("the bank");
        (0..MAX_CONSUMERS).any(|place| bank.consumer(place).is_some())
    };
    // Once only, however long it stands there and however often the sequencer looks for newcomers:
    // the stream goes several laps on.
    for _ in 0..600 {
        host.step();
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(!holds(&host), "it has not moved");
    while sent < 3000 {
        fill(&mut producer, &mut sent);
        host.step();
        assert_eq!(producer.sequenced(), Some(sent), "it does not hold again");
    }
    // Who reads is told what it missed, and from when the sequencer has found that it reads it is
    // waited for again, where it stands.
    let Err(FabricError::Overrun { from, to }) = observer.poll(64, |_| {}) else {
        panic!("it was overrun");
    };
    let mut rounds = 0;
    while !holds(&host) {
        rounds += 1;
        assert!(rounds < 30_000, "it never holds again");
        host.step();
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut read = Vec::new();
    while sent < 4000 {
        while sent < 4000 && producer.try_publish(&Number::new(sent)).is_ok() {
            sent += 1;
        }
        host.step();
        if producer.sequenced() == Some(sent) {
            continue;
        }
        let (values, missed) = observed(&mut observer);
        assert_eq!(missed, [], "it holds again");
        read.extend(values);
    }
    host.step();
    let (values, missed) = observed(&mut observer);
    assert_eq!(missed, []);
    read.extend(values);
    let first = 1000 + to - from + 1;
    assert_eq!(read, (first..4000).collect::<Vec<_>>());
}

#[test]
fn a_consumer_that_holds_the_stream_is_reported_once() {
    // With a conductor of its own, which looks far more often than it watches.
    let mut host = Host::sequenced_as(&SequencerConfig::default(), |config| {
        config.stream_capacity = 256;
        config.ingress_capacity = 64;
    });
    let fabric = host.fabric.clone();
    let attaching = std::thread::spawn(move || {
        let consumer = fabric.consumer("slow").attach().expect("to be admitted");
        let producer = fabric.producer("a").message::<Number>();
        (consumer, producer.attach().expect("to be admitted"))
    });
    while !attaching.is_finished() {
        host.step();
    }
    let (_slow, mut producer) = attaching.join().unwrap();
    let mut sent = 0;
    let mut rounds = 0;
    while host.fabric.alarms().is_empty() {
        while producer.try_publish(&Number::new(sent)).is_ok() {
            sent += 1;
        }
        rounds += 1;
        assert!(rounds < 30_000, "nobody says what holds the stream");
        host.step();
        std::thread::sleep(Duration::from_millis(1));
    }
    // Time for many more looks.
    for _ in 0..200 {
        host.step();
        std::thread::sleep(Duration::from_millis(1));
    }
    let alarms = host.fabric.alarms();
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert!(alarms[0].1.contains("`slow`"), "{alarms:?}");
}

#[test]
fn files_cut_short_under_the_sequencer_hurt_their_owner_only() {
    let mut host = Host::new();
    let mut honest = host.producer("honest");
    let mut reader = host.consumer("reader", Start::Latest);
    // Their own mappings break too: they must not touch them again, not even to leave.
    let _hostile = std::mem::ManuallyDrop::new(host.producer("hostile"));
    let _lazy = std::mem::ManuallyDrop::new(host.consumer("lazy", Start::Latest));
    let ring = std::fs::read_dir(host.fabric.ring_directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("hostile"))
        .expect("its ring");
    let cut = |path: &std::path::Path| {
        std::fs::OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|file| file.set_len(0))
            .expect("it can be cut");
    };
    cut(&ring);
    cut(&host.fabric.paths().consumer("lazy"));
    for value in 0..20_000 {
        while honest.try_publish(&Number::new(value)).is_err() {
            host.step();
            assert!(reader.poll(1000, |_| {}).is_ok());
        }
    }
    for _ in 0..50 {
        host.step();
        std::thread::sleep(Duration::from_millis(1));
        reader.poll(1000, |_| {}).expect("a poll");
    }
    assert_eq!(host.sequencer.as_ref().unwrap().counters().cut_off, 1);
    assert_eq!(host.fabric.gating_consumers().len(), 1, "only the reader");
    let alarms = host.fabric.alarms();
    assert!(
        alarms.iter().any(|(_, text)| text.contains("hostile"))
            && alarms.iter().any(|(_, text)| text.contains("`lazy`")),
        "{alarms:?}"
    );
    // Listed once each, for everybody to see.
    let errors = selvedge_fabric::shared::error_log::logged_errors(&host.fabric);
    let count = |what: &str, subject: &str| {
        let same = |one: &&_| {
            let one: &selvedge_fabric::shared::error_log::LoggedError = one;
            (one.what.as_str(), one.subject.as_str()) == (what, subject)
        };
        errors.iter().find(same).map(|one| one.count)
    };
    assert_eq!(count("cut off", "hostile"), Some(1), "{errors:?}");
    assert_eq!(count("cut short", "hostile"), Some(1), "{errors:?}");
    assert_eq!(count("cut short", "lazy"), Some(1), "{errors:?}");
    assert!(errors.iter().all(|one| one.agent == "sequencer"));
}

#[test]
fn a_fabric_recovered_from_its_journal_goes_on_in_a_new_life() {
    use selvedge_fabric::Recovery;
    let recovery = Recovery {
        fabric_id: [9; 16],
        life: 3,
        next_sequence: 5_001,
        floor_ns: u64::MAX / 2,
        sources: vec![(0, String::new(), 17), (4, "phoenix".to_owned(), 2_000)],
        schemas: vec![MessageSchema::of::<Number>()],
    };
    let mut host = Host::with(|config| config.recovery = Some(recovery));
    let mut consumer = host.consumer("reader", Start::Oldest);
    assert_eq!(consumer.position(), 5_001);
    let mut producer = host.producer("phoenix");
    assert_eq!(
        (producer.source(), producer.next_source_sequence()),
        (4, 2_001)
    );
    let newcomer = host.producer("newcomer");
    assert!(newcomer.source() != 4 && newcomer.next_source_sequence() == 1);
    producer.publish(&Number::new(1)).expect("room");
    host.step();
    let (mut first, mut stamp) = (None, 0);
    consumer
        .poll(100, |frame| {
            if let Some(opened) = frame.get::<EpochOpened>() {
                first = Some((frame.header().sequence(), opened.life));
            }
            assert!(frame.header().timestamp() >= stamp);
            stamp = frame.header().timestamp();
        })
        .expect("a poll");
    assert_eq!(first, Some((5_001, 3)));
    assert!(stamp >= u64::MAX / 2, "time never goes back");
}

#[test]
fn a_dead_essential_consumer_that_is_dismissed_holds_nothing() {
    let mut host = Host::with(|config| {
        config.stream_capacity = 256;
        config.ingress_capacity = 64;
    });
    let mut producer = host.producer("a");
    let mut pending = host
        .fabric
        .consumer("journal")
        .essential()
        .begin()
        .expect("a registration");
    let consumer = loop {
        host.step();
        if let Some(consumer) = pending.poll().expect("no refusal") {
            break consumer;
        }
    };
    std::mem::forget(consumer);
    // Another start time than this process's: to others its holder is dead.
    use std::os::unix::fs::FileExt;
    std::fs::OpenOptions::new()
        .write(true)
        .open(host.fabric.paths().consumer("journal"))
        .and_then(|file| file.write_all_at(&1u64.to_le_bytes(), 40))
        .expect("its file");
    let send = |host: &mut Host, producer: &mut Producer| {
        let mut sent = 0;
        for _ in 0..200 {
            while sent < 1000 && producer.try_publish(&Number::new(sent)).is_ok() {
                sent += 1;
            }
            host.step();
        }
        sent
    };
    assert!(send(&mut host, &mut producer) < 1000, "it holds the stream");
    host.fabric.dismiss_consumer("journal").expect("it is dead");
    assert_eq!(send(&mut host, &mut producer), 1000);
}

#[test]
fn no_sequencer_starts_where_the_sequences_end() {
    use selvedge_fabric::Recovery;
    use selvedge_fabric::frame::MAX_SEQUENCE;
    let directory = tempfile::tempdir_in("/dev/shm").expect("shared memory");
    let mut fabric_config = FabricConfig::new("test").in_directory(directory.path());
    fabric_config.pages = Pages::Small;
    fabric_config.recovery = Some(Recovery {
        fabric_id: [1; 16],
        life: 2,
        next_sequence: MAX_SEQUENCE - 1000,
        floor_ns: 0,
        sources: Vec::new(),
        schemas: Vec::new(),
    });
    let fabric = Fabric::create(&fabric_config).expect("a fabric");
    let error = Sequencer::start(&fabric, &config())
        .unwrap_err()
        .to_string();
    assert!(error.contains("create a new fabric"), "{error}");
}
