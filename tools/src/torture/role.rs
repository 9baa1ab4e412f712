//! What a process of the torture does.

use serde::{Deserialize, Serialize};

/// What a process does, and who a fault meets.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    clap::ValueEnum,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Publishes.
    Producer,
    /// The process that sequences now.
    Sequencer,
    /// A process that waits to take over.
    Standby,
    /// An essential gating consumer: it sees every frame, whatever happens.
    Audit,
    /// Reads in place and holds the stream while it lives.
    Gating,
    /// Copies and holds nobody.
    Observing,
    /// Copies and holds the stream within its patience.
    Holding,
    /// Writes the stream to disk.
    Journal,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 8] = [
        Role::Producer,
        Role::Sequencer,
        Role::Standby,
        Role::Audit,
        Role::Gating,
        Role::Observing,
        Role::Holding,
        Role::Journal,
    ];

    /// How often a fault meets this role, relative to the others.
    pub fn weight(self) -> u64 {
        match self {
            Role::Producer => 4,
            Role::Sequencer => 6,
            Role::Standby | Role::Audit | Role::Observing | Role::Holding => 1,
            Role::Gating | Role::Journal => 2,
        }
    }

    /// Its name, as in reports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Role::Producer => "producer",
            Role::Sequencer => "sequencer",
            Role::Standby => "standby",
            Role::Audit => "audit",
            Role::Gating => "gating",
            Role::Observing => "observing",
            Role::Holding => "holding",
            Role::Journal => "journal",
        }
    }
}
