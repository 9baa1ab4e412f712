//! Which of the operators' actions the agent has taken.

use crate::operator_action::{WaitingAction, recorded_id, waiting};
use crate::record::Record;
use crate::storage::Storage;
use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

/// As many as are remembered: what was taken long ago has long been seen in the journal.
const REMEMBERED: usize = 256;

/// See the module.
pub(super) struct OperatorActions {
    pub(super) storage: Arc<dyn Storage>,
    directories: Vec<PathBuf>,
    taken: VecDeque<u64>,
}

impl OperatorActions {
    pub(super) fn new(storage: Arc<dyn Storage>, directories: Vec<PathBuf>) -> Self {
        OperatorActions {
            storage,
            directories,
            taken: VecDeque::with_capacity(REMEMBERED),
        }
    }

    /// Takes note of a record that was given to the writer.
    pub(super) fn note(&mut self, record: &Record) {
        let Record::Activity(entries) = record else {
            return;
        };
        for id in entries.iter().filter_map(recorded_id) {
            if self.taken.len() == REMEMBERED {
                self.taken.pop_front();
            }
            self.taken.push_back(id);
        }
    }

    pub(super) fn has_taken(&self, id: u64) -> bool {
        self.taken.contains(&id)
    }

    /// The oldest actions that wait now, without those that were `seen`.
    pub(super) fn waiting(&self, seen: &BTreeSet<u64>) -> Vec<WaitingAction> {
        waiting(&self.directories, seen)
    }
}
