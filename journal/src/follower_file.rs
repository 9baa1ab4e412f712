//! A follower's file: where it stands, for who comes after it under its name and for everybody who
//! looks at the fabric.
//!
//! In 64-bit words: 0 position, the sequence handed out next; 1 process id, 2 its start time;
//! 3 where it reads: 0 nowhere, 1 segments, 2 staging, 3 the live stream; 4 how often it had to go
//! to the journal. The follower alone writes it.

use crate::error::{JournalError, io_error};
use crate::follower::FollowerPlace;
use selvedge_fabric::Fabric;
use selvedge_fabric::host::process::ProcessIdentity;
use selvedge_fabric::memory::{Access, Mapping};
use selvedge_fabric::protocol::Words;
use selvedge_fabric::shared::names::check_name;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

const POSITION: usize = 0;
const PID: usize = 1;
const START_TIME: usize = 2;
const PLACE: usize = 3;
const CATCH_UPS: usize = 4;

/// Bytes of the file.
const FILE_BYTES: usize = 64;

/// The most followers of a fabric that are listed.
const MAX_FOLLOWERS: usize = 4096;

const SUFFIX: &str = ".follower";

/// A follower as others see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FollowerView {
    /// Its name.
    pub name: String,
    /// Its process; pid 0 where there never was one.
    pub process: ProcessIdentity,
    /// Where it reads; `None` when it has left.
    pub place: Option<FollowerPlace>,
    /// The sequence handed out next; 0 where it never read.
    pub position: u64,
    /// How often it had to go to the journal.
    pub catch_ups: u64,
}

/// The followers of a fabric, by name; at most 4096 of them.
pub fn followers(fabric: &Fabric) -> Vec<FollowerView> {
    let directory = fabric.paths().consumers();
    let mut found: Vec<FollowerView> = std::fs::read_dir(&directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let file = entry.file_name().into_string().ok()?;
            let name = file.strip_prefix('.')?.strip_suffix(SUFFIX)?;
            FollowerFile::map(&entry.path(), Access::Read)
                .ok()
                .map(|file| file.view(name))
        })
        .take(MAX_FOLLOWERS)
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// Says of the follower `name`, which died, that it has left, so that nobody looks for it any more;
/// `false` where no dead follower has this name.
pub fn dismiss_follower(fabric: &Fabric, name: &str) -> Result<bool, JournalError> {
    let path = file_path(fabric, name)?;
    if !path.exists() {
        return Ok(false);
    }
    let file = FollowerFile::map(&path, Access::Write)?;
    let seen = file.view(name);
    let dead = seen.place.is_some() && !seen.process.is_alive();
    if dead {
        file.store(PLACE, 0);
    }
    Ok(dead)
}

/// The file, mapped.
pub(crate) struct FollowerFile {
    words: Words,
    place: Option<FollowerPlace>,
}

impl FollowerFile {
    /// The file of the follower `name`, made if it is not there, with this process entered.
    pub(crate) fn enter(fabric: &Fabric, name: &str) -> Result<Self, JournalError> {
        let path = file_path(fabric, name)?;
        let text = path.display().to_string();
        // One that is there keeps what it holds, and gets the words it lacks.
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .and_then(|file| file.set_len(FILE_BYTES as u64))
            .map_err(io_error("write", &text))?;
        let file = Self::map(&path, Access::Write)?;
        let process = ProcessIdentity::current();
        file.store(START_TIME, process.start_time);
        file.store(PID, u64::from(process.pid));
        file.store(PLACE, 0);
        file.store(CATCH_UPS, 0);
        Ok(file)
    }

    fn map(path: &Path, access: Access) -> Result<Self, JournalError> {
        let words = Mapping::open(path, access)?.words(0, FILE_BYTES)?;
        Ok(FollowerFile { words, place: None })
    }

    fn load(&self, index: usize) -> u64 {
        // Pairs with the release in `store`.
        self.words
            .get(index)
            .map_or(0, |word| word.load(Ordering::Acquire))
    }

    fn store(&self, index: usize, value: u64) {
        if let Some(word) = self.words.get(index) {
            word.store(value, Ordering::Release);
        }
    }

    /// Where a follower of this name stood; 0 for nowhere.
    pub(crate) fn position(&self) -> u64 {
        self.load(POSITION)
    }

    /// Says where it stands now.
    #[inline]
    pub(crate) fn tell(&mut self, position: u64, place: FollowerPlace, catch_ups: u64) {
        self.store(POSITION, position);
        if self.place != Some(place) {
            self.place = Some(place);
            self.store(CATCH_UPS, catch_ups);
            self.store(PLACE, code(place));
        }
    }

    fn view(&self, name: &str) -> FollowerView {
        FollowerView {
            name: name.to_owned(),
            process: ProcessIdentity {
                pid: self.load(PID) as u32,
                start_time: self.load(START_TIME),
            },
            place: match self.load(PLACE) {
                1 => Some(FollowerPlace::Segments),
                2 => Some(FollowerPlace::Staging),
                3 => Some(FollowerPlace::Live),
                _ => None,
            },
            position: self.load(POSITION),
            catch_ups: self.load(CATCH_UPS),
        }
    }
}

impl Drop for FollowerFile {
    fn drop(&mut self) {
        // One that was only looked at says nothing.
        if self.place.is_some() {
            self.store(PLACE, 0);
        }
    }
}

fn code(place: FollowerPlace) -> u64 {
    match place {
        FollowerPlace::Segments => 1,
        FollowerPlace::Staging => 2,
        FollowerPlace::Live => 3,
    }
}

/// Beside the files of consumers, and out of sight of who looks for those.
fn file_path(fabric: &Fabric, name: &str) -> Result<PathBuf, JournalError> {
    check_name("follower", name)?;
    Ok(fabric.paths().consumers().join(format!(".{name}{SUFFIX}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use selvedge_fabric::FabricConfig;

    #[test]
    fn everybody_sees_where_a_follower_reads_and_when_it_has_left() {
        let directory = tempfile::tempdir().unwrap();
        let config = FabricConfig::new("followed").in_directory(directory.path());
        let fabric = Fabric::create(&config).unwrap();
        assert!(followers(&fabric).is_empty());
        // As the release before left it: the position alone.
        let path = file_path(&fabric, "late").unwrap();
        std::fs::write(&path, 7_u64.to_le_bytes()).unwrap();
        let mut file = FollowerFile::enter(&fabric, "late").unwrap();
        assert_eq!(file.position(), 7);
        file.tell(8, FollowerPlace::Segments, 1);
        let seen = followers(&fabric);
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].name.as_str(), seen[0].position), ("late", 8));
        assert_eq!(seen[0].place, Some(FollowerPlace::Segments));
        assert_eq!(seen[0].process, ProcessIdentity::current());
        assert_eq!(seen[0].catch_ups, 1);
        file.tell(9, FollowerPlace::Live, 1);
        assert_eq!(followers(&fabric)[0].place, Some(FollowerPlace::Live));
        // It lives, and is not dismissed.
        assert!(!dismiss_follower(&fabric, "late").unwrap());
        assert_eq!(followers(&fabric)[0].place, Some(FollowerPlace::Live));
        drop(file);
        let seen = followers(&fabric);
        assert_eq!((seen[0].place, seen[0].position), (None, 9));
    }

    #[test]
    fn a_follower_that_died_can_be_dismissed() {
        let directory = tempfile::tempdir().unwrap();
        let config = FabricConfig::new("followed").in_directory(directory.path());
        let fabric = Fabric::create(&config).unwrap();
        assert!(!dismiss_follower(&fabric, "nobody").unwrap());
        let mut file = FollowerFile::enter(&fabric, "late").unwrap();
        file.tell(8, FollowerPlace::Segments, 1);
        // No process has this number: it is above the kernel's limit of 2^22.
        file.store(PID, (1 << 22) + 1);
        std::mem::forget(file);
        assert!(dismiss_follower(&fabric, "late").unwrap());
        let seen = followers(&fabric);
        assert_eq!((seen[0].place, seen[0].position), (None, 8));
        assert!(!dismiss_follower(&fabric, "late").unwrap());
    }
}
