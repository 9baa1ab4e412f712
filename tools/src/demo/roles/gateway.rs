//! The order gateway as a role: reads orders from the stream, answers through its own ring.

use super::attaching::Attaching;
use super::strategy::MarketOutput;
use super::{ExchangeCore, GATEWAY, RoleAgent, RoleContext};
use crate::demo::report::RoleReport;
use crate::error::Result;
use selvedge_fabric::Participant;
use selvedge_fabric::agent::{Agent, AgentError, Progress};
use selvedge_market::messages::MarketMessage;

/// Frames taken in one step.
const RUN: usize = 128;

/// See the module.
pub struct GatewayRole {
    core: ExchangeCore,
    state: State,
    accepted: u64,
}

enum State {
    Attaching(Box<Attaching>),
    Attached(Box<Participant>),
    Left,
}

impl GatewayRole {
    /// A gateway that is about to attach.
    pub fn new(context: &RoleContext) -> Result<Self> {
        Ok(GatewayRole {
            core: ExchangeCore::new()?,
            state: State::Attaching(Box::new(Attaching::begin(&context.fabric, GATEWAY)?)),
            accepted: 0,
        })
    }

    fn read(&mut self) -> Result<Progress> {
        let State::Attached(participant) = &mut self.state else {
            return Ok(Progress::Idle);
        };
        let core = &mut self.core;
        let (mut failed, mut unsent) = (None, None);
        let worked = participant.poll(RUN, |frame, output| {
            let header = frame.header();
            let mut market = MarketOutput {
                output,
                failed: &mut unsent,
            };
            let outcome =
                MarketMessage::decode(header.message_type(), frame.payload()).and_then(|message| {
                    core.on_message(header.sequence(), message.as_ref(), &mut |answer| {
                        answer.publish(&mut market);
                    })
                });
            if let Err(error) = outcome {
                failed.get_or_insert(error);
            }
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        if let Some(error) = unsent {
            return Err(error.into());
        }
        if core.is_finished() && participant.output().waiting() == 0 {
            self.accepted = participant.output().accepted();
            self.state = State::Left;
            return Ok(Progress::Finished);
        }
        Ok(Progress::of(worked))
    }
}

impl Agent for GatewayRole {
    fn name(&self) -> &str {
        GATEWAY
    }

    #[inline]
    fn do_work(&mut self) -> Result<Progress, AgentError> {
        if let State::Attaching(attaching) = &mut self.state {
            if let Some(participant) = attaching.poll()? {
                self.state = State::Attached(Box::new(participant));
            }
            return Ok(Progress::Idle);
        }
        Ok(self.read()?)
    }
}

impl RoleAgent for GatewayRole {
    fn report(&self) -> RoleReport {
        RoleReport::Gateway {
            accepted: self.accepted,
            orders: self.core.counters().orders,
            rejected: self.core.counters().rejected,
        }
    }
}
