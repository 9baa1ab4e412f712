//! The sequencing thread's work: poll, check, stamp, publish.
//!
//! Nothing on the way of a message from its ingress slot to its stream slot allocates, locks,
//! makes a system call, logs or formats. What has to do such things is behind `#[cold]` calls
//! that a message in steady state never takes.

use crate::error::{Result, SequencerError};
use crate::messages::{Announcement, Arrival, Command, Event};
use crate::source::{Source, Stop};
use crate::sources::Sources;
use crate::stamp::Stamper;
use hdrhistogram::Histogram;
use selvedge_fabric::crash_point;
use selvedge_fabric::frame::system::{EndOfStream, LEFT_CUT_OFF, SourceLeft};
use selvedge_fabric::frame::{Flags, FrameHeader, MAX_SEQUENCE, MessageType, SourceId};
use selvedge_fabric::message::Message;
use selvedge_fabric::protocol::Ordering;
use selvedge_fabric::protocol::epoch::{EpochWord, Owner};
use selvedge_fabric::protocol::gating::{GatingCursor, GatingSet};
use selvedge_fabric::protocol::stream::StreamWriter;
use selvedge_fabric::shared::bank::{Bank, ConsumerEntry, DutyCycles, SequencerStatus};
use selvedge_fabric::shared::cursor::StartRequest;
use selvedge_fabric::{Fabric, FabricError, PayloadRing};
use std::collections::VecDeque;
use zerocopy::IntoBytes;

/// The most frames taken from one ring in one pass: fairness, and the longest run that shares a
/// time stamp.
pub(crate) const RUN: u64 = 64;

/// Payload words in a slot of the default size, 64 bytes: the copy is unrolled for it.
const COMMON_INLINE_WORDS: usize = 4;

/// The lowest value a latency histogram tells apart, and the highest, in nanoseconds.
const LATENCY_BOUNDS: (u64, u64) = (1, 60_000_000_000);

/// Sequences from which on a sequencer drains and none starts: more are left than are published
/// between two looks at it.
pub(crate) const LAST_START: u64 = MAX_SEQUENCE - (1 << 26);

/// What a sequencer counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SequencerCounters {
    /// Messages of sources sequenced.
    pub messages: u64,
    /// Frames published, the fabric's own included.
    pub frames: u64,
    /// Passes in which a gating consumer (or the journal) left no room in the stream.
    pub held_back: u64,
    /// Sources cut off for breaking the ingress protocol.
    pub cut_off: u64,
    /// Duty cycles.
    pub cycles: u64,
}

/// See the module.
pub(crate) struct Sequencing {
    fabric: Fabric,
    bank: Bank,
    word: EpochWord,
    writer: StreamWriter,
    sources: Sources,
    gating: GatingSet,
    stamper: Stamper,
    payload_ring: PayloadRing,
    payload_intact_from: u64,
    last: Vec<u64>,
    snapshot_due: u64,
    snapshot_turn: u64,
    snapshot_every: u64,
    commands: rtrb::Consumer<Command>,
    events: rtrb::Producer<Event>,
    announcements: VecDeque<Announcement>,
    arriving: Option<Box<Arrival>>,
    /// Commands that wait, in order, for what is announced before them; at most a few for each
    /// source that there can be.
    deferred: VecDeque<Command>,
    message_limit: usize,
    inline_bytes: usize,
    refusals: u64,
    calibrations: u64,
    counters: SequencerCounters,
    latency: Histogram<u64>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Running,
    Draining,
    Ending,
    Ended,
}

/// What the sequencing thread starts from.
pub(crate) struct SequencingParts {
    pub(crate) fabric: Fabric,
    pub(crate) bank: Bank,
    pub(crate) word: EpochWord,
    pub(crate) writer: StreamWriter,
    pub(crate) gating: GatingSet,
    pub(crate) stamper: Stamper,
    pub(crate) last: Vec<u64>,
    pub(crate) commands: rtrb::Consumer<Command>,
    pub(crate) events: rtrb::Producer<Event>,
}

impl Sequencing {
    pub(crate) fn new(parts: SequencingParts) -> Result<Self> {
        let control = parts.fabric.control();
        let capacity = parts.writer.shape().capacity();
        let snapshot_every = (capacity / 4).max(1);
        let latency = Histogram::new_with_bounds(LATENCY_BOUNDS.0, LATENCY_BOUNDS.1, 3)
            .map_err(SequencerError::NoHistogram)?;
        Ok(Sequencing {
            payload_ring: PayloadRing::new(control.stream_payload_bytes, capacity as usize),
            payload_intact_from: 0,
            snapshot_due: parts.writer.next() + snapshot_every,
            snapshot_turn: 1,
            snapshot_every,
            sources: Sources::default(),
            announcements: VecDeque::new(),
            arriving: None,
            deferred: VecDeque::new(),
            message_limit: control.message_limit(),
            inline_bytes: control.inline_bytes(),
            refusals: 0,
            calibrations: 1,
            counters: SequencerCounters::default(),
            latency,
            state: State::Running,
            fabric: parts.fabric,
            bank: parts.bank,
            word: parts.word,
            writer: parts.writer,
            gating: parts.gating,
            stamper: parts.stamper,
            last: parts.last,
            commands: parts.commands,
            events: parts.events,
        })
    }

    pub(crate) fn counters(&self) -> SequencerCounters {
        self.counters
    }

    pub(crate) fn latency(&self) -> &Histogram<u64> {
        &self.latency
    }

    /// The tick counter now.
    pub(crate) fn ticks(&self) -> u64 {
        self.fabric.ticks()
    }

    pub(crate) fn next_sequence(&self) -> u64 {
        self.writer.next()
    }

    pub(crate) fn ended(&self) -> bool {
        self.state == State::Ended
    }

    pub(crate) fn announce(&mut self, message_type: MessageType, payload: Vec<u8>) {
        self.announcements.push_back(Announcement {
            message_type,
            payload,
        });
    }

    /// Begins to end: what is in the rings is sequenced, then the stream is closed.
    pub(crate) fn drain(&mut self) {
        if self.state == State::Running {
            self.state = State::Draining;
            self.bank.set_status(SequencerStatus::Draining);
            for source in self.sources.iter_mut() {
                source.drain_until = source.reader.next() + source.reader.shape().capacity();
            }
        }
    }

    /// One duty cycle. Returns how many frames were published.
    #[inline]
    pub(crate) fn do_work(&mut self) -> Result<usize> {
        if self.fabric.epoch().load() != self.word {
            return Err(self.replaced());
        }
        Ok(self.do_work_unchecked())
    }

    /// A duty cycle, the epoch having been looked at.
    #[inline(always)]
    pub(crate) fn do_work_unchecked(&mut self) -> usize {
        let before = self.writer.next();
        if !self.commands.is_empty()
            || !self.announcements.is_empty()
            || self.state != State::Running
        {
            self.do_cold_work();
        }
        let mut woken = false;
        for look in 0..self.sources.looks() {
            if let Some(index) = self.sources.ready(look) {
                self.take_run(index);
                woken |= self.sources.is_silent(look);
            }
        }
        self.sources.end_cycle(woken);
        let published = self.writer.next() - before;
        self.counters.cycles += 1;
        if published > 0 {
            self.counters.frames += published;
        }
        published as usize
    }

    /// Takes what is published in one ring, at most a run. Its first message is published by itself,
    /// before anything else is looked at: it may be the only one.
    #[inline]
    fn take_run(&mut self, index: usize) {
        self.writer.expect_next();
        let (timestamp, ticks) = self.stamper.stamp();
        let source = &mut self.sources[index];
        let published_ticks = source.published_ticks();
        let mut taken = u64::from(if self.inline_bytes == COMMON_INLINE_WORDS * 8 {
            source.copy_next::<COMMON_INLINE_WORDS>(&mut self.writer, timestamp)
        } else {
            source.copy_next::<0>(&mut self.writer, timestamp)
        });
        // Where that was all, no run is set up.
        while taken == 0 || self.sources[index].reader.ready() {
            let source = &mut self.sources[index];
            let (count, stop) = if self.inline_bytes == COMMON_INLINE_WORDS * 8 {
                source.copy_run::<COMMON_INLINE_WORDS>(&mut self.writer, timestamp, RUN - taken)
            } else {
                source.copy_run::<0>(&mut self.writer, timestamp, RUN - taken)
            };
            taken += count;
            match stop {
                Stop::Done => break,
                Stop::NoRoom => {
                    if !self.make_room() {
                        break;
                    }
                }
                Stop::External(descriptor) => {
                    // A long payload takes time: what follows gets its own stamp.
                    taken += self.take_external(index, timestamp, descriptor);
                    break;
                }
                Stop::Refused => {
                    self.cut_off(index);
                    break;
                }
            }
        }
        if taken == 0 {
            return;
        }
        let source = &self.sources[index];
        let consumed = source.reader.next() - 1;
        crash_point!("sequence.run");
        source.consumed.store(self.word, consumed);
        crash_point!("sequence.consumed");
        self.last[source.id as usize] = consumed;
        self.counters.messages += taken;
        self.account();
        if published_ticks != 0 {
            self.record_latency(index, ticks.saturating_sub(published_ticks));
        }
    }

    /// Asks how far the gating consumers are. Whether there is room now.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self) -> bool {
        let lowest = self.gating.lowest(self.writer.next());
        self.writer.extend(lowest);
        let room = self.writer.room() > 0;
        self.counters.held_back += u64::from(!room);
        room
    }

    /// Takes one message whose payload lies in its payload ring. How many were taken.
    #[inline(never)]
    fn take_external(&mut self, index: usize, timestamp: u64, descriptor: u64) -> u64 {
        if self.writer.room() == 0 && !self.make_room() {
            return 0;
        }
        let source = &mut self.sources[index];
        let outcome = copy_external(
            source,
            descriptor,
            &mut External {
                ring: &mut self.payload_ring,
                intact_from: &mut self.payload_intact_from,
                bank: &self.bank,
                gating: &mut self.gating,
                next: self.writer.next(),
            },
        );
        match outcome {
            Copied::At(position) => {
                let word = FrameHeader::source_word(source.id, source.reader.next());
                self.writer
                    .publish(timestamp, word, descriptor, 1, |_| position);
                source.reader.advance();
                1
            }
            Copied::NoRoom => {
                self.counters.held_back += 1;
                0
            }
            Copied::Outside => {
                self.cut_off(index);
                0
            }
        }
    }

    /// After each run: where the stream stands, and now and then what its sources have sent. A
    /// successor relies on both lagging by less than a quarter lap.
    #[inline(always)]
    fn account(&mut self) {
        self.bank.set_published(self.writer.next());
        if self.writer.next() >= self.snapshot_due {
            self.write_snapshot();
        }
    }

    #[inline(always)]
    fn record_latency(&mut self, index: usize, ticks: u64) {
        let ns = self.stamper.calibration().span_ns(ticks).max(1);
        self.latency.saturating_record(ns);
        if let Some(latency) = &self.sources[index].latency {
            latency.record(ns);
        }
    }

    #[cold]
    fn replaced(&self) -> SequencerError {
        FabricError::Replaced {
            epoch: self.word.epoch(),
            by: self.fabric.epoch().load().epoch(),
        }
        .into()
    }

    #[cold]
    fn cut_off(&mut self, index: usize) {
        let source = &mut self.sources[index];
        if source.leaving != Some(LEFT_CUT_OFF) {
            source.leaving = Some(LEFT_CUT_OFF);
            self.counters.cut_off += 1;
        }
    }

    #[cold]
    #[inline(never)]
    fn write_snapshot(&mut self) {
        self.bank.snapshots().write(
            self.snapshot_turn,
            self.word,
            self.writer.next(),
            &self.last,
        );
        self.snapshot_turn += 1;
        self.snapshot_due = self.writer.next() + self.snapshot_every;
    }

    #[cold]
    #[inline(never)]
    fn do_cold_work(&mut self) {
        loop {
            let announced = self.flush_announcements();
            if announced && let Some(arrival) = self.arriving.take() {
                self.complete_arrival(*arrival);
            }
            // What needs no room in the stream is done whether there is any or not: the consumer
            // that holds it may be the one that asks to come back, or to be dismissed.
            while let Ok(command) = self.commands.pop() {
                match command {
                    Command::AddSource(_) | Command::SourceLeft { .. } => {
                        self.deferred.push_back(command);
                    }
                    command => self.apply(command),
                }
            }
            if !announced {
                return;
            }
            let Some(command) = self.deferred.pop_front() else {
                break;
            };
            self.apply(command);
        }
        self.advance_state();
    }

    /// Leaving sources, who is silent, the account of what was done, and the end of the sequences.
    /// `idle_cycles` are the duty cycles so far that found nothing.
    pub(crate) fn housekeeping(&mut self, idle_cycles: u64) {
        let mut index = 0;
        while index < self.sources.len() {
            let source = &self.sources[index];
            match source.leaving {
                Some(reason) if reason == LEFT_CUT_OFF || !source.reader.ready() => {
                    self.let_go(index, reason);
                }
                _ => index += 1,
            }
        }
        self.sources.settle();
        self.bank.beat(self.counters.cycles);
        self.bank.set_duty_cycles(DutyCycles {
            cycles: self.counters.cycles,
            busy: self.counters.cycles.saturating_sub(idle_cycles),
            held_back: self.counters.held_back,
        });
        if self.writer.next() >= LAST_START {
            self.drain();
        }
    }

    fn let_go(&mut self, index: usize, reason: u16) {
        if self.events.is_full() {
            return;
        }
        let source = self.sources.swap_remove(index);
        let last = source.reader.next() - 1;
        crash_point!("leaving.drained");
        self.bank.set_source_left(source.id as usize);
        self.announce(
            SourceLeft::TYPE,
            SourceLeft {
                last_source_sequence: last,
                source: source.id,
                reason,
                reserved: 0,
            }
            .as_bytes()
            .to_vec(),
        );
        // There is room: it was looked for above.
        let _ = self.events.push(Event::SourceGone {
            source: Box::new(source),
            reason,
        });
    }

    fn advance_state(&mut self) {
        match self.state {
            State::Running | State::Ended => {}
            State::Draining => {
                // A producer that goes on publishing does not keep the stream from ending: what
                // was in its ring when draining began is at most a ring's capacity.
                let drained = self.sources.iter().all(|source| {
                    source.leaving == Some(LEFT_CUT_OFF)
                        || !source.reader.ready()
                        || source.reader.next() >= source.drain_until
                });
                if drained {
                    self.announce(
                        EndOfStream::TYPE,
                        EndOfStream {
                            epoch: self.word.epoch(),
                        }
                        .as_bytes()
                        .to_vec(),
                    );
                    self.sources.clear();
                    self.state = State::Ending;
                }
            }
            State::Ending => {
                if self.flush_announcements() {
                    self.write_snapshot();
                    self.bank.set_published(self.writer.next());
                    self.bank.set_status(SequencerStatus::Stopped);
                    self.state = State::Ended;
                }
            }
        }
    }

    fn apply(&mut self, command: Command) {
        match command {
            Command::AddSource(mut arrival) => {
                self.announcements.extend(arrival.announcements.drain(..));
                self.arriving = Some(arrival);
            }
            Command::SourceLeft { nonce, reason } => {
                let found = self.sources.iter().position(|source| source.nonce == nonce);
                match found {
                    Some(index) if reason == LEFT_CUT_OFF => self.cut_off(index),
                    Some(index) => {
                        self.sources[index].leaving.get_or_insert(reason);
                    }
                    None => {}
                }
            }
            Command::AddConsumer {
                place,
                entry,
                cursor,
                start,
                replaces,
            } => {
                if self.admit_consumer(place, *entry, cursor, start)
                    && let Some((place, nonce)) = replaces
                {
                    self.remove_consumer(place, nonce);
                }
            }
            Command::RemoveConsumer { place, nonce } => self.remove_consumer(place, nonce),
            Command::Refuse { nonce, reason } => self.refuse(nonce, &reason),
            Command::Calibrate(calibration) => {
                self.stamper.set_calibration(calibration);
                self.calibrations += 1;
                self.bank.set_calibration(self.calibrations, &calibration);
            }
        }
    }

    fn refuse(&mut self, nonce: u64, reason: &str) {
        self.bank.refuse(self.refusals, nonce, reason);
        self.refusals += 1;
    }

    /// The source's announcements are published: take its messages from now on.
    fn complete_arrival(&mut self, mut arrival: Arrival) {
        let id = arrival.source.id as usize;
        if self.last.len() <= id {
            self.last.resize(id + 1, 0);
        }
        let joined_at = self.writer.next() - 1;
        let count = arrival.new_schemas.len() as u64;
        for (index, schema) in arrival.new_schemas.iter().enumerate() {
            self.bank
                .add_schema(joined_at - count + index as u64, schema);
        }
        crash_point!("admission.announced");
        let consumed = arrival.source.reader.next() - 1;
        arrival.source.consumed.store(self.word, consumed);
        self.last[id] = consumed;
        arrival.entry.joined_at = joined_at;
        crash_point!("admission.before_entry");
        self.bank.set_source(id, &arrival.entry);
        crash_point!("admission.entered");
        self.sources.push(arrival.source);
    }

    fn admit_consumer(
        &mut self,
        place: usize,
        mut entry: ConsumerEntry,
        cursor: GatingCursor,
        start: StartRequest,
    ) -> bool {
        let next = self.writer.next();
        let oldest = self.oldest();
        let from = match start {
            StartRequest::Latest => next,
            StartRequest::Oldest => oldest,
            StartRequest::Sequence(sequence) => sequence,
        };
        if !(oldest..=next).contains(&from) {
            let advice = if from > next {
                "the stream has not come so far: was it recovered without its newest part?"
            } else {
                "read older frames from the journal"
            };
            let reason = format!(
                "it asks for sequence {from}, the rings hold {oldest} to {}; {advice}",
                next - 1
            );
            let nonce = entry.nonce;
            self.refuse(nonce, &reason);
            // A full queue only delays: the consumer is told by the refusal itself.
            let _ = self.events.push(Event::ConsumerRefused { place, nonce });
            return false;
        }
        self.gating.add(entry.nonce, cursor, from);
        // Room given before is judged anew, with this consumer in the set.
        self.writer.withdraw_room();
        crash_point!("admission.consumer_held");
        entry.granted_from = from;
        self.bank.set_consumer(place, Some(&entry));
        true
    }

    fn remove_consumer(&mut self, place: usize, nonce: u64) {
        self.gating.remove(nonce);
        self.bank.set_consumer(place, None);
    }

    /// The oldest sequence that a gating consumer can be granted.
    fn oldest(&self) -> u64 {
        let here = self.writer.intact_from();
        if here > self.writer.first() {
            return here;
        }
        // This epoch is whole: the one before may still lie in its bank.
        let mut oldest = here;
        while oldest > 1
            && let Owner::Found(span) = self.fabric.owner_of(oldest - 1)
            && let Some(bank) = self.fabric.bank(span.epoch)
        {
            let intact = bank.bound().intact_from();
            if intact >= oldest {
                break;
            }
            oldest = intact.max(span.first_sequence);
            if intact > span.first_sequence {
                break;
            }
        }
        oldest
    }

    /// Publishes the fabric's own frames that wait. Whether none is left.
    fn flush_announcements(&mut self) -> bool {
        while let Some(announcement) = self.announcements.pop_front() {
            if !self.publish_own(&announcement) {
                self.announcements.push_front(announcement);
                return false;
            }
        }
        true
    }

    fn publish_own(&mut self, announcement: &Announcement) -> bool {
        const OWN: SourceId = 0;
        if self.writer.room() == 0 && !self.make_room() {
            return false;
        }
        let length = announcement.payload.len().min(self.message_limit);
        let payload = &announcement.payload[..length];
        let own_sequence = self.last[OWN as usize] + 1;
        let (timestamp, _) = self.stamper.stamp();
        let source_word = FrameHeader::source_word(OWN, own_sequence);
        if length <= self.inline_bytes {
            let descriptor =
                FrameHeader::descriptor_word(announcement.message_type, 0, length, Flags::NONE);
            self.writer.publish(
                timestamp,
                source_word,
                descriptor,
                self.inline_bytes / 8,
                |index| word_of(payload, index),
            );
        } else {
            let mut external = External {
                ring: &mut self.payload_ring,
                intact_from: &mut self.payload_intact_from,
                bank: &self.bank,
                gating: &mut self.gating,
                next: self.writer.next(),
            };
            let Some(position) = external.place(length) else {
                self.counters.held_back += 1;
                return false;
            };
            external.store(position, length, |index| word_of(payload, index));
            let descriptor =
                FrameHeader::descriptor_word(announcement.message_type, 0, length, Flags::EXTERNAL);
            self.writer
                .publish(timestamp, source_word, descriptor, 1, |_| position);
        }
        self.last[OWN as usize] = own_sequence;
        self.account();
        true
    }
}

/// Word `index` of `bytes`, zeros past the end.
fn word_of(bytes: &[u8], index: usize) -> u64 {
    let mut word = [0; 8];
    let rest = bytes.get(index * 8..).unwrap_or_default();
    let count = rest.len().min(8);
    word[..count].copy_from_slice(&rest[..count]);
    u64::from_le_bytes(word)
}

/// The stream's payload ring, while a payload is put into it.
struct External<'a> {
    ring: &'a mut PayloadRing,
    intact_from: &'a mut u64,
    bank: &'a Bank,
    gating: &'a mut GatingSet,
    next: u64,
}

impl External<'_> {
    /// A place for `length` bytes, given back by those who have read it if need be.
    fn place(&mut self, length: usize) -> Option<u64> {
        self.ring.place(length).or_else(|| {
            let lowest = self.gating.lowest(self.next).unwrap_or(self.next);
            self.ring.release_through(lowest.saturating_sub(1));
            self.ring.place(length)
        })
    }

    /// Takes the place, tells copying readers what it overwrites, and writes.
    fn store(&mut self, position: u64, length: usize, word: impl Fn(usize) -> u64) {
        let intact_from = self.ring.take(position, length, self.next);
        if intact_from > *self.intact_from {
            *self.intact_from = intact_from;
            self.bank.bound().announce_payload(intact_from);
        }
        let first = self.ring.offset(position) / 8;
        for index in 0..length.div_ceil(8) {
            if let Some(target) = self.bank.payload().get(first + index) {
                target.store(word(index), Ordering::Relaxed);
            }
        }
    }
}

enum Copied {
    At(u64),
    NoRoom,
    Outside,
}

/// Copies the payload of a source's next message into the stream's payload ring.
#[inline(never)]
fn copy_external(source: &Source, descriptor: u64, external: &mut External<'_>) -> Copied {
    let length = FrameHeader::from_words([0, 0, 0, descriptor]).length();
    let Some((payload, first)) = source.external_payload(length) else {
        return Copied::Outside;
    };
    let Some(position) = external.place(length) else {
        return Copied::NoRoom;
    };
    external.store(position, length, |index| {
        payload
            .get(first + index)
            .map_or(0, |word| word.load(Ordering::Relaxed))
    });
    Copied::At(position)
}
