//! Removing a fabric.

use super::{Fabric, random_nonce};
use crate::error::{FabricError, Result};
use crate::host::process::ProcessIdentity;
use crate::memory::Access;
use crate::shared::bank::SequencerStatus;
use crate::shared::control::ControlRecord;
use crate::shared::cursor::CursorFile;
use crate::shared::names::check_name;
use crate::shared::paths::{FabricPaths, split_source_file};
use crate::shared::registration::RegistrationFile;
use std::path::Path;

/// Names of the entries of a directory that do not begin with a dot.
pub(crate) fn visible_names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

/// The living processes that use the fabric, for a person to read.
pub(super) fn users(fabric: &Fabric) -> Vec<String> {
    let mut users = Vec::new();
    if let Some(view) = fabric.sequencer()
        && view.alive
        && view.status != SequencerStatus::Stopped
    {
        users.push(format!("the sequencer (process {})", view.process.pid));
    }
    for name in visible_names(&fabric.paths().sources()) {
        let path = fabric.paths().sources().join(&name);
        let name = split_source_file(&name).map_or(&*name, |(name, _)| name);
        if let Ok(file) = RegistrationFile::open(&path, Access::Read)
            && !file.detached()
            && file.holder().0.is_alive()
        {
            users.push(format!("source `{name}` (process {})", file.holder().0.pid));
        }
    }
    for name in visible_names(&fabric.paths().consumers()) {
        if let Ok(file) = CursorFile::open(&fabric.paths().consumer(&name), Access::Read)
            && file.held()
        {
            users.push(format!(
                "consumer `{name}` (process {})",
                file.holder().0.pid
            ));
        }
    }
    users
}

/// Removes the fabric `name` under `directory`.
pub(super) fn remove(directory: &Path, name: &str, force: bool) -> Result<()> {
    check_name("fabric", name)?;
    let paths = FabricPaths::new(directory.join(name));
    if !paths.root().exists() {
        return Err(FabricError::NoSuchFabric {
            name: name.to_owned(),
            path: paths.root().to_path_buf(),
        });
    }
    // A damaged or foreign fabric can be removed too; then only its own directory is known.
    let control = ControlRecord::read(&paths.control());
    if !force && let Ok(fabric) = Fabric::attach_in(directory, name) {
        let users = users(&fabric);
        if !users.is_empty() {
            return Err(FabricError::FabricInUse {
                name: name.to_owned(),
                users: users.join(", "),
            });
        }
    }
    // First out of sight, in one step: whoever attaches from now on finds nothing.
    let process = ProcessIdentity::current();
    let condemned = directory.join(format!(
        ".removing-{name}-{}-{}-{:08x}",
        process.pid,
        process.start_time,
        random_nonce()? as u32
    ));
    match std::fs::rename(paths.root(), &condemned) {
        Ok(()) => {}
        // Somebody else removed it first: done.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(FabricError::io("remove", paths.root(), error)),
    }
    if let Ok(control) = control {
        remove_rings_outside(directory, &control);
    }
    std::fs::remove_dir_all(&condemned)
        .map_err(|error| FabricError::io("remove", &condemned, error))
}

/// Removes the ring files of a ring directory on hugetlbfs, and the directory if nothing else is in
/// it: the control file names it, and a control file could name any directory.
///
/// Rings under `base` lie in their fabric's own directory and go with it; by the time this is
/// called that path may already be a new fabric's.
pub(super) fn remove_rings_outside(base: &Path, control: &ControlRecord) {
    let directory = control.ring_directory();
    let base = std::path::absolute(base).unwrap_or_else(|_| base.to_path_buf());
    if directory.starts_with(base) {
        return;
    }
    for name in visible_names(&directory) {
        let ours =
            name.ends_with(".ring") && (name.starts_with("bank-") || name.starts_with("source-"));
        if ours {
            let _ = std::fs::remove_file(directory.join(name));
        }
    }
    let _ = std::fs::remove_dir(&directory);
}
