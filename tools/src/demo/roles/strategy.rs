//! The strategy as a role: reads the stream in place, sends orders through its own ring.

use super::attaching::Attaching;
use super::{RoleAgent, RoleContext, STRATEGY, StrategyCore};
use crate::demo::report::{Percentiles, RoleReport};
use crate::error::{Result, ToolError};
use hdrhistogram::Histogram;
use selvedge_fabric::agent::{Agent, AgentError, Progress};
use selvedge_fabric::message::Message;
use selvedge_fabric::{Fabric, FabricError, Output, Participant};
use selvedge_market::messages::{MarketMessage, Publish};
use std::collections::VecDeque;

/// Frames taken in one step.
const RUN: usize = 128;

/// See the module.
pub struct StrategyRole {
    core: StrategyCore,
    fabric: Fabric,
    state: State,
    latency: Histogram<u64>,
    tick_to_order: Histogram<u64>,
    /// Orders whose own frame has not come by: number and stamp of the tick that caused them.
    sent: VecDeque<(u64, u64)>,
    accepted: u64,
}

enum State {
    Attaching(Box<Attaching>),
    Attached(Box<Participant>),
    Left,
}

/// The participant's output as the market's messages see it.
pub struct MarketOutput<'a> {
    /// Where they go.
    pub output: &'a mut Output,
    /// The first failure.
    pub failed: &'a mut Option<FabricError>,
}

impl Publish for MarketOutput<'_> {
    #[inline]
    fn publish<M: Message>(&mut self, message: &M) -> bool {
        match self.output.send(message) {
            Ok(()) => true,
            Err(error) => {
                self.failed.get_or_insert(error);
                false
            }
        }
    }
}

impl StrategyRole {
    /// A strategy that is about to attach.
    pub fn new(context: &RoleContext) -> Result<Self> {
        let histogram = || {
            Histogram::new_with_bounds(1, 3_600_000_000_000, 3).map_err(|error| ToolError::Role {
                role: STRATEGY.to_owned(),
                error: format!("no histogram: {error:?}"),
            })
        };
        Ok(StrategyRole {
            core: StrategyCore::new()?,
            state: State::Attaching(Box::new(Attaching::begin(&context.fabric, STRATEGY)?)),
            fabric: context.fabric.clone(),
            latency: histogram()?,
            tick_to_order: histogram()?,
            sent: VecDeque::with_capacity(1024),
            accepted: 0,
        })
    }

    fn read(&mut self) -> Result<Progress> {
        let State::Attached(participant) = &mut self.state else {
            return Ok(Progress::Idle);
        };
        let (core, sent) = (&mut self.core, &mut self.sent);
        let (latency, tick_to_order) = (&mut self.latency, &mut self.tick_to_order);
        let fabric = &self.fabric;
        let (mut failed, mut unsent) = (None, None);
        let mut first = true;
        let worked = participant.poll(RUN, |frame, output| {
            let header = frame.header();
            if first {
                // One sample a run: the frame that was waited for.
                first = false;
                let waited = fabric.now_ns().saturating_sub(header.timestamp());
                latency.saturating_record(waited.max(1));
            }
            let message = match MarketMessage::decode(header.message_type(), frame.payload()) {
                Ok(message) => message,
                Err(error) => {
                    failed.get_or_insert(error);
                    return;
                }
            };
            if let Some(MarketMessage::NewOrder(order)) = &message
                && let Some(&(number, tick)) = sent.front()
                && number == order.client_order
            {
                sent.pop_front();
                tick_to_order.saturating_record(header.timestamp().saturating_sub(tick).max(1));
            }
            let mut market = MarketOutput {
                output,
                failed: &mut unsent,
            };
            let outcome = core.on_frame(header, frame.payload(), message.as_ref(), &mut |order| {
                if let MarketMessage::NewOrder(order) = order {
                    sent.push_back((order.client_order, header.timestamp()));
                }
                order.publish(&mut market);
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
        if core.is_finished() && sent.is_empty() && participant.output().waiting() == 0 {
            self.accepted = participant.output().accepted();
            self.state = State::Left;
            return Ok(Progress::Finished);
        }
        Ok(Progress::of(worked))
    }
}

impl Agent for StrategyRole {
    fn name(&self) -> &str {
        STRATEGY
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

impl RoleAgent for StrategyRole {
    fn report(&self) -> RoleReport {
        RoleReport::Strategy {
            orders: self.core.counters().orders,
            fills: self.core.counters().fills,
            accepted: self.accepted,
            state_hash: self.core.state_hash(),
            book_hash: self.core.book_hash(),
            latency: Percentiles::of(&self.latency),
            tick_to_order: Percentiles::of(&self.tick_to_order),
        }
    }
}
