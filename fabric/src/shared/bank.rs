//! A bank: what the sequencer of one epoch writes.
//!
//! The state file, in 64-bit words; every part begins on a 128-byte line of its own:
//!
//! | part | words | what |
//! |---|---|---|
//! | header | 16 | epoch word once open, first sequence, previous epoch word |
//! | owner | 16 | record: process id, start time, uid, time opened; word 8: status |
//! | published | 16 | next sequence to be published, stored once a run: a hint |
//! | bound | 16 | lowest intact sequence, lowest intact payload position |
//! | heartbeat | 16 | counter moved by every housekeeping round; words 1 to 3: duty cycles, those that found work, passes held back |
//! | clock | 16 | record: calibration of the tick counter |
//! | consumed | 256 × 16 | one line a source: epoch tag and last source sequence consumed |
//! | snapshots | 2 × 259, to whole lines | see [`crate::protocol::snapshot`] |
//! | sources | 256 × 32 | records: admitted sources, by id |
//! | consumers | 256 × 32 | records: admitted gating consumers |
//! | refusals | 32 × 32 | records: who was not admitted, and why |
//! | alarms | 32 × 32 | records: what went wrong and should be seen |
//! | schemas | 16 + 8192 | word 0: bytes used; from word 16 on, for each message type: the sequence of the frame that registered it, its schema encoded, padding to 8 bytes |
//!
//! The ring file: stream slots, then payload ring.

use super::control::ControlRecord;
use super::names::{NAME_WORDS, name_from_words, name_to_words};
use super::paths::{FabricPaths, bank_ring};
use super::text::{cut_text, words_of};
use crate::clock::Calibration;
use crate::error::{FabricError, Result};
use crate::host::process::ProcessIdentity;
use crate::memory::{Access, Mapping};
use crate::message::MessageSchema;
use crate::protocol::epoch::{BankHeader, EpochWord};
use crate::protocol::ingress::{Consumed, RingShape};
use crate::protocol::record::Record;
use crate::protocol::snapshot::Snapshots;
use crate::protocol::stream::OverwriteBound;
use crate::protocol::{LINE_WORDS, Ordering, Words};
use std::path::Path;
use std::sync::Arc;

/// The most sources a fabric knows in its life: ids are never used again.
pub const MAX_SOURCES: usize = 256;

/// The most gating consumers at a time.
pub const MAX_CONSUMERS: usize = 256;

/// Refusals remembered.
pub const MAX_REFUSALS: usize = 32;

/// Alarms remembered.
pub const MAX_ALARMS: usize = 32;

/// Bytes of encoded message schemas.
pub const SCHEMA_AREA_BYTES: usize = 64 * 1024;

const RECORD_WORDS: usize = 32;
const SNAPSHOT_WORDS: usize = Snapshots::words(MAX_SOURCES).next_multiple_of(LINE_WORDS);

const OWNER_AT: usize = LINE_WORDS;
const PUBLISHED_AT: usize = 2 * LINE_WORDS;
const BOUND_AT: usize = 3 * LINE_WORDS;
const HEARTBEAT_AT: usize = 4 * LINE_WORDS;
const CLOCK_AT: usize = 5 * LINE_WORDS;
const CONSUMED_AT: usize = 6 * LINE_WORDS;
const SNAPSHOTS_AT: usize = CONSUMED_AT + MAX_SOURCES * LINE_WORDS;
const SOURCES_AT: usize = SNAPSHOTS_AT + SNAPSHOT_WORDS;
const CONSUMERS_AT: usize = SOURCES_AT + MAX_SOURCES * RECORD_WORDS;
const REFUSALS_AT: usize = CONSUMERS_AT + MAX_CONSUMERS * RECORD_WORDS;
const ALARMS_AT: usize = REFUSALS_AT + MAX_REFUSALS * RECORD_WORDS;
const SCHEMAS_AT: usize = ALARMS_AT + MAX_ALARMS * RECORD_WORDS;
const STATE_WORDS: usize = SCHEMAS_AT + LINE_WORDS + SCHEMA_AREA_BYTES / 8;

/// Bytes of a state file.
pub const STATE_BYTES: u64 = STATE_WORDS as u64 * 8;

/// What a sequencer says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum SequencerStatus {
    /// It was never opened.
    Unknown = 0,
    /// It takes messages.
    Running = 1,
    /// It was told to stop and sequences what is in the rings.
    Draining = 2,
    /// It has stopped in order.
    Stopped = 3,
}

impl SequencerStatus {
    fn from_code(code: u64) -> Self {
        match code {
            1 => SequencerStatus::Running,
            2 => SequencerStatus::Draining,
            3 => SequencerStatus::Stopped,
            _ => SequencerStatus::Unknown,
        }
    }
}

/// What the sequencer of an epoch has done, as of its last housekeeping.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DutyCycles {
    /// Duty cycles.
    pub cycles: u64,
    /// Those that found work.
    pub busy: u64,
    /// Passes over a ring that had to stop because a gating consumer left no room in the stream.
    pub held_back: u64,
}

/// A source as the registry knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceEntry {
    /// The registration it was admitted under.
    pub nonce: u64,
    /// Its name.
    pub name: String,
    /// The source sequence its next message has: where a producer stands that has come back.
    pub next_source_sequence: u64,
    /// The sequence of the `SourceJoined` frame.
    pub joined_at: u64,
    /// Its process.
    pub process: ProcessIdentity,
    /// Whether it is attached now.
    pub attached: bool,
}

/// A gating consumer as the registry knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerEntry {
    /// The registration it was admitted under.
    pub nonce: u64,
    /// Its name.
    pub name: String,
    /// From where on its frames are held for it.
    pub granted_from: u64,
    /// Its process.
    pub process: ProcessIdentity,
}

/// One bank, mapped: the state and the ring of whichever epoch it serves.
#[derive(Clone, Debug)]
pub struct Bank {
    index: usize,
    state: Words,
    slots: Words,
    payload: Words,
    shape: RingShape,
    header: BankHeader,
    bound: OverwriteBound,
    snapshots: Snapshots,
    consumed: Arc<[Consumed]>,
    locked: bool,
}

impl Bank {
    /// Maps bank `index` of the fabric.
    pub fn open(
        paths: &FabricPaths,
        control: &ControlRecord,
        index: usize,
        access: Access,
    ) -> Result<Self> {
        Self::open_in(paths, &control.ring_directory(), control, index, access)
    }

    /// As [`Bank::open`], with its ring in another directory than the control file says: while the
    /// fabric is being created.
    pub(crate) fn open_in(
        paths: &FabricPaths,
        rings: &Path,
        control: &ControlRecord,
        index: usize,
        access: Access,
    ) -> Result<Self> {
        let state_path = paths.bank_state(index);
        let state_file = Mapping::open(&state_path, access)?;
        let ring_path = bank_ring(rings, index);
        let ring_file = Mapping::open(&ring_path, access)?;
        let state = state_file.words(0, STATE_WORDS * 8)?;
        let slot_bytes = control.stream_capacity as usize * control.slot_bytes as usize;
        let slots = ring_file.words(0, slot_bytes)?;
        let payload = ring_file.words(slot_bytes, control.stream_payload_bytes as usize)?;
        let locked = state_file.locked() && ring_file.locked();
        Self::of_words(index, state, slots, payload, control, locked).ok_or_else(|| {
            FabricError::Damaged {
                path: state_path,
                what: "bank",
                detail: "its files are smaller than the control file says".to_owned(),
            }
        })
    }

    fn of_words(
        index: usize,
        state: Words,
        slots: Words,
        payload: Words,
        control: &ControlRecord,
        locked: bool,
    ) -> Option<Self> {
        let shape = RingShape::new(control.stream_capacity, control.slot_words())?;
        let consumed: Option<Arc<[Consumed]>> = (0..MAX_SOURCES)
            .map(|id| Consumed::new(state.part(CONSUMED_AT + id * LINE_WORDS, LINE_WORDS)?))
            .collect();
        Some(Bank {
            index,
            header: BankHeader::new(state.part(0, LINE_WORDS)?)?,
            bound: OverwriteBound::new(state.part(BOUND_AT, LINE_WORDS)?)?,
            snapshots: Snapshots::new(state.part(SNAPSHOTS_AT, SNAPSHOT_WORDS)?, MAX_SOURCES)?,
            consumed: consumed?,
            state,
            slots,
            payload,
            shape,
            locked,
        })
    }

    /// The bank's number.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Whether the bank's pages are locked into memory.
    pub fn locked(&self) -> bool {
        self.locked
    }

    /// Which epoch it serves.
    pub fn header(&self) -> &BankHeader {
        &self.header
    }

    /// What is being overwritten.
    pub fn bound(&self) -> &OverwriteBound {
        &self.bound
    }

    /// The snapshots.
    pub fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// The stream's slots.
    pub fn slots(&self) -> &Words {
        &self.slots
    }

    /// The stream's payload ring.
    pub fn payload(&self) -> &Words {
        &self.payload
    }

    /// The shape of the stream ring.
    pub fn shape(&self) -> RingShape {
        self.shape
    }

    /// How far the ring of source `id` was consumed.
    #[inline(always)]
    pub fn consumed(&self, id: usize) -> Option<&Consumed> {
        self.consumed.get(id)
    }

    fn word(&self, index: usize) -> Option<&crate::protocol::AtomicU64> {
        self.state.get(index)
    }

    fn load(&self, index: usize) -> u64 {
        self.word(index)
            .map_or(0, |word| word.load(Ordering::Acquire))
    }

    fn store(&self, index: usize, value: u64) {
        if let Some(word) = self.word(index) {
            word.store(value, Ordering::Release);
        }
    }

    /// The next sequence that will be published, as of the sequencer's last run.
    pub fn published(&self) -> u64 {
        self.load(PUBLISHED_AT)
    }

    /// Says which sequence will be published next.
    #[inline(always)]
    pub fn set_published(&self, next: u64) {
        self.store(PUBLISHED_AT, next);
    }

    /// A counter that moves while the sequencer lives.
    pub fn heartbeat(&self) -> u64 {
        self.load(HEARTBEAT_AT)
    }

    /// Moves the heartbeat.
    pub fn beat(&self, count: u64) {
        self.store(HEARTBEAT_AT, count);
    }

    /// What the sequencer has done so far: counts that only grow within an epoch.
    pub fn duty_cycles(&self) -> DutyCycles {
        DutyCycles {
            cycles: self.load(HEARTBEAT_AT + 1),
            busy: self.load(HEARTBEAT_AT + 2),
            held_back: self.load(HEARTBEAT_AT + 3),
        }
    }

    /// Says what the sequencer has done so far: for its housekeeping, off the path.
    pub fn set_duty_cycles(&self, duty: DutyCycles) {
        self.store(HEARTBEAT_AT + 1, duty.cycles);
        self.store(HEARTBEAT_AT + 2, duty.busy);
        self.store(HEARTBEAT_AT + 3, duty.held_back);
    }

    fn record(&self, at: usize, words: usize) -> Option<Record> {
        Record::new(self.state.part(at, words)?)
    }

    /// The process that wrote the bank last. Zero where nobody did.
    pub fn owner(&self) -> ProcessIdentity {
        let mut fields = [0; 3];
        let read = self
            .record(OWNER_AT, LINE_WORDS / 2)
            .and_then(|record| record.read(&mut fields));
        match read {
            Some(_) => ProcessIdentity {
                pid: fields[0] as u32,
                start_time: fields[1],
            },
            None => ProcessIdentity {
                pid: 0,
                start_time: 0,
            },
        }
    }

    /// The stamp below which the bank's epoch does not go, UTC nanoseconds.
    pub fn opened_ns(&self) -> u64 {
        let mut fields = [0; 3];
        self.record(OWNER_AT, LINE_WORDS / 2)
            .and_then(|record| record.read(&mut fields))
            .map_or(0, |_| fields[2])
    }

    /// Says whose bank it is, for epoch `epoch`.
    pub fn set_owner(&self, epoch: EpochWord, owner: ProcessIdentity, opened_ns: u64) {
        if let Some(record) = self.record(OWNER_AT, LINE_WORDS / 2) {
            record.write(
                epoch.bits(),
                &[u64::from(owner.pid), owner.start_time, opened_ns],
            );
        }
    }

    /// What the sequencer says about itself.
    pub fn status(&self) -> SequencerStatus {
        SequencerStatus::from_code(self.load(OWNER_AT + LINE_WORDS / 2))
    }

    /// Says how the sequencer is.
    pub fn set_status(&self, status: SequencerStatus) {
        self.store(OWNER_AT + LINE_WORDS / 2, status as u64);
    }

    /// The calibration of the tick counter.
    pub fn calibration(&self) -> Option<Calibration> {
        let record = self.record(CLOCK_AT, LINE_WORDS)?;
        let mut fields = [0; 3];
        // Rewritten once a second: a second try never meets the writer again.
        (0..3).find_map(|_| {
            record.read(&mut fields)?;
            Some(Calibration {
                base_ticks: fields[0],
                base_ns: fields[1],
                ns_per_tick_2_32: fields[2],
            })
        })
    }

    /// The record of the calibration: its key changes with each.
    pub(crate) fn calibration_record(&self) -> Option<Record> {
        self.record(CLOCK_AT, LINE_WORDS)
    }

    /// Publishes the `revision`th calibration.
    pub fn set_calibration(&self, revision: u64, calibration: &Calibration) {
        if let Some(record) = self.record(CLOCK_AT, LINE_WORDS) {
            record.write(
                revision,
                &[
                    calibration.base_ticks,
                    calibration.base_ns,
                    calibration.ns_per_tick_2_32,
                ],
            );
        }
    }

    fn source_record(&self, id: usize) -> Option<Record> {
        if id >= MAX_SOURCES {
            return None;
        }
        self.record(SOURCES_AT + id * RECORD_WORDS, RECORD_WORDS)
    }

    /// Source `id`, if there is one.
    pub fn source(&self, id: usize) -> Option<SourceEntry> {
        let mut fields = [0; 5 + NAME_WORDS];
        let nonce = self.source_record(id)?.read(&mut fields)?;
        Some(SourceEntry {
            nonce,
            next_source_sequence: fields[0],
            joined_at: fields[1],
            process: ProcessIdentity {
                pid: fields[2] as u32,
                start_time: fields[3],
            },
            attached: fields[4] != 0,
            name: name_from_words(&fields[5..]),
        })
    }

    /// Enters source `id`.
    pub fn set_source(&self, id: usize, entry: &SourceEntry) {
        let mut fields = [0; 5 + NAME_WORDS];
        fields[0] = entry.next_source_sequence;
        fields[1] = entry.joined_at;
        fields[2] = u64::from(entry.process.pid);
        fields[3] = entry.process.start_time;
        fields[4] = u64::from(entry.attached);
        fields[5..].copy_from_slice(&name_to_words(&entry.name));
        if let Some(record) = self.source_record(id) {
            record.write(entry.nonce, &fields);
        }
    }

    /// Says that source `id` is not attached any more.
    pub fn set_source_left(&self, id: usize) {
        if let Some(record) = self.source_record(id) {
            record.update(4, 0);
        }
    }

    /// The id of the source that was admitted under `nonce`.
    pub fn find_source(&self, nonce: u64) -> Option<(usize, SourceEntry)> {
        (0..MAX_SOURCES)
            .find(|&id| {
                self.source_record(id)
                    .is_some_and(|record| record.key() == nonce)
            })
            .and_then(|id| Some((id, self.source(id)?)))
    }

    fn consumer_record(&self, place: usize) -> Option<Record> {
        if place >= MAX_CONSUMERS {
            return None;
        }
        self.record(CONSUMERS_AT + place * RECORD_WORDS, RECORD_WORDS)
    }

    /// The gating consumer in `place`, if there is one.
    pub fn consumer(&self, place: usize) -> Option<ConsumerEntry> {
        let mut fields = [0; 3 + NAME_WORDS];
        let nonce = self.consumer_record(place)?.read(&mut fields)?;
        Some(ConsumerEntry {
            nonce,
            granted_from: fields[0],
            process: ProcessIdentity {
                pid: fields[1] as u32,
                start_time: fields[2],
            },
            name: name_from_words(&fields[3..]),
        })
    }

    /// Enters a gating consumer in `place`, or empties the place.
    pub fn set_consumer(&self, place: usize, entry: Option<&ConsumerEntry>) {
        let Some(record) = self.consumer_record(place) else {
            return;
        };
        let Some(entry) = entry else {
            record.clear();
            return;
        };
        let mut fields = [0; 3 + NAME_WORDS];
        fields[0] = entry.granted_from;
        fields[1] = u64::from(entry.process.pid);
        fields[2] = entry.process.start_time;
        fields[3..].copy_from_slice(&name_to_words(&entry.name));
        record.write(entry.nonce, &fields);
    }

    /// The gating consumer that was admitted under `nonce`.
    pub fn find_consumer(&self, nonce: u64) -> Option<ConsumerEntry> {
        (0..MAX_CONSUMERS)
            .find(|&place| {
                self.consumer_record(place)
                    .is_some_and(|record| record.key() == nonce)
            })
            .and_then(|place| self.consumer(place))
    }

    /// Says why `nonce` was not admitted. The text is cut to 240 bytes.
    pub fn refuse(&self, turn: u64, nonce: u64, reason: &str) {
        let place = (turn % MAX_REFUSALS as u64) as usize;
        if let Some(record) = self.record(REFUSALS_AT + place * RECORD_WORDS, RECORD_WORDS) {
            record.write(nonce, &text_record(0, reason));
        }
    }

    /// Raises the `turn`th alarm of the epoch, at UTC `time_ns`. The text is cut to 240 bytes;
    /// the newest 32 are kept.
    pub fn raise_alarm(&self, turn: u64, time_ns: u64, text: &str) {
        let place = (turn % MAX_ALARMS as u64) as usize;
        if let Some(record) = self.record(ALARMS_AT + place * RECORD_WORDS, RECORD_WORDS) {
            record.write(turn + 1, &text_record(time_ns, text));
        }
    }

    /// The alarms of the epoch, oldest first: UTC nanoseconds and text.
    pub fn alarms(&self) -> Vec<(u64, String)> {
        let mut found: Vec<(u64, u64, String)> = (0..MAX_ALARMS)
            .filter_map(|place| {
                let mut fields = [0; RECORD_WORDS - 1];
                let record = self.record(ALARMS_AT + place * RECORD_WORDS, RECORD_WORDS)?;
                let turn = record.read(&mut fields)?;
                Some((turn, fields[0], record_text(&fields)))
            })
            .collect();
        found.sort();
        found
            .into_iter()
            .map(|(_, time_ns, text)| (time_ns, text))
            .collect()
    }

    /// Why `nonce` was not admitted, if it was refused.
    pub fn refusal(&self, nonce: u64) -> Option<String> {
        let mut fields = [0; RECORD_WORDS - 1];
        (0..MAX_REFUSALS).find_map(|place| {
            let record = self.record(REFUSALS_AT + place * RECORD_WORDS, RECORD_WORDS)?;
            (record.key() == nonce && record.read(&mut fields) == Some(nonce))
                .then(|| record_text(&fields))
        })
    }

    /// Empties registry and schemas for a new epoch.
    pub fn clear_registry(&self) {
        for id in 0..MAX_SOURCES {
            if let Some(record) = self.source_record(id) {
                record.clear();
            }
        }
        for place in 0..MAX_CONSUMERS {
            self.set_consumer(place, None);
        }
        for place in 0..MAX_REFUSALS + MAX_ALARMS {
            // The alarms follow the refusals.
            if let Some(record) = self.record(REFUSALS_AT + place * RECORD_WORDS, RECORD_WORDS) {
                record.clear();
            }
        }
        self.store(SCHEMAS_AT, 0);
    }

    /// Adds a message type that the frame at `sequence` registered. `false`: the area is full.
    pub fn add_schema(&self, sequence: u64, schema: &MessageSchema) -> bool {
        let mut bytes = sequence.to_le_bytes().to_vec();
        schema.encode(&mut bytes);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let used = self.load(SCHEMAS_AT) as usize;
        if used + bytes.len() > SCHEMA_AREA_BYTES {
            return false;
        }
        for (index, chunk) in bytes.as_chunks::<8>().0.iter().enumerate() {
            self.store(
                SCHEMAS_AT + LINE_WORDS + used / 8 + index,
                u64::from_le_bytes(*chunk),
            );
        }
        self.store(SCHEMAS_AT, (used + bytes.len()) as u64);
        true
    }

    /// The message types of the fabric, each with the sequence of the frame that registered it.
    pub fn schemas(&self) -> Vec<(u64, MessageSchema)> {
        let used = (self.load(SCHEMAS_AT) as usize).min(SCHEMA_AREA_BYTES);
        let bytes: Vec<u8> = (0..used / 8)
            .flat_map(|index| self.load(SCHEMAS_AT + LINE_WORDS + index).to_le_bytes())
            .collect();
        let mut schemas = Vec::new();
        let mut rest = &bytes[..];
        while let Some((sequence, encoded)) = rest.split_first_chunk::<8>() {
            let Ok((schema, length)) = MessageSchema::decode(encoded) else {
                break;
            };
            schemas.push((u64::from_le_bytes(*sequence), schema));
            rest = encoded
                .get(length.next_multiple_of(8)..)
                .unwrap_or_default();
        }
        schemas
    }
}

/// A record of a number and a text, which is cut to what fits.
fn text_record(number: u64, text: &str) -> [u64; RECORD_WORDS - 1] {
    let mut fields = [0; RECORD_WORDS - 1];
    fields[0] = number;
    let text = cut_text(text, (fields.len() - 1) * 8);
    for (field, word) in fields.iter_mut().skip(1).zip(words_of(text.as_bytes())) {
        *field = word;
    }
    fields
}

/// The text of such a record.
fn record_text(fields: &[u64]) -> String {
    let bytes: Vec<u8> = fields[1..]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .take_while(|&byte| byte != 0)
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
