//! Pinning threads to cores.

use crate::error::{FabricError, Result};

/// The cores that this process may run on, in ascending order.
pub fn available_cores() -> Vec<usize> {
    let mut cores: Vec<usize> = core_affinity::get_core_ids()
        .unwrap_or_default()
        .into_iter()
        .map(|core| core.id)
        .collect();
    cores.sort_unstable();
    cores
}

/// Pins the calling thread to `core`.
pub fn pin_current_thread(core: usize) -> Result<()> {
    if core_affinity::set_for_current(core_affinity::CoreId { id: core }) {
        Ok(())
    } else {
        Err(FabricError::BadSetting {
            setting: "core",
            value: core.to_string(),
            remedy: format!("this process may run on cores {:?}", available_cores()),
        })
    }
}
