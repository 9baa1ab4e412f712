//! Which fabric a command means: by its name, or by its topology file.

use crate::error::Result;
use crate::topology;
use selvedge_fabric::Fabric;
use selvedge_fabric::shared::paths::base_directory;
use std::path::{Path, PathBuf};

/// A fabric's place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Location {
    /// The directory of all fabrics.
    pub directory: PathBuf,
    /// Its name.
    pub name: String,
}

impl Location {
    /// The fabric that `text` names: a topology file where it ends in `.toml`, else a name.
    pub fn of(text: &str) -> Result<Self> {
        if !text.ends_with(".toml") {
            return Ok(Location {
                directory: base_directory(),
                name: text.to_owned(),
            });
        }
        let topology = topology::load(Path::new(text))?;
        Ok(Location {
            directory: topology.directory.unwrap_or_else(base_directory),
            name: topology.name,
        })
    }

    /// Every fabric of the base directory.
    pub fn all() -> Vec<Self> {
        let directory = base_directory();
        Fabric::list_in(&directory)
            .into_iter()
            .map(|name| Location {
                directory: directory.clone(),
                name,
            })
            .collect()
    }

    /// Attaches.
    pub fn attach(&self) -> Result<Fabric> {
        Ok(Fabric::attach_in(&self.directory, &self.name)?)
    }
}
