//! Whose journal it is.

use crate::error::JournalError;
use selvedge_fabric::frame::system::MAX_NAME_BYTES;

/// The fabric that a journal belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JournalIdentity {
    fabric_name: String,
    /// The fabric's random number, drawn when it was created. A writer refuses a directory that
    /// holds the journal of another one.
    pub fabric_id: u128,
    /// How often the fabric's memory was lost and begun again, from 1. A writer with a higher
    /// life than the journal's last segment begins a new segment; a lower one is refused.
    pub life: u64,
}

impl JournalIdentity {
    /// An identity.
    ///
    /// # Errors
    /// [`JournalError::Setting`] when the name is empty or longer than 48 bytes, or the life 0.
    pub fn new(fabric_name: &str, fabric_id: u128, life: u64) -> Result<Self, JournalError> {
        if fabric_name.is_empty() || fabric_name.len() > MAX_NAME_BYTES {
            return Err(JournalError::Setting {
                name: "fabric name",
                value: fabric_name.len() as u64,
                allowed: "1 to 48 bytes",
            });
        }
        if life == 0 {
            return Err(JournalError::Setting {
                name: "life",
                value: life,
                allowed: "at least 1",
            });
        }
        Ok(JournalIdentity {
            fabric_name: fabric_name.to_owned(),
            fabric_id,
            life,
        })
    }

    /// The fabric's name, 1 to 48 bytes.
    pub fn fabric_name(&self) -> &str {
        &self.fabric_name
    }
}
