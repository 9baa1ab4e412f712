//! A standby: watches the sequencer and takes over when it dies or freezes.
//!
//! Death is seen through the process's descriptor, a freeze by a heartbeat that stands still for
//! longer than the limit. A frozen sequencer is killed first where that is allowed; it need not
//! be: its epoch has ended, nothing that it writes when it wakes is accepted, and it stops by
//! itself.

use crate::error::{Result, SequencerError};
use crate::takeover::Insistence;
use crate::{Sequencer, SequencerConfig};
use selvedge_fabric::host::process::ProcessWatch;
use selvedge_fabric::protocol::epoch::EpochWord;
use selvedge_fabric::shared::bank::SequencerStatus;
use selvedge_fabric::{Fabric, FabricError};
use std::time::{Duration, Instant};

/// How a standby is to behave.
#[derive(Clone, Debug)]
pub struct StandbyConfig {
    /// How the sequencer is to run once it has taken over.
    pub sequencer: SequencerConfig,
    /// How long the heartbeat may stand still: longer than the host ever keeps a healthy
    /// sequencer from running.
    pub heartbeat_limit: Duration,
    /// Kills a frozen sequencer before taking over.
    pub kill_frozen: bool,
}

impl Default for StandbyConfig {
    /// A heartbeat limit of 200 ms; frozen sequencers are killed.
    fn default() -> Self {
        StandbyConfig {
            sequencer: SequencerConfig::default(),
            heartbeat_limit: Duration::from_millis(200),
            kill_frozen: true,
        }
    }
}

/// What a standby is told by a look at the sequencer.
#[derive(Debug)]
pub enum Watch {
    /// The sequencer lives and works.
    Healthy,
    /// It has stopped in order, or there never was one: nothing to take over.
    Stopped,
    /// This process is the sequencer now.
    TakenOver(Box<Sequencer>),
}

/// See the module.
#[derive(Debug)]
pub struct Standby {
    fabric: Fabric,
    config: StandbyConfig,
    watched: EpochWord,
    process: Option<ProcessWatch>,
    heartbeat: u64,
    beat_at: Instant,
}

impl Standby {
    /// A standby of the fabric.
    pub fn new(fabric: &Fabric, config: StandbyConfig) -> Self {
        Standby {
            fabric: fabric.clone(),
            config,
            watched: EpochWord::NONE,
            process: None,
            heartbeat: 0,
            beat_at: Instant::now(),
        }
    }

    /// One look. Costs a system call; spin on it for the fastest takeover, or sleep between.
    pub fn poll(&mut self) -> Result<Watch> {
        let current = self.fabric.epoch().load();
        if !current.is_some() {
            return Ok(Watch::Stopped);
        }
        if current != self.watched {
            self.watched = current;
            self.process = None;
            self.heartbeat = 0;
            self.beat_at = Instant::now();
        }
        let frozen_for = self.beat_at.elapsed();
        let Some(bank) = self.fabric.bank(current) else {
            return Ok(Watch::Healthy);
        };
        if bank.header().read(current).is_none() {
            // Another is taking over; if it has frozen or died on the way, it is overtaken.
            return if frozen_for >= self.config.heartbeat_limit {
                self.take_over(Insistence::Force)
            } else {
                Ok(Watch::Healthy)
            };
        }
        if bank.status() == SequencerStatus::Stopped {
            return Ok(Watch::Stopped);
        }
        if self.process.is_none() {
            self.process = ProcessWatch::new(bank.owner());
        }
        let dead = self.process.as_ref().is_none_or(ProcessWatch::is_dead);
        if dead {
            return self.take_over(Insistence::Force);
        }
        let heartbeat = bank.heartbeat();
        if heartbeat != self.heartbeat {
            self.heartbeat = heartbeat;
            self.beat_at = Instant::now();
        } else if frozen_for >= self.config.heartbeat_limit {
            if self.config.kill_frozen
                && let Some(process) = &self.process
            {
                // Not being allowed to is no reason not to take over.
                let _ = process.kill();
            }
            return self.take_over(Insistence::Force);
        }
        Ok(Watch::Healthy)
    }

    fn take_over(&mut self, insistence: Insistence) -> Result<Watch> {
        match Sequencer::open(
            &self.fabric,
            &self.config.sequencer,
            Some(self.watched),
            insistence,
        ) {
            Ok(sequencer) => Ok(Watch::TakenOver(Box::new(sequencer))),
            // Another standby was faster: watch that one.
            Err(SequencerError::Fabric(FabricError::Replaced { .. })) => Ok(Watch::Healthy),
            Err(error) => Err(error),
        }
    }
}
