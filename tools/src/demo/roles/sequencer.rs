//! The sequencer as a role: it ends the stream when the day is over.

use super::{FEED, GATEWAY, RoleAgent, RoleContext, STRATEGY};
use crate::demo::report::{Percentiles, RoleReport};
use crate::error::Result;
use selvedge_fabric::Fabric;
use selvedge_fabric::agent::{Agent, AgentError, Progress};
use selvedge_sequencer::{ConductorPlacement, Sequencer, SequencerConfig, TimeSource};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Idle steps between two looks at whether the day is over.
const LOOK_EVERY: u32 = 4096;

/// See the module.
pub struct SequencerRole {
    sequencer: Sequencer,
    fabric: Fabric,
    drain: Arc<AtomicBool>,
    draining: bool,
    idle_steps: u32,
}

impl SequencerRole {
    /// Opens the fabric's next epoch.
    pub fn new(context: &RoleContext) -> Result<Self> {
        let config = match &context.manual_time {
            Some(time) => SequencerConfig {
                time: TimeSource::Manual(time.clone()),
                conductor: ConductorPlacement::Inline,
                anonymous: true,
            },
            None => SequencerConfig::default(),
        };
        Ok(SequencerRole {
            sequencer: Sequencer::start(&context.fabric, &config)?,
            fabric: context.fabric.clone(),
            drain: context.drain.clone(),
            draining: false,
            idle_steps: 0,
        })
    }

    /// Whether everybody who sends has come and gone.
    fn day_is_over(&self) -> bool {
        let sources = self.fabric.sources();
        [FEED, STRATEGY, GATEWAY].iter().all(|name| {
            sources
                .iter()
                .any(|(_, entry)| entry.name == *name && !entry.attached)
        })
    }
}

impl Agent for SequencerRole {
    fn name(&self) -> &str {
        "sequencer"
    }

    #[inline]
    fn do_work(&mut self) -> Result<Progress, AgentError> {
        let published = self.sequencer.do_work()?;
        if published > 0 {
            return Ok(Progress::Worked);
        }
        if self.sequencer.ended() {
            return Ok(Progress::Finished);
        }
        self.idle_steps += 1;
        if self.idle_steps.is_multiple_of(LOOK_EVERY)
            && !self.draining
            && (self.drain.load(Ordering::Relaxed) || self.day_is_over())
        {
            self.draining = true;
            self.sequencer.drain();
        }
        Ok(Progress::Idle)
    }
}

impl RoleAgent for SequencerRole {
    fn report(&self) -> RoleReport {
        let counters = self.sequencer.counters();
        RoleReport::Sequencer {
            frames: counters.frames,
            held_back: counters.held_back,
            latency: Percentiles::of(self.sequencer.publish_to_sequenced()),
        }
    }
}
