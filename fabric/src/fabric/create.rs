//! Creating a fabric: complete before it becomes visible, or not at all.

use super::random_bytes;
use crate::error::{FabricError, Result};
use crate::fabric::Fabric;
use crate::frame::SourceId;
use crate::host::process::ProcessIdentity;
use crate::host::ticks::{TickSource, utc_ns};
use crate::memory::{
    Access, MemoryReport, PageKind, Pages, RegionOptions, create_region, round_up,
};
use crate::message::MessageSchema;
use crate::protocol::epoch::{EpochWord, Opened};
use crate::shared::LAYOUT_VERSION;
use crate::shared::bank::{Bank, MAX_SOURCES, STATE_BYTES, SequencerStatus, SourceEntry};
use crate::shared::control::{CONTROL_MAGIC, ControlRecord, MAX_RING_DIRECTORY_BYTES, NO_LATENCY};
use crate::shared::names::check_name;
use crate::shared::paths::{FabricPaths, bank_ring, base_directory};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zerocopy::IntoBytes;

/// Banks made at creation: one in use, one that its predecessor's readers may still need, one for
/// the next sequencer.
const INITIAL_BANKS: u32 = 3;

/// How a fabric is to be made. Sizes are checked at creation; the defaults suit one host: rings
/// that fit a core's second-level cache.
#[derive(Clone, Debug)]
pub struct FabricConfig {
    /// The fabric's name.
    pub name: String,
    /// The directory of all fabrics; by default `SELVEDGE_DIR`, else `/dev/shm/selvedge`.
    pub directory: PathBuf,
    /// Bytes of a slot, a power of two from 64: 32 of header, the rest payload in place.
    pub slot_bytes: u32,
    /// Slots of the stream ring, a power of two from 256.
    pub stream_capacity: u64,
    /// Bytes of the stream's payload ring, a power of two; one message takes at most an eighth.
    pub stream_payload_bytes: u64,
    /// Slots of an ingress ring, a power of two from 16; a producer may choose its own.
    pub ingress_capacity: u64,
    /// Bytes of an ingress payload ring, a power of two; one message takes at most an eighth.
    pub ingress_payload_bytes: u64,
    /// The pages of the rings.
    pub pages: Pages,
    /// The NUMA node of the memory, if it matters.
    pub numa_node: Option<u32>,
    /// Whether latency is recorded, one sample a run of messages: yes unless said. Without, nobody
    /// sees how long messages take; to measure what recording costs.
    pub latency: bool,
    /// What to go on from, where an earlier life of the fabric lost its memory.
    pub recovery: Option<Recovery>,
}

/// What is left of a fabric whose memory was lost: what its journal tells.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// The fabric's id: it is the same fabric.
    pub fabric_id: [u8; 16],
    /// The life that begins: one more than the last.
    pub life: u64,
    /// The first sequence of the new life.
    pub next_sequence: u64,
    /// No time stamp of the new life is below this one, UTC nanoseconds.
    pub floor_ns: u64,
    /// Number, name and last source sequence of every source.
    pub sources: Vec<(SourceId, String, u64)>,
    /// The message types known.
    pub schemas: Vec<MessageSchema>,
}

impl FabricConfig {
    /// The defaults for a fabric called `name`.
    pub fn new(name: &str) -> Self {
        FabricConfig {
            name: name.to_owned(),
            directory: base_directory(),
            slot_bytes: 64,
            stream_capacity: 8192,
            stream_payload_bytes: 1 << 20,
            ingress_capacity: 4096,
            ingress_payload_bytes: 1 << 19,
            pages: Pages::default(),
            numa_node: None,
            latency: true,
            recovery: None,
        }
    }

    /// The same under another directory.
    pub fn in_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    fn check(&self) -> Result<()> {
        check_name("fabric", &self.name)?;
        let power = |setting, value: u64, least: u64, most: u64| {
            if value.is_power_of_two() && (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(FabricError::BadSetting {
                    setting,
                    value: value.to_string(),
                    remedy: format!("use a power of two from {least} to {most}"),
                })
            }
        };
        power("slot_bytes", u64::from(self.slot_bytes), 64, 4096)?;
        power("stream_capacity", self.stream_capacity, 256, 1 << 26)?;
        power("ingress_capacity", self.ingress_capacity, 16, 1 << 26)?;
        power(
            "stream_payload_bytes",
            self.stream_payload_bytes,
            4096,
            1 << 36,
        )?;
        power(
            "ingress_payload_bytes",
            self.ingress_payload_bytes,
            4096,
            1 << 36,
        )?;
        Ok(())
    }
}

/// Removes what a failed creation left.
struct Unfinished {
    directories: Vec<PathBuf>,
    done: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.done {
            for directory in &self.directories {
                let _ = std::fs::remove_dir_all(directory);
            }
        }
    }
}

/// Creates the files of a fabric.
pub(super) fn create(config: &FabricConfig) -> Result<MemoryReport> {
    config.check()?;
    std::fs::create_dir_all(&config.directory)
        .map_err(|error| FabricError::io("create directory", &config.directory, error))?;
    let final_paths = FabricPaths::new(config.directory.join(&config.name));
    if final_paths.root().exists() {
        return Err(exists(config, &final_paths));
    }
    sweep_dead_creations(&config.directory);

    let mut fabric_id = [0; 16];
    match &config.recovery {
        Some(recovery) => fabric_id = recovery.fabric_id,
        None => random_bytes(&mut fabric_id)?,
    }
    let id_text: String = fabric_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let process = ProcessIdentity::current();
    let paths = FabricPaths::new(config.directory.join(format!(
        ".creating-{}-{}-{}-{}",
        config.name,
        process.pid,
        process.start_time,
        &id_text[..8]
    )));
    let mut unfinished = Unfinished {
        directories: vec![paths.root().to_path_buf()],
        done: false,
    };
    for directory in [
        paths.root(),
        &paths.banks(),
        &paths.sources(),
        &paths.consumers(),
    ] {
        std::fs::create_dir_all(directory)
            .map_err(|error| FabricError::io("create directory", directory, error))?;
    }
    let leaf = format!("{}-{}", config.name, &id_text[..16]);
    let (rings_now, report) = config.pages.place(&leaf, &paths.default_rings())?;
    let rings_final = if report.pages == PageKind::Small {
        final_paths.default_rings()
    } else {
        unfinished.directories.push(rings_now.clone());
        rings_now.clone()
    };
    let control = control_record(config, fabric_id, &rings_final, report.pages)?;
    // The control file comes first: whoever finds this creation unfinished and its maker dead
    // learns from it where the rings lie.
    write_file(&paths.control(), control.as_bytes())?;
    let made = make_files(&paths, &rings_now, &control);
    // Preferred hugepages may be free when looked for and gone when reserved: go on without.
    let (control, report, rings_made) = match made {
        Err(FabricError::NotEnoughMemory { remedy, .. })
            if report.pages != PageKind::Small
                && matches!(config.pages, Pages::Prefer2MiB | Pages::Prefer1GiB) =>
        {
            let _ = std::fs::remove_dir_all(&rings_now);
            let _ = std::fs::remove_dir_all(paths.banks());
            std::fs::create_dir_all(paths.banks())
                .map_err(|error| FabricError::io("create directory", paths.banks(), error))?;
            let (rings_now, mut report) = Pages::Small.place(&leaf, &paths.default_rings())?;
            report.notes.push(format!(
                "no hugepages: too few were free; to get them: {remedy}"
            ));
            let control = control_record(
                config,
                fabric_id,
                &final_paths.default_rings(),
                PageKind::Small,
            )?;
            write_file(&paths.control(), control.as_bytes())?;
            make_files(&paths, &rings_now, &control)?;
            (control, report, rings_now)
        }
        Err(error) => return Err(error),
        Ok(()) => (control, report, rings_now),
    };
    if let Some(recovery) = &config.recovery {
        seed(&paths, &rings_made, &control, recovery)?;
    }

    // The one step that makes it visible, whole.
    let renamed = nix::fcntl::renameat2(
        nix::fcntl::AT_FDCWD,
        paths.root(),
        nix::fcntl::AT_FDCWD,
        final_paths.root(),
        nix::fcntl::RenameFlags::RENAME_NOREPLACE,
    );
    match renamed {
        Ok(()) => {
            unfinished.done = true;
            Ok(report)
        }
        Err(nix::errno::Errno::EEXIST) => Err(exists(config, &final_paths)),
        Err(error) => Err(FabricError::io("name", final_paths.root(), error)),
    }
}

fn make_files(paths: &FabricPaths, rings: &Path, control: &ControlRecord) -> Result<()> {
    if !paths.epoch().exists() {
        write_file(&paths.epoch(), &[0; 4096])?;
        write_file(&paths.attach_lock(), &[])?;
    }
    for index in 0..INITIAL_BANKS as usize {
        create_bank(paths, rings, control, index)?;
    }
    Ok(())
}

/// Writes what an earlier life left into the first bank, as an epoch that has ended: the first
/// sequencer takes over from it as from any other.
fn seed(
    paths: &FabricPaths,
    rings: &Path,
    control: &ControlRecord,
    recovery: &Recovery,
) -> Result<()> {
    let bank = Bank::open_in(paths, rings, control, 0, Access::Write)?;
    let word = EpochWord::new(1, 0);
    let nobody = ProcessIdentity {
        pid: 0,
        start_time: 0,
    };
    let mut last = vec![0; 1];
    for (id, name, last_source_sequence) in &recovery.sources {
        let place = *id as usize;
        if place >= MAX_SOURCES {
            continue;
        }
        if last.len() <= place {
            last.resize(place + 1, 0);
        }
        last[place] = *last_source_sequence;
        if place != 0 {
            bank.set_source(
                place,
                &SourceEntry {
                    nonce: u64::MAX - place as u64,
                    name: name.clone(),
                    next_source_sequence: last_source_sequence + 1,
                    joined_at: 0,
                    process: nobody,
                    attached: false,
                },
            );
        }
    }
    for schema in &recovery.schemas {
        bank.add_schema(0, schema);
    }
    bank.set_owner(word, nobody, recovery.floor_ns);
    bank.set_status(SequencerStatus::Stopped);
    bank.bound().announce(recovery.next_sequence);
    bank.set_published(recovery.next_sequence);
    bank.snapshots()
        .write(0, word, recovery.next_sequence, &last);
    bank.header().open(Opened {
        epoch: word,
        first_sequence: recovery.next_sequence,
        previous: EpochWord::NONE,
    });
    let path = paths.epoch();
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut file| {
            use std::io::Write;
            file.write_all(&word.bits().to_le_bytes())
        })
        .map_err(|error| FabricError::io("write", &path, error))
}

/// Creates the two files of a bank.
pub(super) fn create_bank(
    paths: &FabricPaths,
    rings: &Path,
    control: &ControlRecord,
    index: usize,
) -> Result<()> {
    let small = RegionOptions {
        pages: PageKind::Small,
        numa_node: control.numa_node(),
    };
    let ring = RegionOptions {
        pages: control.pages(),
        numa_node: control.numa_node(),
    };
    // Whole before they have their names; where another starting sequencer makes the same bank,
    // whoever names a file first made it.
    let nonce = super::random_nonce()?;
    for (path, bytes, options) in [
        (bank_ring(rings, index), control.stream_ring_bytes(), ring),
        (
            paths.bank_state(index),
            round_up(STATE_BYTES, PageKind::Small),
            small,
        ),
    ] {
        let unnamed = path.with_extension(format!("{nonce:016x}.new"));
        create_region(&unnamed, bytes, options)?;
        let named = std::fs::hard_link(&unnamed, &path);
        let _ = std::fs::remove_file(&unnamed);
        match named {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(FabricError::io("name", &path, error)),
        }
    }
    Ok(())
}

fn control_record(
    config: &FabricConfig,
    fabric_id: [u8; 16],
    rings: &Path,
    pages: PageKind,
) -> Result<ControlRecord> {
    use std::os::unix::ffi::OsStrExt;
    let rings = std::path::absolute(rings)
        .map_err(|error| FabricError::io("find the absolute path of", rings, error))?;
    let directory = rings.as_os_str().as_bytes();
    if directory.len() > MAX_RING_DIRECTORY_BYTES {
        return Err(FabricError::BadSetting {
            setting: "directory",
            value: rings.display().to_string(),
            remedy: format!("use a path of at most {MAX_RING_DIRECTORY_BYTES} bytes"),
        });
    }
    let mut ring_directory = [0; MAX_RING_DIRECTORY_BYTES];
    ring_directory[..directory.len()].copy_from_slice(directory);
    let ticks = TickSource::best();
    Ok(ControlRecord {
        magic: CONTROL_MAGIC,
        layout_version: LAYOUT_VERSION,
        record_bytes: size_of::<ControlRecord>() as u32,
        fabric_id,
        life: config.recovery.as_ref().map_or(1, |recovery| recovery.life),
        created_ns: utc_ns(),
        stream_capacity: config.stream_capacity,
        stream_payload_bytes: config.stream_payload_bytes,
        ingress_capacity: config.ingress_capacity,
        ingress_payload_bytes: config.ingress_payload_bytes,
        slot_bytes: config.slot_bytes,
        banks: INITIAL_BANKS,
        tick_source: ticks as u32,
        page_shift: pages.bytes().trailing_zeros(),
        numa_node: config.numa_node.unwrap_or(u32::MAX),
        ring_directory_bytes: directory.len() as u32,
        ticks_per_second: ticks.measure_rate(Duration::from_millis(20)),
        options: if config.latency { 0 } else { NO_LATENCY },
        reserved: [0; 9],
        ring_directory,
    })
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|error| FabricError::io("write", path, error))
}

fn exists(config: &FabricConfig, paths: &FabricPaths) -> FabricError {
    let state = match Fabric::attach_in(&config.directory, &config.name) {
        Ok(fabric) => match super::remove::users(&fabric) {
            users if users.is_empty() => {
                "none of its processes lives (it may hold messages that were never read)".to_owned()
            }
            users => format!("is in use by {}", users.join(", ")),
        },
        Err(error) => format!("cannot be used ({error})"),
    };
    FabricError::FabricExists {
        name: config.name.clone(),
        path: paths.root().to_path_buf(),
        state,
    }
}

/// Removes what creations and removals left half done whose processes died.
fn sweep_dead_creations(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if !name.starts_with(".creating-") && !name.starts_with(".removing-") {
            continue;
        }
        let mut parts = name.rsplit('-').skip(1);
        let start_time = parts.next().and_then(|part| part.parse().ok());
        let pid = parts.next().and_then(|part| part.parse().ok());
        let (Some(start_time), Some(pid)) = (start_time, pid) else {
            continue;
        };
        if !(ProcessIdentity { pid, start_time }).is_alive() {
            if let Ok(control) = ControlRecord::read(&entry.path().join("control")) {
                super::remove::remove_rings_outside(directory, &control);
            }
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
