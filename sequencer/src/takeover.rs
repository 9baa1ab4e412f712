//! Opening an epoch: what a starting sequencer does, whether its predecessor stopped in order,
//! died, or never was.

use crate::error::{Result, SequencerError};
use crate::prepared::Prepared;
use selvedge_fabric::crash_point;
use selvedge_fabric::frame::system::{SourceJoined, TYPE_REGISTERED};
use selvedge_fabric::frame::{Flags, FrameHeader};
use selvedge_fabric::host::process::ProcessIdentity;
use selvedge_fabric::host::ticks::utc_ns;
use selvedge_fabric::memory::FileClaim;
use selvedge_fabric::message::{Message, MessageSchema};
use selvedge_fabric::protocol::Ordering;
use selvedge_fabric::protocol::epoch::{EpochWord, MAX_BANKS, Opened, Span};
use selvedge_fabric::protocol::gating::GatingSet;
use selvedge_fabric::protocol::stream::{FRAME_HEADER_WORDS, StreamReader, StreamWriter, scan_end};
use selvedge_fabric::shared::bank::{
    Bank, ConsumerEntry, MAX_CONSUMERS, MAX_SOURCES, SequencerStatus, SourceEntry,
};
use selvedge_fabric::shared::cursor::{ConsumerKind, CursorFile};
use selvedge_fabric::shared::names::name_from_words;
use selvedge_fabric::{Fabric, FabricError, checked_offset};
use zerocopy::FromBytes;

/// What the predecessors' frames tell.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// Last source sequence in the stream, by source id; 0 is the sequencer's own.
    pub(crate) last: Vec<u64>,
    /// Names by source id; index 0 is nobody's.
    pub(crate) names: Vec<Option<String>>,
    /// The message types registered.
    pub(crate) schemas: Vec<(u64, MessageSchema)>,
    /// No stamp may be below.
    pub(crate) floor_ns: u64,
}

impl Default for Recovered {
    /// Where nothing ever was.
    fn default() -> Self {
        Recovered {
            last: vec![0; 1],
            names: vec![None; 1],
            schemas: Vec::new(),
            floor_ns: 0,
        }
    }
}

/// An epoch that has been opened, ready to publish.
#[derive(Debug)]
pub(crate) struct OpenedEpoch {
    pub(crate) word: EpochWord,
    pub(crate) previous: EpochWord,
    pub(crate) bank: Bank,
    pub(crate) writer: StreamWriter,
    pub(crate) recovered: Recovered,
    pub(crate) gating: GatingSet,
    /// Consumers that were already reading, by place in the registry.
    pub(crate) consumers: Vec<(usize, ConsumerEntry, CursorFile)>,
    /// Nobody else writes the bank while this lives.
    pub(crate) claim: FileClaim,
}

/// How to take over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Insistence {
    /// Not from a sequencer that lives and has not stopped.
    IfFree,
    /// Even from one that lives: it is frozen.
    Force,
}

/// Moves the fabric to a new epoch of this process and opens its bank.
///
/// `from`: the epoch that is to be followed; if another follows it first, that is an error.
pub(crate) fn open_epoch(
    fabric: &Fabric,
    from: Option<EpochWord>,
    insistence: Insistence,
    prepared: &mut Prepared,
) -> Result<OpenedEpoch> {
    let mut from = from;
    let (word, bank_index, claim, previous, first, recovered) = loop {
        let current = prepared.epoch().load();
        if from.is_some_and(|from| from != current) {
            return Err(FabricError::Replaced {
                epoch: from.map_or(0, EpochWord::epoch),
                by: current.epoch(),
            }
            .into());
        }
        if insistence == Insistence::IfFree && from.is_none() {
            refuse_second(fabric)?;
        }
        let (bank_index, claim) = choose_bank(fabric, current)?;
        let word = EpochWord::new(current.epoch() + 1, bank_index);
        crash_point!("takeover.claimed");
        if !prepared.epoch().take_over(current, word) {
            continue;
        }
        crash_point!("takeover.moved");
        let previous = last_opened(fabric, word);
        let (first, recovered) = match previous {
            Some(opened) => recover(fabric, opened)?,
            None => (1, Recovered::default()),
        };
        // The choice was a guess: a consumer may have started in that bank since, or a replaced
        // sequencer may have opened late and so put it into the chain that this epoch follows.
        // Now that chain is settled. Whoever starts from here on sees the move and waits for this
        // epoch's grant; whoever started before is seen.
        if !is_held_in_chain(fabric, bank_index, previous, first) {
            break (word, bank_index, claim, previous, first, recovered);
        }
        // This epoch is never opened; the next has another bank.
        from = Some(word);
    };
    // The claim keeps everybody else from writing the bank; and the predecessor's frames beyond
    // what the scan saw are never accepted by anyone.
    let bank = prepared.bank(fabric, bank_index)?;
    let previous = previous.map_or(EpochWord::NONE, |opened| opened.epoch);

    crash_point!("takeover.recovered");
    bank.header().close();
    crash_point!("takeover.closed");
    bank.set_owner(word, ProcessIdentity::current(), recovered.floor_ns);
    bank.set_status(SequencerStatus::Running);
    bank.clear_registry();
    bank.bound().announce_payload(0);
    crash_point!("takeover.owned");
    let writer = StreamWriter::new(
        bank.slots().clone(),
        bank.shape(),
        word,
        bank.bound().clone(),
        first,
    )
    .ok_or_else(|| FabricError::Damaged {
        path: fabric.paths().bank_state(bank_index),
        what: "bank",
        detail: "its ring is too small".to_owned(),
    })?;
    for (sequence, schema) in &recovered.schemas {
        bank.add_schema(*sequence, schema);
    }
    for (id, name) in recovered.names.iter().enumerate() {
        if let Some(name) = name {
            bank.set_source(
                id,
                &SourceEntry {
                    // A place holder that no producer waits for, kept so that the name keeps its
                    // number.
                    nonce: u64::MAX - id as u64,
                    name: name.clone(),
                    next_source_sequence: recovered.last[id] + 1,
                    joined_at: 0,
                    process: ProcessIdentity {
                        pid: 0,
                        start_time: 0,
                    },
                    attached: false,
                },
            );
        }
    }
    crash_point!("takeover.registry");
    bank.snapshots().write(0, word, first, &recovered.last);
    bank.set_published(first);
    // Whoever reads now holds from the first frame on, before there is one.
    let (gating, consumers) = readers_in_place(fabric, &bank);
    crash_point!("takeover.ready");
    bank.header().open(Opened {
        epoch: word,
        first_sequence: first,
        previous,
    });
    crash_point!("takeover.opened");
    // Only now, never before: a producer acts on it, and a sequencer that said it and died before
    // it opened would not be in the chain that its successor follows.
    for (id, &last) in recovered.last.iter().enumerate() {
        if let Some(consumed) = bank.consumed(id) {
            consumed.store(word, last);
        }
    }
    crash_point!("takeover.consumed");
    Ok(OpenedEpoch {
        word,
        previous,
        bank,
        writer,
        recovered,
        gating,
        consumers,
        claim,
    })
}

/// An error while a sequencer lives that has not stopped.
fn refuse_second(fabric: &Fabric) -> Result<()> {
    let current = fabric.epoch().load();
    let Some(bank) = fabric.bank(current) else {
        return Ok(());
    };
    let owner = bank.owner();
    let stopped = matches!(
        bank.status(),
        SequencerStatus::Stopped | SequencerStatus::Unknown
    );
    if !stopped && owner.is_alive() {
        return Err(FabricError::SequencerRunning {
            name: fabric.name().to_owned(),
            pid: owner.pid,
        }
        .into());
    }
    Ok(())
}

/// A bank that nobody writes and whose frames nobody needs, claimed for this process.
///
/// It is not the current epoch's nor the last opened one's; no consumer that holds the stream
/// stands before the end of what is in it. Copying consumers hold no bank: its reuse overruns them,
/// as a lap of the ring does. Who may still write it, a frozen sequencer, has it claimed.
fn choose_bank(fabric: &Fabric, current: EpochWord) -> Result<(usize, FileClaim)> {
    let last = last_opened(fabric, EpochWord::new(u64::MAX >> 8, 0));
    for index in 0..MAX_BANKS {
        if current.is_some() && index == current.bank()
            || last.is_some_and(|last| index == last.epoch.bank())
        {
            continue;
        }
        let state = fabric.paths().bank_state(index);
        if !state.exists() {
            fabric.add_bank(index)?;
        }
        // Claimed first, looked at afterwards: what is seen then stays so.
        let Some(claim) = FileClaim::acquire(&state)? else {
            continue;
        };
        if !is_bank_needed(fabric, index) {
            return Ok((index, claim));
        }
    }
    Err(SequencerError::NoBank {
        name: fabric.name().to_owned(),
    })
}

/// Whether a consumer that holds the stream may still read what the bank holds.
fn is_bank_needed(fabric: &Fabric, index: usize) -> bool {
    let here = fabric
        .bank_at(index)
        .and_then(|bank| bank.header().read_any());
    let slowest = holding_positions(fabric).into_iter().min();
    here.is_some_and(|here| is_needed(&here, &opened_banks(fabric), slowest))
}

/// Whether a consumer that holds the stream has yet to read what the bank holds of the chain that
/// ends with `previous`, whose end is `end`.
fn is_held_in_chain(fabric: &Fabric, index: usize, previous: Option<Opened>, end: u64) -> bool {
    // The epoch that is followed is never given up before this one has opened: who dies on the way
    // would leave nothing to follow.
    if previous.is_some_and(|previous| previous.epoch.bank() == index) {
        return true;
    }
    let Some(slowest) = holding_positions(fabric).into_iter().min() else {
        return false;
    };
    let (mut closed_at, mut next) = (end, previous);
    for _ in 0..MAX_BANKS {
        let Some(opened) = next else {
            return false;
        };
        if opened.epoch.bank() == index {
            return slowest < closed_at;
        }
        closed_at = opened.first_sequence;
        next = fabric
            .bank(opened.previous)
            .and_then(|bank| bank.header().read(opened.previous));
    }
    false
}

/// What every bank that is open says.
fn opened_banks(fabric: &Fabric) -> Vec<Opened> {
    (0..MAX_BANKS)
        .take_while(|&index| fabric.paths().bank_state(index).exists())
        .filter_map(|index| fabric.bank_at(index)?.header().read_any())
        .collect()
}

/// Whether a reader at `slowest` may still read what the bank of `here` holds.
fn is_needed(here: &Opened, opened: &[Opened], slowest: Option<u64>) -> bool {
    let Some(slowest) = slowest else {
        return false;
    };
    // The epoch ended where its successor began. A sequencer that was replaced before it opened
    // may have opened late and named another place: the further one counts. Where the successor's
    // bank has been reused already, any later epoch began at that place or behind it.
    let later = || {
        opened
            .iter()
            .filter(|later| later.epoch.epoch() > here.epoch.epoch())
    };
    let closed_at = later()
        .filter(|later| later.previous == here.epoch)
        .map(|later| later.first_sequence)
        .max()
        .or_else(|| later().map(|later| later.first_sequence).min())
        .unwrap_or(u64::MAX);
    // An epoch without a frame counts too: it is a link of the chain that leads to those before.
    slowest < closed_at
}

/// Where the consumers stand that hold the stream.
fn holding_positions(fabric: &Fabric) -> Vec<u64> {
    attached_cursors(fabric)
        .into_iter()
        .filter_map(|(_, file)| {
            let registration = file.read().ok()?;
            match registration.kind {
                ConsumerKind::Copying => None,
                // What it inherits is held for it while it is away.
                _ if registration.essential => Some(file.position()),
                // Nothing is held before it has started.
                _ => Some(file.cursor()?.load()),
            }
        })
        .filter(|&position| position != 0)
        .collect()
}

/// The latest epoch before `word` that opened its bank.
fn last_opened(fabric: &Fabric, word: EpochWord) -> Option<Opened> {
    opened_banks(fabric)
        .into_iter()
        .filter(|opened| opened.epoch.epoch() < word.epoch())
        .max_by_key(|opened| opened.epoch.epoch())
}

/// Where the predecessor's epoch ended, and what its frames tell.
fn recover(fabric: &Fabric, predecessor: Opened) -> Result<(u64, Recovered)> {
    let no_snapshot = || SequencerError::NoSnapshot {
        name: fabric.name().to_owned(),
        epoch: predecessor.epoch.epoch(),
    };
    let bank = fabric.bank(predecessor.epoch).ok_or_else(no_snapshot)?;
    let span = Span {
        epoch: predecessor.epoch,
        first_sequence: predecessor.first_sequence,
        closed_at: None,
    };
    // Everything below the overwrite bound was published, whatever the position says.
    let hint = bank
        .published()
        .max(bank.bound().intact_from())
        .max(predecessor.first_sequence);
    let mut reader = fabric.reader_in(span, hint).ok_or_else(no_snapshot)?;
    let closed_at = scan_end(&reader, hint);

    let mut last = Vec::new();
    let from = bank
        .snapshots()
        .read(predecessor.epoch, closed_at, &mut last)
        .ok_or_else(no_snapshot)?;
    let mut recovered = Recovered {
        names: vec![None; last.len()],
        last,
        schemas: bank
            .schemas()
            .into_iter()
            .filter(|(sequence, _)| *sequence < closed_at)
            .collect(),
        floor_ns: bank.opened_ns(),
    };
    for id in 1..MAX_SOURCES {
        if let Some(entry) = bank.source(id)
            && entry.joined_at < closed_at
        {
            recovered.name_source(id, entry.name);
        }
    }
    for sequence in from..closed_at {
        reader.seek(sequence);
        if !reader.published(sequence) {
            return Err(no_snapshot());
        }
        recovered.apply(fabric, &reader, bank, sequence);
    }
    if bank.bound().intact_from() > from {
        return Err(no_snapshot());
    }
    if closed_at > predecessor.first_sequence {
        reader.seek(closed_at - 1);
        recovered.floor_ns = recovered.floor_ns.max(reader.word(0, 1));
    }
    Ok((closed_at, recovered))
}

impl Recovered {
    fn name_source(&mut self, id: usize, name: String) {
        if id >= MAX_SOURCES {
            return;
        }
        if self.names.len() <= id {
            self.names.resize(id + 1, None);
        }
        if self.last.len() < self.names.len() {
            self.last.resize(self.names.len(), 0);
        }
        self.names[id] = Some(name);
    }

    /// Applies the frame at `sequence`, where `reader` stands.
    fn apply(&mut self, fabric: &Fabric, reader: &StreamReader, bank: &Bank, sequence: u64) {
        let header = FrameHeader::from_words([0, 1, 2, 3].map(|index| reader.word(0, index)));
        let id = header.source() as usize;
        if id < MAX_SOURCES {
            if self.last.len() <= id {
                self.last.resize(id + 1, 0);
                self.names.resize(id + 1, None);
            }
            self.last[id] = self.last[id].max(header.source_sequence());
        }
        if header.source() != 0 {
            return;
        }
        match header.message_type() {
            SourceJoined::TYPE => {
                let payload = payload_bytes(fabric, reader, bank, &header);
                if let Ok(joined) = SourceJoined::read_from_bytes(&payload) {
                    let words: Vec<u64> = joined
                        .name
                        .as_chunks::<8>()
                        .0
                        .iter()
                        .map(|chunk| u64::from_le_bytes(*chunk))
                        .collect();
                    self.name_source(joined.source as usize, name_from_words(&words));
                }
            }
            TYPE_REGISTERED => {
                let payload = payload_bytes(fabric, reader, bank, &header);
                if let Ok((schema, _)) = MessageSchema::decode(&payload)
                    && !self
                        .schemas
                        .iter()
                        .any(|(_, known)| known.message_type == schema.message_type)
                {
                    self.schemas.push((sequence, schema));
                }
            }
            _ => {}
        }
    }
}

/// The payload of the frame where `reader` stands. The predecessor has lost its epoch, so what it
/// published before stays as it is.
fn payload_bytes(
    fabric: &Fabric,
    reader: &StreamReader,
    bank: &Bank,
    header: &FrameHeader,
) -> Vec<u8> {
    let length = header.length();
    let words: Vec<u64> = if header.flags().contains(Flags::EXTERNAL) {
        let position = reader.word(0, FRAME_HEADER_WORDS);
        let ring_bytes = fabric.control().stream_payload_bytes;
        let Some(offset) = checked_offset(position, length, ring_bytes) else {
            return Vec::new();
        };
        (0..length.div_ceil(8))
            .filter_map(|index| bank.payload().get(offset / 8 + index))
            .map(|word| word.load(Ordering::Relaxed))
            .collect()
    } else {
        (0..fabric.control().inline_words())
            .map(|index| reader.word(0, FRAME_HEADER_WORDS + index))
            .collect()
    };
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.truncate(length);
    bytes
}

/// The files of consumers that a living process holds, and of essential ones.
pub(crate) fn attached_cursors(fabric: &Fabric) -> Vec<(String, CursorFile)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(fabric.paths().consumers())
        .into_iter()
        .flatten()
        .flatten()
    {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        if let Ok(file) = CursorFile::open_untrusted(&entry.path())
            && (file.held() || file.essential())
        {
            found.push((name, file));
        }
    }
    found
}

/// Gating consumers that have started under an earlier epoch: they keep what they hold.
fn readers_in_place(
    fabric: &Fabric,
    bank: &Bank,
) -> (GatingSet, Vec<(usize, ConsumerEntry, CursorFile)>) {
    let mut gating = GatingSet::with_capacity(MAX_CONSUMERS);
    let mut consumers = Vec::new();
    for (name, file) in attached_cursors(fabric) {
        let (Ok(registration), Some(cursor)) = (file.read(), file.cursor()) else {
            continue;
        };
        // An essential consumer that is just coming back holds what it inherits.
        let position = if registration.essential {
            file.position()
        } else {
            cursor.load()
        };
        if registration.kind == ConsumerKind::Copying
            || position == 0
            || consumers.len() == MAX_CONSUMERS
        {
            continue;
        }
        let entry = ConsumerEntry {
            nonce: registration.nonce,
            name,
            granted_from: position,
            process: registration.process,
        };
        let place = consumers.len();
        bank.set_consumer(place, Some(&entry));
        gating.add(registration.nonce, cursor, position);
        consumers.push((place, entry, file));
    }
    (gating, consumers)
}

/// UTC nanoseconds, not below `floor`.
pub(crate) fn now_not_below(floor: u64) -> u64 {
    utc_ns().max(floor)
}
