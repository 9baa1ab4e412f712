//! A histogram's file. In 64-bit words: 0 magic, 1 layout version, 2 identity of this content
//! (random, not zero), 3 process id, 4 its start time, 5 buckets; word 16: sum of all values,
//! 17: the highest; from word 32 on one count a bucket.
//!
//! One process writes a file: the sequencer of an epoch those of its sources, a consumer its own.
//! Counts only grow. They are single words, so a reader never sees half of one; it may see a value
//! counted and not yet summed.

use super::buckets::{BUCKETS, MAX_NS, bucket_of};
use super::snapshot::LatencySnapshot;
use crate::error::{FabricError, Result};
use crate::fabric::{Fabric, random_nonce};
use crate::host::process::ProcessIdentity;
use crate::memory::{Access, Mapping, PageKind, RegionOptions, create_region};
use crate::protocol::{Ordering, Words};
use std::path::{Path, PathBuf};

const MAGIC: u64 = u64::from_le_bytes(*b"SLVLATEN");
const VERSION: u64 = 1;
const SUM_AT: usize = 16;
const HIGHEST_AT: usize = 17;
const COUNTS_AT: usize = 32;
const FILE_WORDS: usize = COUNTS_AT + BUCKETS;

/// Files that are looked at in one directory.
const MAX_FILES: usize = 8192;

/// What a histogram measures.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LatencySubject {
    /// From publishing to sequencing, of the source with this name, by the sequencer with the bank
    /// of this number.
    Source {
        /// The source.
        name: String,
        /// The bank.
        bank: usize,
    },
    /// From sequencing to the end of the handler, of the consumer with this name.
    Consumer {
        /// The consumer.
        name: String,
    },
}

impl LatencySubject {
    fn file_name(&self) -> String {
        match self {
            LatencySubject::Source { name, bank } => format!("source-{bank}-{name}"),
            LatencySubject::Consumer { name } => format!("consumer-{name}"),
        }
    }

    fn of_file_name(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix("consumer-") {
            return Some(LatencySubject::Consumer {
                name: name.to_owned(),
            });
        }
        let (bank, name) = text.strip_prefix("source-")?.split_once('-')?;
        Some(LatencySubject::Source {
            name: name.to_owned(),
            bank: bank.parse().ok()?,
        })
    }
}

fn directory(fabric: &Fabric) -> PathBuf {
    fabric.paths().root().join("latency")
}

/// The writer's side.
#[derive(Debug)]
pub struct LatencyRecorder {
    words: Words,
}

impl LatencyRecorder {
    /// An empty histogram of `subject`, in place of the one before.
    pub fn create(fabric: &Fabric, subject: &LatencySubject) -> Result<Self> {
        let directory = directory(fabric);
        std::fs::create_dir_all(&directory)
            .map_err(|error| FabricError::io("create directory", &directory, error))?;
        let nonce = random_nonce()?;
        let unnamed = directory.join(format!(".{nonce:016x}"));
        let named = directory.join(subject.file_name());
        let options = RegionOptions {
            pages: PageKind::Small,
            numa_node: None,
        };
        let file = create_region(&unnamed, FILE_WORDS as u64 * 8, options)?;
        let mapped = Mapping::of_file(&file, &unnamed, Access::Write)
            .and_then(|mapping| mapping.words(0, FILE_WORDS * 8));
        let recorder = match mapped {
            Ok(words) => LatencyRecorder { words },
            Err(error) => {
                let _ = std::fs::remove_file(&unnamed);
                return Err(error);
            }
        };
        let process = ProcessIdentity::current();
        let header = [
            MAGIC,
            VERSION,
            nonce,
            u64::from(process.pid),
            process.start_time,
            BUCKETS as u64,
        ];
        for (index, value) in header.into_iter().enumerate() {
            if let Some(word) = recorder.words.get(index) {
                word.store(value, Ordering::Relaxed);
            }
        }
        std::fs::rename(&unnamed, &named)
            .map_err(|error| FabricError::io("name", &named, error))?;
        Ok(recorder)
    }

    /// Adds a value: three words of this process's own are read and two or three written.
    #[inline]
    pub fn record(&self, ns: u64) {
        let ns = ns.min(MAX_NS);
        // SAFETY: `create` mapped FILE_WORDS words; a bucket is below BUCKETS.
        let (count, sum, highest) = unsafe {
            (
                self.words.at(COUNTS_AT + bucket_of(ns)),
                self.words.at(SUM_AT),
                self.words.at(HIGHEST_AT),
            )
        };
        // This is the only writer: no locked instruction is needed.
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        sum.store(
            sum.load(Ordering::Relaxed).wrapping_add(ns),
            Ordering::Relaxed,
        );
        if ns > highest.load(Ordering::Relaxed) {
            highest.store(ns, Ordering::Relaxed);
        }
    }
}

/// The reader's side.
#[derive(Debug)]
pub struct LatencyFile {
    words: Words,
}

impl LatencyFile {
    /// Maps the file at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let words = Mapping::open(path, Access::Read)?.words(0, FILE_WORDS * 8)?;
        let file = LatencyFile { words };
        let header = (file.load(0), file.load(1), file.load(5));
        if header != (MAGIC, VERSION, BUCKETS as u64) {
            return Err(FabricError::Damaged {
                path: path.to_path_buf(),
                what: "latency histogram",
                detail: "its header is not that of this version".to_owned(),
            });
        }
        Ok(file)
    }

    /// Every histogram of a fabric. Those of banks that are not in use are left out.
    pub fn all(fabric: &Fabric) -> Vec<(LatencySubject, LatencySnapshot)> {
        let directory = directory(fabric);
        let epoch = fabric.epoch().load();
        let current = epoch.is_some().then(|| epoch.bank());
        let mut found: Vec<_> = std::fs::read_dir(&directory)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .take(MAX_FILES)
            .filter_map(|name| {
                let subject = LatencySubject::of_file_name(&name)?;
                if let LatencySubject::Source { bank, .. } = &subject
                    && Some(*bank) != current
                {
                    return None;
                }
                let snapshot = LatencyFile::open(&directory.join(&name)).ok()?.snapshot();
                Some((subject, snapshot))
            })
            .collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        found
    }

    fn load(&self, index: usize) -> u64 {
        self.words
            .get(index)
            .map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// What has been recorded so far.
    pub fn snapshot(&self) -> LatencySnapshot {
        let counts = (0..BUCKETS)
            .map(|bucket| self.load(COUNTS_AT + bucket))
            .collect();
        LatencySnapshot::new(
            self.load(2),
            counts,
            self.load(SUM_AT),
            self.load(HIGHEST_AT),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fabric::FabricConfig;

    #[test]
    fn what_one_records_another_reads_while_it_goes_on() {
        let directory = tempfile::tempdir().expect("a directory");
        let config = FabricConfig::new("timed").in_directory(directory.path());
        let fabric = Fabric::create(&config).expect("a fabric");
        let subject = LatencySubject::Consumer {
            name: "a-b".to_owned(),
        };
        assert!(LatencyFile::all(&fabric).is_empty());
        let recorder = LatencyRecorder::create(&fabric, &subject).expect("a file");
        for ns in [10, 10, 1_000, u64::MAX] {
            recorder.record(ns);
        }
        let all = LatencyFile::all(&fabric);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].0, subject);
        let first = &all[0].1;
        assert_eq!((first.count(), first.highest()), (4, MAX_NS));
        assert_eq!(first.percentile(50.0), 10);
        assert_eq!(first.sum(), 1_020 + MAX_NS);
        recorder.record(5);
        let later = LatencyFile::all(&fabric).remove(0).1;
        let since = later.since(first);
        assert_eq!((since.count(), since.highest()), (1, 5));
        // A successor's file is another content: nothing of the old one is subtracted from it.
        let _successor = LatencyRecorder::create(&fabric, &subject).expect("a file");
        let fresh = LatencyFile::all(&fabric).remove(0).1;
        assert_eq!(fresh.since(&later).count(), 0);
        assert_eq!(fresh.count(), 0);
    }

    #[test]
    fn file_names_tell_what_is_measured() {
        for subject in [
            LatencySubject::Source {
                name: "feed-1".to_owned(),
                bank: 2,
            },
            LatencySubject::Consumer {
                name: "source-x".to_owned(),
            },
        ] {
            assert_eq!(
                LatencySubject::of_file_name(&subject.file_name()),
                Some(subject)
            );
        }
        assert_eq!(LatencySubject::of_file_name("other"), None);
    }
}
