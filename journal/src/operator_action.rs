//! What operators do, on its way into the journal.
//!
//! A command that changes something leaves a file for it before it does so: in `actions/` in the
//! fabric's directory, or in the journal's where the fabric need not be there. The journal records
//! each once, and takes the file away when it finds the record in its segments. A file that is
//! left by whoever died, or while no journal runs, waits for the next journal.
//!
//! The user is the file's owner, as the kernel says. Process and executable are what the file says
//! and, where the process still lives, what the kernel says.

use crate::error::{JournalError, io_error};
use crate::format::{Action, Activity, MAX_ACTIVITY_TEXT};
use crate::watch::own_activity;
use selvedge_fabric::Fabric;
use selvedge_fabric::host::process::ProcessIdentity;
use selvedge_fabric::shared::text::cut_text;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const DIRECTORY: &str = "actions";
const SUFFIX: &str = ".action";
const MAGIC: [u8; 8] = *b"SELVACTN";

/// Bytes in front of the entry: the magic, and when the process started.
const FRONT_BYTES: usize = 16;

/// The longest file: the front, an entry of 24 bytes, two texts.
const MAX_BYTES: u64 = FRONT_BYTES as u64 + 24 + 2 * MAX_ACTIVITY_TEXT as u64 + 8;

/// The most actions that may wait: a journal that is away for long is told so by the error.
const MAX_WAITING: usize = 4096;

/// The most that are looked at in one round.
const RUN: usize = 64;

/// An action that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct WaitingAction {
    /// Its file.
    pub(crate) path: PathBuf,
    /// What tells it from every other one; the text of its record ends with it.
    pub(crate) id: u64,
    /// No record of it is older than this, UTC nanoseconds; 0 where nobody can say.
    pub(crate) since: u64,
    /// What is recorded.
    pub(crate) activity: Activity,
}

/// Where a fabric's actions wait.
pub(crate) fn of_fabric(fabric: &Fabric) -> PathBuf {
    fabric.paths().root().join(DIRECTORY)
}

/// Where the actions on a journal's directory wait.
pub(crate) fn of_journal(directory: &Path) -> PathBuf {
    directory.join(DIRECTORY)
}

/// Leaves word of what this process is about to do, for the journal to record: `root` is the
/// directory of the fabric concerned, or the journal's own; `action` is
/// [`Action::OperatorAction`] or [`Action::ConfigurationChanged`].
///
/// # Errors
/// [`JournalError::Io`] when the file cannot be written, or too many wait already.
pub fn announce_action(root: &Path, action: Action, detail: &str) -> Result<(), JournalError> {
    let directory = root.join(DIRECTORY);
    let name = directory.display().to_string();
    fs::create_dir_all(&directory).map_err(io_error("create", &name))?;
    let waiting = fs::read_dir(&directory).map_err(io_error("list", &name))?;
    if waiting.take(MAX_WAITING).count() == MAX_WAITING {
        let problem = format!("{MAX_WAITING} actions wait there: start the journal");
        return Err(io_error("leave word in", &name)(io::Error::other(problem)));
    }
    let activity = own_activity(action, cut_text(detail, MAX_ACTIVITY_TEXT - 32).to_owned());
    let process = ProcessIdentity::current();
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&process.start_time.to_le_bytes());
    activity.encode(&mut bytes);
    // The time is in it, to the nanosecond, and the process: no other action has the same.
    let hash = blake3::hash(&bytes);
    let id = hash
        .as_bytes()
        .first_chunk::<8>()
        .map_or(0, |front| u64::from_le_bytes(*front));
    let file = format!("{:020}-{id:016x}{SUFFIX}", activity.at);
    put(&directory, &file, |opened| opened.write_all(&bytes))
        .map_err(io_error("leave word in", &name))
}

/// Makes a file in `directory`: whole, or not at all.
fn put(
    directory: &Path,
    file: &str,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let unnamed = directory.join(format!(".{file}"));
    let mut opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&unnamed)?;
    let put = write(&mut opened).and_then(|()| fs::rename(&unnamed, directory.join(file)));
    if put.is_err() {
        // It counts among those that wait, and nobody else would take it away.
        let _ = fs::remove_file(&unnamed);
    }
    put
}

/// The oldest actions that wait in these directories, without those that are recorded and `staying`
/// because nobody can take them away.
pub(crate) fn waiting(directories: &[PathBuf], staying: &BTreeSet<u64>) -> Vec<WaitingAction> {
    let mut paths: Vec<PathBuf> = directories
        .iter()
        .filter_map(|directory| fs::read_dir(directory).ok())
        .flat_map(|entries| entries.take(2 * MAX_WAITING).flatten())
        .map(|entry| entry.path())
        .filter(|path| id_of(path).is_some_and(|id| !staying.contains(&id)))
        .collect();
    paths.sort_by(|one, other| one.file_name().cmp(&other.file_name()));
    paths.truncate(RUN);
    paths
        .into_iter()
        .filter_map(|path| {
            let id = id_of(&path)?;
            let (since, activity) = read(&path, id)?;
            Some(WaitingAction {
                path,
                id,
                since,
                activity,
            })
        })
        .collect()
}

/// The id in a file's name; `None` for any other file.
fn id_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?;
    let (at, id) = name.split_once('-')?;
    let digits = at.len() == 20 && at.bytes().all(|byte| byte.is_ascii_digit());
    (digits && id.len() == 16).then(|| u64::from_str_radix(id, 16).ok())?
}

/// What a file asks to be recorded, and since when at the earliest. Whatever it holds, there is a
/// record of it; `None` when it has gone.
fn read(path: &Path, id: u64) -> Option<(u64, Activity)> {
    // Never through a link, and never waiting: anybody may have put it there.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let metadata = match &opened {
        Ok(file) => file.metadata().ok()?,
        Err(_) => fs::symlink_metadata(path).ok()?,
    };
    let mut bytes = Vec::new();
    if let Ok(file) = opened
        && metadata.is_file()
    {
        let _ = file.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    }
    let decoded = decode(&bytes);
    let since = decoded.as_ref().map_or(0, |activity| activity.at);
    let mut activity = decoded.unwrap_or_else(|| Activity {
        pid: 0,
        executable: String::new(),
        ..own_activity(
            Action::OperatorAction,
            format!("a file of an action that is none: {}", path.display()),
        )
    });
    activity.uid = metadata.uid();
    let front = cut_text(&activity.detail, MAX_ACTIVITY_TEXT - 32);
    activity.detail = format!("{front} (action {id:016x})");
    Some((since, activity))
}

fn decode(bytes: &[u8]) -> Option<Activity> {
    if bytes.len() as u64 > MAX_BYTES {
        return None;
    }
    let (front, entries) = bytes.split_first_chunk::<FRONT_BYTES>()?;
    let (magic, start_time) = front.split_first_chunk::<8>()?;
    if *magic != MAGIC {
        return None;
    }
    let mut entries = Activity::decode_all(entries).ok()?;
    let mut activity = entries.pop().filter(|_| entries.is_empty())?;
    if activity.action != Action::ConfigurationChanged {
        activity.action = Action::OperatorAction;
    }
    let process = ProcessIdentity {
        pid: activity.pid,
        start_time: u64::from_le_bytes(start_time.try_into().ok()?),
    };
    if process.is_alive()
        && let Ok(executable) = fs::read_link(format!("/proc/{}/exe", process.pid))
    {
        activity.executable = executable.display().to_string();
    }
    Some(activity)
}

/// The id at the end of a record of an action.
pub(crate) fn recorded_id(activity: &Activity) -> Option<u64> {
    let (_, rest) = activity.detail.rsplit_once("(action ")?;
    u64::from_str_radix(rest.strip_suffix(')')?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_waits_with_who_does_it() {
        let root = tempfile::tempdir().unwrap();
        let directories = [of_journal(root.path())];
        assert!(waiting(&directories, &BTreeSet::new()).is_empty());
        announce_action(
            root.path(),
            Action::OperatorAction,
            "remove --consumer late",
        )
        .unwrap();
        announce_action(root.path(), Action::ConfigurationChanged, "roll 1h").unwrap();
        let found = waiting(&directories, &BTreeSet::new());
        let details: Vec<&str> = found
            .iter()
            .map(|one| one.activity.detail.split(" (action").next().unwrap())
            .collect();
        assert_eq!(details, ["remove --consumer late", "roll 1h"]);
        assert_eq!(found[0].activity.action, Action::OperatorAction);
        assert_eq!(found[1].activity.action, Action::ConfigurationChanged);
        for one in &found {
            assert_eq!(one.activity.pid, std::process::id());
            assert_eq!(one.activity.uid, nix::unistd::geteuid().as_raw());
            assert_eq!(
                Path::new(&one.activity.executable),
                std::env::current_exe().unwrap()
            );
            assert_eq!(recorded_id(&one.activity), Some(one.id));
        }
    }

    #[test]
    fn an_action_that_cannot_be_written_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        let there = || fs::read_dir(root.path()).unwrap().count();
        let half = |file: &mut File| {
            file.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        };
        assert!(put(root.path(), "one", half).is_err());
        assert_eq!(there(), 0);
        fs::create_dir(root.path().join("one")).unwrap();
        assert!(put(root.path(), "one", |_| Ok(())).is_err());
        assert_eq!(there(), 1);
        put(root.path(), "two", |file| file.write_all(b"whole")).unwrap();
        assert_eq!(fs::read(root.path().join("two")).unwrap(), b"whole");
        assert_eq!(there(), 2);
    }

    #[test]
    fn rubbish_links_and_long_files_are_recorded_as_what_they_are() {
        let root = tempfile::tempdir().unwrap();
        let directories = [of_journal(root.path())];
        fs::create_dir(&directories[0]).unwrap();
        let name = |at: u64| format!("{at:020}-{at:016x}{SUFFIX}");
        let put = |at: u64, bytes: &[u8]| {
            fs::write(directories[0].join(name(at)), bytes).unwrap();
        };
        put(1, b"");
        put(2, &[0xFF; 100]);
        put(3, &vec![b'x'; 100_000]);
        std::os::unix::fs::symlink("/dev/zero", directories[0].join(name(4))).unwrap();
        // Nobody says by a file that a sequencer started.
        let mut forged = MAGIC.to_vec();
        forged.extend_from_slice(&0_u64.to_le_bytes());
        own_activity(Action::SequencerStarted, "x".to_owned()).encode(&mut forged);
        put(5, &forged);
        fs::write(directories[0].join("other"), b"").unwrap();
        fs::write(directories[0].join(".6.action"), b"").unwrap();
        let found = waiting(&directories, &BTreeSet::new());
        assert_eq!(
            found.iter().map(|one| one.id).collect::<Vec<u64>>(),
            [1, 2, 3, 4, 5]
        );
        for one in &found {
            assert_eq!(one.activity.action, Action::OperatorAction);
            assert_eq!(one.activity.detail.contains("that is none"), one.id < 5);
        }
    }
}
