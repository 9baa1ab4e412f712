//! Creating, attaching to and removing a fabric.

mod attach_lock;
mod create;
mod history;
mod remove;

pub(crate) use attach_lock::AttachLock;
pub use create::{FabricConfig, Recovery};

use crate::clock::Calibration;
use crate::error::{FabricError, Result};
use crate::frame::SourceId;
use crate::host::process::ProcessIdentity;
use crate::host::ticks::utc_ns;
use crate::memory::{Access, Mapping, MemoryReport};
use crate::message::MessageSchema;
use crate::participants::{ConsumerBuilder, ObserverBuilder, ProducerBuilder};
use crate::protocol::epoch::{EpochCell, EpochWord, MAX_BANKS};
use crate::shared::bank::{
    Bank, ConsumerEntry, MAX_CONSUMERS, MAX_SOURCES, SequencerStatus, SourceEntry,
};
use crate::shared::control::ControlRecord;
use crate::shared::cursor::CursorFile;
use crate::shared::names::check_name;
use crate::shared::paths::{FabricPaths, base_directory, split_source_file};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A fabric this process is attached to. Cheap to clone; all clones share the mappings.
///
/// Attached this way a process can only read: what it writes, it writes into files of its own as
/// a producer or consumer.
#[derive(Clone, Debug)]
pub struct Fabric {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    paths: FabricPaths,
    control: ControlRecord,
    epoch: EpochCell,
    banks: [OnceLock<Bank>; MAX_BANKS],
    notes: Vec<String>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Fabric({})", self.paths.root().display())
    }
}

/// The sequencer as others see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SequencerView {
    /// Its epoch.
    pub epoch: u64,
    /// Its process.
    pub process: ProcessIdentity,
    /// What it says about itself.
    pub status: SequencerStatus,
    /// Whether its process lives.
    pub alive: bool,
}

impl Fabric {
    /// Creates a fabric and attaches to it.
    pub fn create(config: &FabricConfig) -> Result<Self> {
        let report = create::create(config)?;
        Self::open(&config.directory, &config.name, report.notes)
    }

    /// Attaches to the fabric `name` under the base directory (`SELVEDGE_DIR`).
    pub fn attach(name: &str) -> Result<Self> {
        Self::attach_in(&base_directory(), name)
    }

    /// Attaches to the fabric `name` under `directory`.
    pub fn attach_in(directory: &Path, name: &str) -> Result<Self> {
        Self::open(directory, name, Vec::new())
    }

    fn open(directory: &Path, name: &str, notes: Vec<String>) -> Result<Self> {
        check_name("fabric", name)?;
        let paths = FabricPaths::new(directory.join(name));
        if !paths.control().exists() {
            return Err(FabricError::NoSuchFabric {
                name: name.to_owned(),
                path: paths.root().to_path_buf(),
            });
        }
        let control = ControlRecord::read(&paths.control())?;
        let epoch = Self::map_epoch(&paths, Access::Read)?;
        let fabric = Fabric {
            inner: Arc::new(Inner {
                name: name.to_owned(),
                paths,
                control,
                epoch,
                banks: Default::default(),
                notes,
            }),
        };
        // Mapped now, so that a takeover finds its successor's memory already there.
        for index in 0..control.banks as usize {
            let bank = Bank::open(fabric.paths(), &control, index, Access::Read)?;
            let _ = fabric.inner.banks[index].set(bank);
        }
        Ok(fabric)
    }

    /// Removes the fabric `name` under the base directory. Unless `force`, one that is in use is
    /// left alone. What was not read or journaled is gone afterwards.
    pub fn remove(name: &str, force: bool) -> Result<()> {
        remove::remove(&base_directory(), name, force)
    }

    /// Removes the fabric `name` under `directory`.
    pub fn remove_in(directory: &Path, name: &str, force: bool) -> Result<()> {
        remove::remove(directory, name, force)
    }

    /// Gives up what a dead consumer still holds: an essential one that will not come back. Its
    /// stored position stays. An error while a living process has the name.
    pub fn dismiss_consumer(&self, name: &str) -> Result<()> {
        check_name("consumer", name)?;
        let path = self.paths().consumer(name);
        if !path.exists() {
            return Err(FabricError::NoSuchConsumer {
                name: name.to_owned(),
                fabric: self.name().to_owned(),
            });
        }
        let file = CursorFile::open(&path, Access::Write)?;
        if file.held() {
            return Err(FabricError::NameTaken {
                role: "consumer",
                name: name.to_owned(),
                pid: file.holder().0.pid,
            });
        }
        file.set_detached();
        Ok(())
    }

    /// The names of the fabrics under `directory`, sorted.
    pub fn list_in(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(directory)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.path().join("control").exists())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    }

    fn map_epoch(paths: &FabricPaths, access: Access) -> Result<EpochCell> {
        let path = paths.epoch();
        let words = Mapping::open(&path, access)?.words(0, 8)?;
        EpochCell::new(words).ok_or_else(|| FabricError::Damaged {
            path,
            what: "epoch file",
            detail: "it is empty".to_owned(),
        })
    }

    /// The fabric's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Where its files lie.
    pub fn paths(&self) -> &FabricPaths {
        &self.inner.paths
    }

    /// What it was created with.
    pub fn control(&self) -> &ControlRecord {
        &self.inner.control
    }

    /// The directory of its rings.
    pub fn ring_directory(&self) -> PathBuf {
        self.inner.control.ring_directory()
    }

    /// The current epoch.
    #[inline(always)]
    pub fn epoch(&self) -> &EpochCell {
        &self.inner.epoch
    }

    /// The epoch word, writable: for sequencers alone.
    pub fn epoch_for_sequencer(&self) -> Result<EpochCell> {
        Self::map_epoch(&self.inner.paths, Access::Write)
    }

    /// Bank `index`, writable: for sequencers alone.
    pub fn bank_for_sequencer(&self, index: usize) -> Result<Bank> {
        Bank::open(self.paths(), self.control(), index, Access::Write)
    }

    /// Makes one more bank, `index`: where replaced sequencers or slow readers keep the others.
    pub fn add_bank(&self, index: usize) -> Result<()> {
        create::create_bank(self.paths(), &self.ring_directory(), self.control(), index)
    }

    /// The bank of `epoch`, mapped for reading. `None` while there is no epoch, or where the bank
    /// cannot be mapped.
    #[inline]
    pub fn bank(&self, epoch: EpochWord) -> Option<&Bank> {
        if !epoch.is_some() {
            return None;
        }
        self.bank_at(epoch.bank())
    }

    /// Bank `index`, mapped for reading.
    #[inline]
    pub fn bank_at(&self, index: usize) -> Option<&Bank> {
        let cell = self.inner.banks.get(index)?;
        match cell.get() {
            Some(bank) => Some(bank),
            None => self.map_late_bank(cell, index),
        }
    }

    #[cold]
    fn map_late_bank<'a>(&self, cell: &'a OnceLock<Bank>, index: usize) -> Option<&'a Bank> {
        let bank = Bank::open(self.paths(), self.control(), index, Access::Read).ok()?;
        Some(cell.get_or_init(|| bank))
    }

    /// The sequencer of the current epoch; `None` while there never was one.
    pub fn sequencer(&self) -> Option<SequencerView> {
        let epoch = self.epoch().load();
        let bank = self.bank(epoch)?;
        bank.header().read(epoch)?;
        let process = bank.owner();
        Some(SequencerView {
            epoch: epoch.epoch(),
            process,
            status: bank.status(),
            alive: process.is_alive(),
        })
    }

    /// Whether a living sequencer takes messages.
    pub fn has_running_sequencer(&self) -> bool {
        self.sequencer()
            .is_some_and(|view| view.alive && view.status == SequencerStatus::Running)
    }

    /// What memory the fabric got. The notes on what it did not get are known where it was created.
    pub fn memory(&self) -> MemoryReport {
        let mut notes = self.inner.notes.clone();
        let locked = (0..self.control().banks as usize)
            .filter_map(|index| self.bank_at(index))
            .all(Bank::locked);
        if !locked {
            notes.push(
                "memory is not locked, the host may page it out: raise the limit (ulimit -l, LimitMEMLOCK=)"
                    .to_owned(),
            );
        }
        MemoryReport {
            pages: self.control().pages(),
            notes,
        }
    }

    /// The sources of the current epoch, by number.
    pub fn sources(&self) -> Vec<(SourceId, SourceEntry)> {
        let Some(bank) = self.bank(self.epoch().load()) else {
            return Vec::new();
        };
        (1..MAX_SOURCES)
            .filter_map(|id| Some((id as SourceId, bank.source(id)?)))
            .collect()
    }

    /// The registrations of source `name`: at most one of a living process, and for a moment those
    /// of dead ones whose rings are not drained.
    pub fn registrations_of(&self, name: &str) -> Vec<PathBuf> {
        remove::visible_names(&self.paths().sources())
            .into_iter()
            .filter(|file| split_source_file(file).is_some_and(|(found, _)| found == name))
            .map(|file| self.paths().sources().join(file))
            .collect()
    }

    /// The gating consumers that the sequencer has admitted.
    pub fn gating_consumers(&self) -> Vec<ConsumerEntry> {
        let Some(bank) = self.bank(self.epoch().load()) else {
            return Vec::new();
        };
        (0..MAX_CONSUMERS)
            .filter_map(|place| bank.consumer(place))
            .collect()
    }

    /// The alarms of the current epoch, oldest first: UTC nanoseconds and what is wrong.
    pub fn alarms(&self) -> Vec<(u64, String)> {
        self.bank(self.epoch().load())
            .map(Bank::alarms)
            .unwrap_or_default()
    }

    /// The message types registered so far.
    pub fn schemas(&self) -> Vec<MessageSchema> {
        self.bank(self.epoch().load())
            .map(Bank::schemas)
            .unwrap_or_default()
            .into_iter()
            .map(|(_, schema)| schema)
            .collect()
    }

    /// The calibration of the current epoch.
    pub fn calibration(&self) -> Option<Calibration> {
        self.bank(self.epoch().load())?.calibration()
    }

    /// The tick counter now.
    #[inline(always)]
    pub fn ticks(&self) -> u64 {
        self.inner.control.tick_source().now()
    }

    /// Fabric time now: UTC nanoseconds by the clock that stamps the stream.
    pub fn now_ns(&self) -> u64 {
        match self.calibration() {
            Some(calibration) => calibration.ns(self.ticks()),
            None => utc_ns(),
        }
    }

    /// Attaches a producer under `name`.
    pub fn producer(&self, name: &str) -> ProducerBuilder {
        ProducerBuilder::new(self.clone(), name)
    }

    /// Attaches a gating consumer under `name`: reads in place, holds the sequencer back.
    pub fn consumer(&self, name: &str) -> ConsumerBuilder {
        ConsumerBuilder::new(self.clone(), name)
    }

    /// Attaches a copying consumer under `name`: holds nobody back, may be overrun.
    pub fn observer(&self, name: &str) -> ObserverBuilder {
        ObserverBuilder::new(self.clone(), name)
    }
}

/// A random number that is not zero.
pub(crate) fn random_nonce() -> Result<u64> {
    let mut bytes = [0; 8];
    random_bytes(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes).max(1))
}

pub(crate) fn random_bytes(bytes: &mut [u8]) -> Result<()> {
    use std::io::Read;
    const SOURCE: &str = "/dev/urandom";
    std::fs::File::open(SOURCE)
        .and_then(|mut file| file.read_exact(bytes))
        .map_err(|error| FabricError::io("read", SOURCE, error))
}
