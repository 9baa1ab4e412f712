//! From a journal to a fabric that goes on: after a loss of the host's memory.

use crate::{JournalEnd, Result, inspect};
use selvedge_fabric::Recovery;
use std::path::Path;

/// What a new life of the fabric begins with, as the journal in `directory` tells: the sequence
/// after its last whole frame, the sources with their last messages, the message types.
///
/// Producers that attach learn from it what of theirs was journaled; what was sequenced but not
/// journaled is theirs to send again.
///
/// # Errors
///
/// Those of [`inspect`].
pub fn recovery_from(directory: &Path) -> Result<Recovery> {
    Ok(recovery_of(&inspect(directory)?))
}

fn recovery_of(end: &JournalEnd) -> Recovery {
    Recovery {
        fabric_id: end.identity.fabric_id.to_be_bytes(),
        life: end.identity.life + 1,
        next_sequence: end.last_sequence + 1,
        floor_ns: end.last_timestamp,
        sources: end
            .sources
            .iter()
            .map(|&(source, last)| {
                let name = end.dictionary.source(source).unwrap_or_default();
                (source, name.to_owned(), last)
            })
            .collect(),
        schemas: end.dictionary.schemas().cloned().collect(),
    }
}
