//! Deterministic state: what a stream makes of a program, compared and restored.

use crate::error::JournalError;
use crate::format::Hash;
use crate::reader::JournalReader;
use selvedge_fabric::frame::FrameHeader;

/// The first bytes of an encoded snapshot.
const SNAPSHOT_MAGIC: [u8; 8] = *b"SELVSNP1";

/// The most bytes of a snapshot's state.
pub const MAX_SNAPSHOT_BYTES: usize = 1 << 30;

/// State that follows from the frames of a stream and nothing else.
///
/// The same frames must give the same state, on every host and in every run: no clock, no
/// random numbers, no order of a hash map. [`Self::hash`] shows whether that holds.
pub trait StateMachine {
    /// Takes the next frame.
    fn apply(&mut self, header: &FrameHeader, payload: &[u8]);

    /// Appends all state to `out`.
    fn snapshot(&self, out: &mut Vec<u8>);

    /// Replaces all state by what [`Self::snapshot`] gave.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    fn restore(&mut self, state: &[u8]) -> Result<(), String>;

    /// A hash over all state: by default that of the snapshot.
    fn hash(&self) -> Hash {
        let mut state = Vec::new();
        self.snapshot(&mut state);
        *blake3::hash(&state).as_bytes()
    }
}

/// State as it was after one frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateSnapshot {
    /// The frame.
    pub sequence: u64,
    /// What [`StateMachine::snapshot`] gave.
    pub state: Vec<u8>,
}

impl StateSnapshot {
    /// The state of `machine`, which has taken the frames up to `sequence`.
    pub fn take(machine: &dyn StateMachine, sequence: u64) -> Self {
        let mut state = Vec::new();
        machine.snapshot(&mut state);
        StateSnapshot { sequence, state }
    }

    /// The bytes of a file that holds it: magic, sequence u64, length u64, BLAKE3 of sequence,
    /// length and state, then the state.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = SNAPSHOT_MAGIC.to_vec();
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&(self.state.len() as u64).to_le_bytes());
        out.extend_from_slice(&self.checksum());
        out.extend_from_slice(&self.state);
        out
    }

    fn checksum(&self) -> Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.sequence.to_le_bytes());
        hasher.update(&(self.state.len() as u64).to_le_bytes());
        hasher.update(&self.state);
        *hasher.finalize().as_bytes()
    }

    /// The snapshot that these bytes are.
    ///
    /// # Errors
    /// [`JournalError::Snapshot`] when they are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, JournalError> {
        let refuse = |problem: &str| JournalError::Snapshot {
            problem: problem.to_owned(),
        };
        let rest = bytes
            .strip_prefix(&SNAPSHOT_MAGIC)
            .ok_or_else(|| refuse("it is not a snapshot of this version"))?;
        let (Some(sequence), Some(length), Some(checksum), Some(state)) = (
            rest.first_chunk::<8>(),
            rest.get(8..16).and_then(|bytes| bytes.try_into().ok()),
            rest.get(16..48),
            rest.get(48..),
        ) else {
            return Err(refuse("it ends early"));
        };
        if u64::from_le_bytes(length) != state.len() as u64 || state.len() > MAX_SNAPSHOT_BYTES {
            return Err(refuse("its length is wrong"));
        }
        let snapshot = StateSnapshot {
            sequence: u64::from_le_bytes(*sequence),
            state: state.to_vec(),
        };
        if snapshot.checksum() != checksum {
            return Err(refuse("its checksum is wrong"));
        }
        Ok(snapshot)
    }

    /// Brings `machine` to this state.
    ///
    /// # Errors
    /// [`JournalError::Snapshot`] with what the machine says.
    pub fn restore(&self, machine: &mut dyn StateMachine) -> Result<(), JournalError> {
        machine
            .restore(&self.state)
            .map_err(|problem| JournalError::Snapshot { problem })
    }
}

/// Gives `machine` the frames of a journal: from the one after `snapshot`, or from the first, up
/// to `last`, or to the end. The last sequence that it took.
///
/// # Errors
/// What [`JournalReader`] reports, a gap included, [`JournalError::NoSuchSequence`] when the
/// journal does not reach `last`, and [`JournalError::Snapshot`].
pub fn replay_into(
    reader: &mut JournalReader,
    machine: &mut dyn StateMachine,
    snapshot: Option<&StateSnapshot>,
    last: Option<u64>,
) -> Result<u64, JournalError> {
    let mut taken = match snapshot {
        Some(snapshot) => {
            snapshot.restore(machine)?;
            reader.seek(snapshot.sequence + 1)?;
            snapshot.sequence
        }
        None => reader.next_sequence().saturating_sub(1),
    };
    let end = last.unwrap_or(u64::MAX);
    while taken < end {
        let Some((header, payload)) = reader.next()? else {
            break;
        };
        machine.apply(&header, payload);
        taken = header.sequence();
    }
    match last {
        Some(last) if taken < last => Err(JournalError::NoSuchSequence {
            sequence: last,
            first: reader.first_sequence(),
            last: taken,
        }),
        _ => Ok(taken),
    }
}

/// The plainest state there is: how many frames and bytes of each type came from each source, and
/// a hash over all of them. `selvedge journal state-hash` compares two journals by it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FrameCounts {
    counts: std::collections::BTreeMap<(u16, u16), (u64, u64)>,
    chain: Hash,
}

impl StateMachine for FrameCounts {
    fn apply(&mut self, header: &FrameHeader, payload: &[u8]) {
        let count = self
            .counts
            .entry((header.source(), header.message_type()))
            .or_default();
        count.0 += 1;
        count.1 += payload.len() as u64;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.chain);
        // What the sequencer's life does not change: no epoch, no time stamp.
        hasher.update(&header.words()[2].to_le_bytes());
        hasher.update(&header.words()[3].to_le_bytes());
        hasher.update(payload);
        self.chain = *hasher.finalize().as_bytes();
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.chain);
        for ((source, message_type), (frames, bytes)) in &self.counts {
            out.extend_from_slice(&u32::from(*source).to_le_bytes());
            out.extend_from_slice(&u32::from(*message_type).to_le_bytes());
            out.extend_from_slice(&frames.to_le_bytes());
            out.extend_from_slice(&bytes.to_le_bytes());
        }
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        let (chain, entries) = state
            .split_first_chunk::<32>()
            .ok_or("the state ends early")?;
        let (entries, rest) = entries.as_chunks::<24>();
        if !rest.is_empty() {
            return Err("the state's length is wrong".to_owned());
        }
        self.chain = *chain;
        self.counts.clear();
        for entry in entries {
            let word = |at: usize, bytes: usize| {
                entry
                    .iter()
                    .skip(at)
                    .take(bytes)
                    .rev()
                    .fold(0_u64, |word, byte| word << 8 | u64::from(*byte))
            };
            let key = (word(0, 4) as u16, word(4, 4) as u16);
            self.counts.insert(key, (word(8, 8), word(16, 8)));
        }
        Ok(())
    }
}
