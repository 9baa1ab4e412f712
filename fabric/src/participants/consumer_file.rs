//! Taking a consumer's name: the file with its cursor, made whole and in one step.

use super::start::Start;
use crate::error::{FabricError, Result};
use crate::fabric::{AttachLock, Fabric, random_nonce};
use crate::host::process::ProcessIdentity;
use crate::memory::Access;
use crate::shared::cursor::{ConsumerKind, ConsumerRegistration, CursorFile, encode_cursor_file};
use crate::shared::names::check_name;

/// The most consumer names a fabric remembers.
const MAX_CONSUMER_NAMES: usize = 4096;

/// A consumer's file, made for this process.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) file: CursorFile,
    pub(super) nonce: u64,
    /// The sequence that was asked for, where it is known.
    pub(super) stored: u64,
}

/// What kind of consumer is to be registered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) kind: ConsumerKind,
    pub(super) essential: bool,
    pub(super) patience_ns: u64,
}

/// Takes the name, unless a living process holds it, and inherits its stored position.
pub(super) fn register(
    fabric: &Fabric,
    name: &str,
    terms: Terms,
    start: Start,
) -> Result<Registered> {
    check_name("consumer", name)?;
    let path = fabric.paths().consumer(name);
    let _lock = AttachLock::acquire(&fabric.paths().attach_lock())?;
    let mut stored = 0;
    if path.exists() {
        let former = CursorFile::open(&path, Access::Read)?;
        if former.held() {
            return Err(FabricError::NameTaken {
                role: "consumer",
                name: name.to_owned(),
                pid: former.holder().0.pid,
            });
        }
        stored = former.position();
    } else {
        let known = std::fs::read_dir(fabric.paths().consumers())
            .map(Iterator::count)
            .unwrap_or(0);
        if known >= MAX_CONSUMER_NAMES {
            return Err(FabricError::BadSetting {
                setting: "consumer",
                value: name.to_owned(),
                remedy: format!(
                    "the fabric remembers {known} consumers, its limit: delete the files of those that will not come back from {}",
                    fabric.paths().consumers().display()
                ),
            });
        }
    }
    let request = start.resolve(fabric, stored)?;
    let nonce = random_nonce()?;
    let registration = ConsumerRegistration {
        nonce,
        process: ProcessIdentity::current(),
        kind: terms.kind,
        start: request,
        essential: terms.essential,
        patience_ns: terms.patience_ns,
    };
    let bytes = encode_cursor_file(&registration, stored);
    let unnamed = fabric.paths().consumers().join(format!(".{nonce:016x}"));
    std::fs::write(&unnamed, bytes).map_err(|error| FabricError::io("write", &unnamed, error))?;
    std::fs::rename(&unnamed, &path).map_err(|error| FabricError::io("name", &path, error))?;
    let file = CursorFile::open(&path, Access::Write)?;
    Ok(Registered {
        file,
        nonce,
        stored,
    })
}
