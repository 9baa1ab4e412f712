//! What a standby does before it is needed, so that a takeover need not: mapping the banks for
//! writing and the producers' rings for reading, which touches and locks every page of them.
//!
//! Everything here is checked again when it is used: a ring that is not prepared, or whose file is
//! too short for what its registration says now, is mapped then.

use crate::error::Result;
use selvedge_fabric::Fabric;
use selvedge_fabric::memory::Mapping;
use selvedge_fabric::protocol::epoch::{EpochCell, MAX_BANKS};
use selvedge_fabric::shared::bank::Bank;
use selvedge_fabric::shared::paths::{source_ring, split_source_file};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(crate) struct Prepared {
    epoch: EpochCell,
    banks: [Option<Bank>; MAX_BANKS],
    rings: HashMap<u64, Arc<Mapping>>,
}

impl Prepared {
    /// Nothing but the epoch's word.
    pub(crate) fn new(fabric: &Fabric) -> Result<Self> {
        Ok(Prepared {
            epoch: fabric.epoch_for_sequencer()?,
            banks: [const { None }; MAX_BANKS],
            rings: HashMap::new(),
        })
    }

    /// Maps what is there and not mapped yet; lets go of the rings that are gone.
    ///
    /// What cannot be mapped is left for the takeover to complain of.
    pub(crate) fn refresh(&mut self, fabric: &Fabric) {
        for (index, bank) in self.banks.iter_mut().enumerate() {
            if bank.is_none() && fabric.paths().bank_state(index).exists() {
                *bank = fabric.bank_for_sequencer(index).ok();
            }
        }
        let directory = fabric.ring_directory();
        let mut found = HashMap::new();
        for entry in std::fs::read_dir(fabric.paths().sources())
            .into_iter()
            .flatten()
            .flatten()
        {
            let Ok(file_name) = entry.file_name().into_string() else {
                continue;
            };
            let Some((name, nonce)) = split_source_file(&file_name) else {
                continue;
            };
            let ring = match self.rings.remove(&nonce) {
                Some(ring) => Some(ring),
                None => Mapping::open_untrusted(&source_ring(&directory, name, nonce)).ok(),
            };
            if let Some(ring) = ring {
                found.insert(nonce, ring);
            }
        }
        self.rings = found;
    }

    /// The epoch's word, writable.
    pub(crate) fn epoch(&self) -> &EpochCell {
        &self.epoch
    }

    /// Bank `index`, writable.
    pub(crate) fn bank(&mut self, fabric: &Fabric, index: usize) -> Result<Bank> {
        if let Some(bank) = self.banks.get_mut(index).and_then(Option::take) {
            return Ok(bank);
        }
        Ok(fabric.bank_for_sequencer(index)?)
    }

    /// The prepared rings.
    pub(crate) fn into_rings(self) -> Rings {
        Rings { ready: self.rings }
    }
}

/// Rings of producers, mapped beforehand or when they are asked for.
#[derive(Debug)]
pub(crate) struct Rings {
    ready: HashMap<u64, Arc<Mapping>>,
}

impl Rings {
    /// The ring at `path` of the registration `nonce`, of `bytes` bytes at least.
    pub(crate) fn take(
        &mut self,
        nonce: u64,
        path: &Path,
        bytes: u64,
    ) -> Result<Arc<Mapping>, selvedge_fabric::FabricError> {
        match self.ready.remove(&nonce) {
            Some(ring) if ring.len() as u64 >= bytes => Ok(ring),
            _ => Mapping::open_untrusted(path),
        }
    }
}
