//! How far the journal has come, readable from any thread and, in shared memory, any process.

use crate::error::{JournalError, io_error};
use crate::format::{CLOCK_BREACH, ClockRecord};
use selvedge_fabric::host::process::ProcessIdentity;
use selvedge_fabric::memory::{Access, Mapping};
use selvedge_fabric::protocol::Words;
use selvedge_fabric::shared::text::words_of;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// The first word of a positions file: `SELVPOSN`.
pub const POSITIONS_MAGIC: u64 = u64::from_le_bytes(*b"SELVPOSN");

/// Version of the positions file's layout.
pub const POSITIONS_VERSION: u64 = 1;

/// Bytes of a positions file.
pub const POSITIONS_BYTES: usize = 4096;

// Places of the words. What the hot waiters read has a cache line of its own.
const MAGIC: usize = 0;
const VERSION: usize = 1;
const PID: usize = 2;
const START_TIME: usize = 3;
const FABRIC_ID: usize = 4;
const RECORDED: usize = 16;
const DURABLE: usize = 32;
const ALARM: usize = 48;
const ALARM_SINCE: usize = 49;
const ALARM_ERRNO: usize = 50;
const ALARM_COUNT: usize = 51;
const GAP_FIRST: usize = 52;
const GAP_LAST: usize = 53;
const GAP_COUNT: usize = 54;
const HELD_BACK: usize = 64;
const RESERVE: usize = 65;
const DIRECTORY_BYTES: usize = 96;
const DIRECTORY: usize = 97;
const WORDS: usize = POSITIONS_BYTES / 8;

/// The longest path of a journal's directory that is told; of a longer one nothing is.
const MAX_DIRECTORY_BYTES: usize = (WORDS - DIRECTORY) * 8;

/// What is the matter with the journal, for everybody to see.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u64)]
pub enum AlarmState {
    /// Nothing.
    Clear = 0,
    /// Less space is left than the reserve that was asked for; the journal still writes.
    SpaceLow = 1,
    /// The file system is full: the journal has stopped and tries again.
    NoSpace = 2,
    /// The disk reports errors: the journal has stopped and tries again.
    InputOutput = 3,
    /// The file system is read-only: the journal has stopped and tries again.
    ReadOnly = 4,
    /// Another error: see the journal's own messages.
    Other = 5,
    /// The clock's error bound is beyond what was allowed; the journal still writes.
    ClockBound = 6,
}

impl AlarmState {
    /// What it is called: `clear`, `space-low`, `no-space`, ...
    pub fn name(self) -> &'static str {
        match self {
            AlarmState::Clear => "clear",
            AlarmState::SpaceLow => "space-low",
            AlarmState::NoSpace => "no-space",
            AlarmState::InputOutput => "input-output",
            AlarmState::ReadOnly => "read-only",
            AlarmState::Other => "other",
            AlarmState::ClockBound => "clock-bound",
        }
    }

    fn from_code(code: u64) -> Self {
        match code {
            0 => AlarmState::Clear,
            1 => AlarmState::SpaceLow,
            2 => AlarmState::NoSpace,
            3 => AlarmState::InputOutput,
            4 => AlarmState::ReadOnly,
            6 => AlarmState::ClockBound,
            _ => AlarmState::Other,
        }
    }

    /// Whether the journal does not write.
    pub fn stopped(self) -> bool {
        !matches!(
            self,
            AlarmState::Clear | AlarmState::SpaceLow | AlarmState::ClockBound
        )
    }
}

/// An alarm and since when it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alarm {
    /// What is the matter.
    pub state: AlarmState,
    /// Since when, UTC nanoseconds; 0 while clear.
    pub since: u64,
    /// The operating system's number of the error; 0 for none.
    pub errno: u64,
    /// How often an alarm was raised in all.
    pub count: u64,
}

/// How far a journal has come: sequences that only ever grow. Cheap to clone and to read.
#[derive(Clone, Debug)]
pub struct JournalPositions {
    words: Words,
}

impl JournalPositions {
    /// Positions in this process alone.
    pub(crate) fn private(sequence: u64) -> Self {
        let positions = JournalPositions {
            words: Words::private(WORDS),
        };
        positions.store(RECORDED, sequence);
        positions.store(DURABLE, sequence);
        positions
    }

    /// Positions in the file at `path`, made if it is not there; the journal alone does this. An
    /// older journal's readers keep reading the same file.
    pub(crate) fn shared(path: &Path, fabric_id: u128) -> Result<Self, JournalError> {
        let name = path.display().to_string();
        if !path.exists() {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(io_error("create", &name))?;
            }
            let unnamed = path.with_extension("new");
            let mut page = vec![0; POSITIONS_BYTES];
            for (index, word) in [
                (MAGIC, POSITIONS_MAGIC),
                (VERSION, POSITIONS_VERSION),
                (FABRIC_ID, fabric_id as u64),
                (FABRIC_ID + 1, (fabric_id >> 64) as u64),
            ] {
                page[index * 8..index * 8 + 8].copy_from_slice(&word.to_le_bytes());
            }
            std::fs::write(&unnamed, page).map_err(io_error("write", &name))?;
            std::fs::rename(&unnamed, path).map_err(io_error("name", &name))?;
        }
        let positions = Self::map(path, Access::Write)?;
        if positions.fabric_id() != fabric_id {
            return Err(JournalError::SharedFile {
                file: name,
                what: "positions file of this fabric",
            });
        }
        let process = ProcessIdentity::current();
        positions.store(START_TIME, process.start_time);
        positions.store(PID, u64::from(process.pid));
        Ok(positions)
    }

    /// The positions in the file at `path`, to read.
    ///
    /// # Errors
    /// [`JournalError::SharedFile`] when it is not one, and what the host says.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        Self::map(path, Access::Read)
    }

    fn map(path: &Path, access: Access) -> Result<Self, JournalError> {
        let mapping = Mapping::open(path, access).map_err(JournalError::Fabric)?;
        let mismatch = || JournalError::SharedFile {
            file: path.display().to_string(),
            what: "positions file",
        };
        let words = mapping.words(0, WORDS * 8).map_err(|_| mismatch())?;
        let positions = JournalPositions { words };
        if positions.load(MAGIC) != POSITIONS_MAGIC || positions.load(VERSION) != POSITIONS_VERSION
        {
            return Err(mismatch());
        }
        Ok(positions)
    }

    // Words that the layout names are always there: `map` and `private` made sure.
    fn load(&self, index: usize) -> u64 {
        // Pairs with the release in `store`: what a position speaks of happened before.
        self.words
            .get(index)
            .map_or(0, |word| word.load(Ordering::Acquire))
    }

    fn store(&self, index: usize, value: u64) {
        if let Some(word) = self.words.get(index) {
            word.store(value, Ordering::Release);
        }
    }

    /// The fabric whose journal it is; 0 for positions in this process alone.
    pub fn fabric_id(&self) -> u128 {
        u128::from(self.load(FABRIC_ID)) | u128::from(self.load(FABRIC_ID + 1)) << 64
    }

    /// The journal's process; pid 0 for positions in this process alone.
    pub fn process(&self) -> ProcessIdentity {
        ProcessIdentity {
            pid: self.load(PID) as u32,
            start_time: self.load(START_TIME),
        }
    }

    /// The last sequence handed to the kernel: it survives the death of the journal's process.
    /// Readers of the files find every frame up to here.
    #[inline]
    pub fn recorded(&self) -> u64 {
        self.load(RECORDED)
    }

    /// The last sequence on stable storage: it survives the loss of power.
    #[inline]
    pub fn durable(&self) -> u64 {
        self.load(DURABLE)
    }

    /// What is the matter, if anything.
    pub fn alarm(&self) -> Alarm {
        Alarm {
            state: AlarmState::from_code(self.load(ALARM)),
            since: self.load(ALARM_SINCE),
            errno: self.load(ALARM_ERRNO),
            count: self.load(ALARM_COUNT),
        }
    }

    /// The last gap that was declared, first and last sequence, and how many there were in all.
    pub fn gaps(&self) -> (u64, u64, u64) {
        (
            self.load(GAP_FIRST),
            self.load(GAP_LAST),
            self.load(GAP_COUNT),
        )
    }

    /// How often the fabric had to wait for the journal.
    pub fn held_back(&self) -> u64 {
        self.load(HELD_BACK)
    }

    /// Bytes that should stay free on the journal's file system; 0 for none.
    pub fn reserve_bytes(&self) -> u64 {
        self.load(RESERVE)
    }

    /// The journal's directory, so that anybody can look at its disk; `None` where it has none, or
    /// where its path is longer than 3320 bytes.
    pub fn directory(&self) -> Option<PathBuf> {
        let length = usize::try_from(self.load(DIRECTORY_BYTES)).ok()?;
        if length == 0 || length > MAX_DIRECTORY_BYTES {
            return None;
        }
        let mut bytes: Vec<u8> = (0..length.div_ceil(8))
            .flat_map(|index| self.load(DIRECTORY + index).to_le_bytes())
            .collect();
        bytes.truncate(length);
        Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
    }

    /// Says where the journal writes, and how much of its disk should stay free.
    pub(crate) fn set_disk(&self, directory: &OsStr, reserve_bytes: u64) {
        self.store(RESERVE, reserve_bytes);
        // Whoever begins to read now finds no path. Who had begun may get some of the old one and
        // some of the new: it is there for people and gauges, and is read again.
        self.store(DIRECTORY_BYTES, 0);
        let bytes = directory.as_bytes();
        if bytes.len() > MAX_DIRECTORY_BYTES {
            return;
        }
        for (index, word) in words_of(bytes).enumerate() {
            self.store(DIRECTORY + index, word);
        }
        self.store(DIRECTORY_BYTES, bytes.len() as u64);
    }

    pub(crate) fn set_recorded(&self, sequence: u64) {
        self.store(RECORDED, sequence);
    }

    pub(crate) fn set_durable(&self, sequence: u64) {
        self.store(DURABLE, sequence);
    }

    pub(crate) fn set_held_back(&self, count: u64) {
        self.store(HELD_BACK, count);
    }

    pub(crate) fn add_gap(&self, first: u64, last: u64) {
        self.store(GAP_FIRST, first);
        self.store(GAP_LAST, last);
        self.store(GAP_COUNT, self.load(GAP_COUNT) + 1);
    }

    /// Raises the alarm about the clock, or clears that one.
    pub(crate) fn note_clock(&self, clock: &ClockRecord, now: u64) {
        let breach = clock.flags & CLOCK_BREACH != 0;
        match (self.alarm().state, breach) {
            (AlarmState::Clear, true) => self.set_alarm(AlarmState::ClockBound, None, now),
            (AlarmState::ClockBound, false) => self.set_alarm(AlarmState::Clear, None, now),
            _ => {}
        }
    }

    /// Raises or clears the alarm; saying the same again changes nothing.
    pub(crate) fn set_alarm(&self, state: AlarmState, errno: Option<i32>, now: u64) {
        if self.load(ALARM) == state as u64 {
            return;
        }
        let clear = state == AlarmState::Clear;
        self.store(ALARM_SINCE, if clear { 0 } else { now });
        self.store(ALARM_ERRNO, errno.unwrap_or(0) as u64);
        if !clear {
            self.store(ALARM_COUNT, self.load(ALARM_COUNT) + 1);
        }
        self.store(ALARM, state as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_positions_file_is_shared_and_outlives_its_writer() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal/positions");
        let writer = JournalPositions::shared(&path, 77).unwrap();
        let reader = JournalPositions::open(&path).unwrap();
        writer.set_recorded(9);
        writer.set_durable(8);
        writer.set_alarm(AlarmState::NoSpace, Some(28), 5);
        writer.set_alarm(AlarmState::NoSpace, Some(28), 6);
        assert_eq!((reader.recorded(), reader.durable()), (9, 8));
        assert_eq!(reader.process(), ProcessIdentity::current());
        let alarm = reader.alarm();
        assert_eq!((alarm.state, alarm.since), (AlarmState::NoSpace, 5));
        assert_eq!((alarm.errno, alarm.count), (28, 1));
        drop(writer);
        let again = JournalPositions::shared(&path, 77).unwrap();
        again.set_alarm(AlarmState::Clear, None, 9);
        assert_eq!(reader.alarm().state, AlarmState::Clear);
        assert_eq!(reader.recorded(), 9);
        assert!(JournalPositions::shared(&path, 78).is_err());
    }

    #[test]
    fn everybody_learns_which_disk_the_journal_writes_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal/positions");
        let writer = JournalPositions::shared(&path, 77).unwrap();
        let reader = JournalPositions::open(&path).unwrap();
        assert_eq!((reader.directory(), reader.reserve_bytes()), (None, 0));
        writer.set_disk(OsStr::new("/a/journal of 23 bytes"), 1 << 30);
        let told = PathBuf::from("/a/journal of 23 bytes");
        assert_eq!(reader.directory(), Some(told));
        assert_eq!(reader.reserve_bytes(), 1 << 30);
        let longest = "x".repeat(MAX_DIRECTORY_BYTES);
        writer.set_disk(OsStr::new(&longest), 0);
        assert_eq!(reader.directory(), Some(PathBuf::from(&longest)));
        writer.set_disk(OsStr::new(&format!("{longest}x")), 0);
        assert_eq!(reader.directory(), None);
    }

    #[test]
    fn rubbish_is_no_positions_file() {
        let directory = tempfile::tempdir().unwrap();
        for bytes in [vec![], vec![1; 100], vec![7; POSITIONS_BYTES]] {
            let path = directory.path().join("positions");
            std::fs::write(&path, &bytes).unwrap();
            assert!(JournalPositions::open(&path).is_err(), "{}", bytes.len());
        }
    }
}
