//! The feed handler: ITCH in, normalised messages out, in place into its ring.

use super::{FEED, GATEWAY, RoleAgent, RoleContext, STRATEGY, begin_producer};
use crate::demo::report::RoleReport;
use crate::error::Result;
use selvedge_fabric::agent::{Agent, AgentError, Progress};
use selvedge_fabric::host::ticks::monotonic_ns;
use selvedge_fabric::message::Message;
use selvedge_fabric::{Fabric, PendingProducer, Producer};
use selvedge_journal::JOURNAL_CONSUMER;
use selvedge_market::feed::{Feed, FeedStep};
use selvedge_market::generator::{Generator, GeneratorConfig};
use selvedge_market::itch::{ItchFile, ItchSource};
use selvedge_market::messages::Publish;
use selvedge_market::pace::Pace;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Messages published in one step.
const RUN: usize = 64;

/// 09:30, when the market opens: what comes before is sent at once.
const OPENING_NS: u64 = (9 * 60 + 30) * 60 * 1_000_000_000;

/// See the module.
pub struct FeedRole {
    feed: Feed<Box<dyn ItchSource + Send>>,
    fabric: Fabric,
    sending: Sending,
    pace: Pace,
    paced: bool,
    manual_time: Option<Arc<AtomicU64>>,
    started_ns: u64,
    ended_ns: u64,
    accepted: u64,
    error: Option<String>,
}

enum Sending {
    Pending(Box<PendingProducer>),
    Waiting(Box<Producer>),
    Attached(Box<Producer>),
    Left,
}

/// The producer as the feed sees it.
struct Ring<'a>(&'a mut Producer);

impl Publish for Ring<'_> {
    #[inline]
    fn publish<M: Message>(&mut self, message: &M) -> bool {
        self.0.try_publish(message).is_ok()
    }
}

impl FeedRole {
    /// Opens the file, or makes up a session.
    pub fn new(context: &RoleContext) -> Result<Self> {
        let args = &context.args;
        let source: Box<dyn ItchSource + Send> = match &args.itch {
            Some(path) => Box::new(ItchFile::open(path)?),
            None => Box::new(Generator::new(GeneratorConfig {
                seed: args.seed,
                messages: args.messages,
                symbols: args.symbols,
                ..GeneratorConfig::default()
            })?),
        };
        let speed = args.pace.factor();
        Ok(FeedRole {
            feed: Feed::new(source),
            sending: Sending::Pending(Box::new(begin_producer(&context.fabric, FEED)?)),
            fabric: context.fabric.clone(),
            pace: Pace::new(speed, OPENING_NS),
            paced: speed != 0,
            manual_time: context.manual_time.clone(),
            started_ns: 0,
            ended_ns: 0,
            accepted: 0,
            error: None,
        })
    }

    /// Whether everybody who is to see the day from its beginning is there.
    fn audience_is_there(&self) -> bool {
        let consumers = self.fabric.gating_consumers();
        [JOURNAL_CONSUMER, STRATEGY, GATEWAY]
            .iter()
            .all(|name| consumers.iter().any(|entry| entry.name == *name))
    }

    #[inline]
    fn publish_run(&mut self) -> Progress {
        let Sending::Attached(producer) = &mut self.sending else {
            return Progress::Idle;
        };
        let mut published = 0;
        for _ in 0..RUN {
            if (self.paced || self.manual_time.is_some())
                && let Ok(Some(exchange_ns)) = self.feed.next_due_exchange_time()
            {
                if self.paced && self.pace.wait_ns(exchange_ns, monotonic_ns()) > 0 {
                    break;
                }
                if let Some(time) = &self.manual_time {
                    time.store(exchange_ns, Ordering::Relaxed);
                }
            }
            match self.feed.step(&mut Ring(producer)) {
                Ok(FeedStep::Published) => published += 1,
                Ok(FeedStep::Blocked) => break,
                Ok(FeedStep::Finished) => return self.leave(published, None),
                Err(error) => return self.leave(published, Some(error.to_string())),
            }
        }
        self.accepted += published;
        Progress::of(published as usize)
    }

    fn leave(&mut self, published: u64, error: Option<String>) -> Progress {
        self.accepted += published;
        self.error = error;
        self.ended_ns = monotonic_ns();
        self.sending = Sending::Left;
        Progress::Finished
    }
}

impl Agent for FeedRole {
    fn name(&self) -> &str {
        FEED
    }

    #[inline]
    fn do_work(&mut self) -> Result<Progress, AgentError> {
        match &mut self.sending {
            Sending::Attached(_) => return Ok(self.publish_run()),
            Sending::Pending(pending) => {
                if let Some(producer) = pending.poll()? {
                    self.sending = Sending::Waiting(Box::new(producer));
                }
            }
            Sending::Waiting(_) => {
                if self.audience_is_there()
                    && let Sending::Waiting(producer) =
                        std::mem::replace(&mut self.sending, Sending::Left)
                {
                    self.started_ns = monotonic_ns();
                    self.sending = Sending::Attached(producer);
                }
            }
            Sending::Left => return Ok(Progress::Finished),
        }
        Ok(Progress::Idle)
    }
}

impl RoleAgent for FeedRole {
    fn report(&self) -> RoleReport {
        RoleReport::Feed {
            messages: self.feed.messages(),
            unknown: self.feed.unknown(),
            accepted: self.accepted,
            elapsed_ns: self.ended_ns.saturating_sub(self.started_ns),
            error: self.error.clone(),
        }
    }
}
