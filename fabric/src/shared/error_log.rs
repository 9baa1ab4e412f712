//! What went wrong in a fabric, each distinct error once: how often, when first, when last.
//!
//! Every agent writes a file of its own, `errors/AGENT`; sequencers one for each bank, so that a
//! frozen, replaced one that wakes up writes into no successor's. In 64-bit words: 0 magic,
//! 1 layout version, 2 process id, 3 its start time, 4 errors that made way for others; from word
//! 64 on 64 records of 32 words: key, count, first and last time (UTC nanoseconds), then a text of
//! at most 224 bytes: what is wrong, with whom, and the newest details, a zero byte between them.
//!
//! Errors are the same if what is wrong and with whom are the same. When there are more than 64
//! of them, the one that was not seen for the longest time makes way.

use super::LAYOUT_VERSION;
use super::text::{cut_text, words_of};
use crate::error::{FabricError, Result};
use crate::fabric::Fabric;
use crate::host::process::ProcessIdentity;
use crate::host::ticks::utc_ns;
use crate::memory::{Access, Mapping};
use crate::protocol::record::Record;
use crate::protocol::{Ordering, Words};
use std::path::{Path, PathBuf};

const MAGIC: u64 = u64::from_le_bytes(*b"SLVERROR");
const PID_AT: usize = 2;
const START_TIME_AT: usize = 3;
const DISPLACED_AT: usize = 4;
const RECORDS_AT: usize = 64;
const RECORD_WORDS: usize = 32;

/// Distinct errors that an agent's file holds.
pub const MAX_ERRORS: usize = 64;

/// Bytes of an error's text, details and all: more is cut.
pub const MAX_ERROR_BYTES: usize = (RECORD_WORDS - 4) * 8;

/// The most of them that who is concerned may take.
const MAX_SUBJECT_BYTES: usize = 64;

const FILE_BYTES: usize = (RECORDS_AT + MAX_ERRORS * RECORD_WORDS) * 8;

/// Files of agents that are looked at.
const MAX_FILES: usize = 256;

/// A distinct error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoggedError {
    /// Who met it: `sequencer`, `journal`, `supervisor`.
    pub agent: String,
    /// What is wrong.
    pub what: String,
    /// With whom or what; may be empty.
    pub subject: String,
    /// Details of the last time.
    pub detail: String,
    /// How often it was met.
    pub count: u64,
    /// When first, UTC nanoseconds.
    pub first_ns: u64,
    /// When last, UTC nanoseconds.
    pub last_ns: u64,
}

/// An agent's list, to write. Its file is made when the first error is met: an agent that meets
/// none spends no time on it, and one that cannot make it works without.
#[derive(Debug)]
pub struct ErrorLog {
    fabric: Fabric,
    name: String,
    file: File,
}

#[derive(Debug)]
enum File {
    NotYet,
    Open(ErrorFile),
    Nowhere,
}

impl ErrorLog {
    /// The list of `agent`. What an earlier process of this agent left in it stays.
    pub fn new(fabric: &Fabric, agent: &str) -> Self {
        ErrorLog {
            fabric: fabric.clone(),
            name: agent.to_owned(),
            file: File::NotYet,
        }
    }

    /// The list of the sequencer that has bank `bank`.
    pub fn of_sequencer(fabric: &Fabric, bank: usize) -> Self {
        Self::new(fabric, &format!("sequencer.{bank}"))
    }

    /// Notes that `what` is wrong with `subject`, once more or for the first time. Looks through
    /// all records: for work that is off the path.
    pub fn note(&mut self, what: &str, subject: &str, detail: &str) {
        self.note_at(utc_ns(), what, subject, detail);
    }

    fn note_at(&mut self, now: u64, what: &str, subject: &str, detail: &str) {
        if let File::NotYet = self.file {
            self.file = match ErrorFile::open(&self.fabric, &self.name) {
                Ok(file) => File::Open(file),
                Err(_) => File::Nowhere,
            };
        }
        if let File::Open(file) = &mut self.file {
            file.note_at(now, what, subject, detail);
        }
    }
}

/// The file, mapped by its writer.
#[derive(Debug)]
struct ErrorFile {
    words: Words,
    agent: String,
    next_key: u64,
}

impl ErrorFile {
    /// The file of `agent`, made if it is not there; an error while another living process
    /// writes it.
    fn open(fabric: &Fabric, agent: &str) -> Result<Self> {
        super::names::check_name("agent", agent)?;
        let directory = directory(fabric);
        let path = directory.join(agent);
        std::fs::create_dir_all(&directory)
            .map_err(|error| FabricError::io("create directory", &directory, error))?;
        if !path.exists() {
            let unnamed = directory.join(format!(".{agent}-{}", std::process::id()));
            let mut bytes = vec![0; FILE_BYTES];
            bytes[..8].copy_from_slice(&MAGIC.to_le_bytes());
            bytes[8..16].copy_from_slice(&u64::from(LAYOUT_VERSION).to_le_bytes());
            std::fs::write(&unnamed, bytes)
                .map_err(|error| FabricError::io("write", &unnamed, error))?;
            std::fs::rename(&unnamed, &path)
                .map_err(|error| FabricError::io("name", &path, error))?;
        }
        let words = map(&path, Access::Write)?;
        let file = ErrorFile {
            next_key: 1 + newest_key(&words),
            words,
            agent: agent.to_owned(),
        };
        let (holder, here) = (file.holder(), ProcessIdentity::current());
        if holder != here && holder.pid != 0 && holder.is_alive() {
            return Err(FabricError::NameTaken {
                role: "agent",
                name: agent.to_owned(),
                pid: holder.pid,
            });
        }
        store(&file.words, START_TIME_AT, here.start_time);
        store(&file.words, PID_AT, u64::from(here.pid));
        Ok(file)
    }

    fn holder(&self) -> ProcessIdentity {
        ProcessIdentity {
            pid: load(&self.words, PID_AT) as u32,
            start_time: load(&self.words, START_TIME_AT),
        }
    }

    fn note_at(&mut self, now: u64, what: &str, subject: &str, detail: &str) {
        let error = LoggedError {
            agent: self.agent.clone(),
            what: printable(what),
            subject: cut_text(&printable(subject), MAX_SUBJECT_BYTES).to_owned(),
            detail: printable(detail),
            count: 1,
            first_ns: now,
            last_ns: now,
        };
        let (mut empty, mut oldest) = (None, None::<(usize, u64)>);
        for place in 0..MAX_ERRORS {
            let Some(known) = read(&self.words, &self.agent, place) else {
                empty = empty.or(Some(place));
                continue;
            };
            if known.what == error.what && known.subject == error.subject {
                let again = LoggedError {
                    count: known.count + 1,
                    first_ns: known.first_ns,
                    ..error
                };
                self.write(place, &again);
                return;
            }
            if oldest.is_none_or(|(_, last)| known.last_ns < last) {
                oldest = Some((place, known.last_ns));
            }
        }
        if let Some(place) = empty {
            self.write(place, &error);
        } else if let Some((place, _)) = oldest {
            store(
                &self.words,
                DISPLACED_AT,
                load(&self.words, DISPLACED_AT) + 1,
            );
            self.write(place, &error);
        }
    }

    fn write(&mut self, place: usize, error: &LoggedError) {
        let Some(record) = record(&self.words, place) else {
            return;
        };
        let mut fields = [0; RECORD_WORDS - 1];
        (fields[0], fields[1], fields[2]) = (error.count, error.first_ns, error.last_ns);
        let text = format!("{}\0{}\0{}", error.what, error.subject, error.detail);
        let text = cut_text(&text, MAX_ERROR_BYTES);
        for (field, word) in fields.iter_mut().skip(3).zip(words_of(text.as_bytes())) {
            *field = word;
        }
        record.write(self.next_key, &fields);
        self.next_key += 1;
    }
}

/// Every distinct error of a fabric, the one met last first. Those of sequencers of different
/// banks are one if they are the same.
pub fn logged_errors(fabric: &Fabric) -> Vec<LoggedError> {
    let mut found: Vec<LoggedError> = Vec::new();
    for (agent, words) in files(fabric) {
        for error in (0..MAX_ERRORS).filter_map(|place| read(&words, &agent, place)) {
            let same = found.iter_mut().find(|known| {
                known.agent == error.agent
                    && known.what == error.what
                    && known.subject == error.subject
            });
            match same {
                Some(known) => {
                    known.count += error.count;
                    known.first_ns = known.first_ns.min(error.first_ns);
                    if error.last_ns > known.last_ns {
                        (known.last_ns, known.detail) = (error.last_ns, error.detail);
                    }
                }
                None => found.push(error),
            }
        }
    }
    found.sort_by_key(|error| std::cmp::Reverse(error.last_ns));
    found
}

/// How many distinct errors made way for others.
pub fn displaced_errors(fabric: &Fabric) -> u64 {
    files(fabric)
        .iter()
        .map(|(_, words)| load(words, DISPLACED_AT))
        .sum()
}

fn directory(fabric: &Fabric) -> PathBuf {
    fabric.paths().root().join("errors")
}

fn files(fabric: &Fabric) -> Vec<(String, Words)> {
    std::fs::read_dir(directory(fabric))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let agent = name.split('.').next().filter(|agent| !agent.is_empty())?;
            Some((agent.to_owned(), map(&entry.path(), Access::Read).ok()?))
        })
        .take(MAX_FILES)
        .collect()
}

fn map(path: &Path, access: Access) -> Result<Words> {
    let words = Mapping::open(path, access)?.words(0, FILE_BYTES)?;
    if load(&words, 0) == MAGIC && load(&words, 1) == u64::from(LAYOUT_VERSION) {
        return Ok(words);
    }
    Err(FabricError::Damaged {
        path: path.to_path_buf(),
        what: "list of errors",
        detail: "its header is not that of this version".to_owned(),
    })
}

fn load(words: &Words, index: usize) -> u64 {
    // Pairs with the release in `store`.
    words
        .get(index)
        .map_or(0, |word| word.load(Ordering::Acquire))
}

fn store(words: &Words, index: usize, value: u64) {
    if let Some(word) = words.get(index) {
        word.store(value, Ordering::Release);
    }
}

fn record(words: &Words, place: usize) -> Option<Record> {
    Record::new(words.part(RECORDS_AT + place * RECORD_WORDS, RECORD_WORDS)?)
}

fn newest_key(words: &Words) -> u64 {
    (0..MAX_ERRORS)
        .filter_map(|place| Some(record(words, place)?.key()))
        .max()
        .unwrap_or(0)
}

fn read(words: &Words, agent: &str, place: usize) -> Option<LoggedError> {
    let mut fields = [0; RECORD_WORDS - 1];
    record(words, place)?.read(&mut fields)?;
    let bytes: Vec<u8> = fields[3..]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let mut parts = bytes
        .split(|&byte| byte == 0)
        .map(|part| String::from_utf8_lossy(part).into_owned());
    Some(LoggedError {
        agent: agent.to_owned(),
        what: parts.next()?,
        subject: parts.next().unwrap_or_default(),
        detail: parts.next().unwrap_or_default(),
        count: fields[0],
        first_ns: fields[1],
        last_ns: fields[2],
    })
}

/// Texts come from names of files and from the host, and go to terminals.
fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fabric::FabricConfig;

    fn fabric() -> (tempfile::TempDir, Fabric) {
        let directory = tempfile::tempdir().expect("a directory");
        let config = FabricConfig::new("erring").in_directory(directory.path());
        let fabric = Fabric::create(&config).expect("a fabric");
        (directory, fabric)
    }

    #[test]
    fn an_error_is_listed_once_with_its_count_and_times() {
        let (_directory, fabric) = fabric();
        assert!(logged_errors(&fabric).is_empty());
        let mut log = ErrorLog::new(&fabric, "journal");
        log.note_at(10, "no space", "disk", "first");
        log.note_at(20, "refused", "feed", "its ring is odd");
        log.note_at(30, "no space", "disk", "again, with a long story: ");
        let seen = logged_errors(&fabric);
        assert_eq!(seen.len(), 2);
        assert_eq!((seen[0].what.as_str(), seen[0].count), ("no space", 2));
        assert_eq!((seen[0].first_ns, seen[0].last_ns), (10, 30));
        assert!(seen[0].detail.starts_with("again"));
        assert_eq!(
            (seen[1].agent.as_str(), seen[1].subject.as_str()),
            ("journal", "feed")
        );
        // The next process of the agent goes on with what is there.
        drop(log);
        let mut log = ErrorLog::new(&fabric, "journal");
        log.note_at(
            40,
            "refused",
            "feed",
            &format!("\x1b[2J{}", "x".repeat(2 * MAX_ERROR_BYTES)),
        );
        let seen = logged_errors(&fabric);
        assert_eq!(
            (seen[0].count, seen[0].first_ns, seen[0].last_ns),
            (2, 20, 40)
        );
        assert!(seen[0].detail.len() < MAX_ERROR_BYTES);
        assert!(!seen[0].detail.contains('\x1b'));
    }

    #[test]
    fn the_same_error_of_two_sequencers_is_one() {
        let (_directory, fabric) = fabric();
        for (bank, now) in [(0, 5), (1, 3)] {
            let mut log = ErrorLog::of_sequencer(&fabric, bank);
            log.note_at(now, "cut off", "feed", &format!("bank {bank}"));
        }
        let seen = logged_errors(&fabric);
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].agent.as_str(), seen[0].count), ("sequencer", 2));
        assert_eq!((seen[0].first_ns, seen[0].last_ns), (3, 5));
        assert_eq!(seen[0].detail, "bank 0");
    }

    #[test]
    fn when_it_is_full_the_one_not_seen_for_longest_makes_way() {
        let (_directory, fabric) = fabric();
        let mut log = ErrorLog::new(&fabric, "journal");
        for number in 0..MAX_ERRORS as u64 {
            log.note_at(100 + number, "refused", &format!("feed-{number}"), "");
        }
        log.note_at(300, "refused", "feed-0", "");
        assert_eq!(displaced_errors(&fabric), 0);
        log.note_at(301, "refused", "one more", "");
        let seen = logged_errors(&fabric);
        assert_eq!((seen.len(), displaced_errors(&fabric)), (MAX_ERRORS, 1));
        assert!(seen.iter().any(|error| error.subject == "feed-0"));
        assert!(!seen.iter().any(|error| error.subject == "feed-1"));
    }

    #[test]
    fn rubbish_is_no_list_of_errors() {
        let (_directory, fabric) = fabric();
        std::fs::create_dir_all(directory(&fabric)).expect("a directory");
        for bytes in [vec![], vec![7; 100], vec![7; FILE_BYTES]] {
            std::fs::write(directory(&fabric).join("journal"), bytes).expect("written");
            assert!(logged_errors(&fabric).is_empty());
            assert!(ErrorFile::open(&fabric, "journal").is_err());
        }
    }
}
