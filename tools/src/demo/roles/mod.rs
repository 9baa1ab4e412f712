//! The roles of the demo as agents.

mod attaching;
mod exchange_core;
mod feed;
mod gateway;
mod journal;
mod sequencer;
mod strategy;
mod strategy_core;

pub use exchange_core::ExchangeCore;
pub use strategy_core::StrategyCore;

use super::options::DemoArgs;
use super::plan::Role;
use super::report::RoleReport;
use crate::error::Result;
use selvedge_fabric::Fabric;
use selvedge_fabric::agent::Agent;
use selvedge_fabric::{PendingProducer, ProducerBuilder};
use selvedge_market::messages::MarketMessage;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// Names under which the roles attach.
pub const FEED: &str = "feed";
/// See [`FEED`].
pub const STRATEGY: &str = "strategy";
/// See [`FEED`].
pub const GATEWAY: &str = "gateway";

/// An agent that can say what it did.
pub trait RoleAgent: Agent {
    /// What it did so far.
    fn report(&self) -> RoleReport;
}

/// What every role of a group needs.
pub struct RoleContext {
    /// The fabric.
    pub fabric: Fabric,
    /// The demo's options.
    pub args: DemoArgs,
    /// The journal's directory.
    pub journal: PathBuf,
    /// Set to end the day early, in order.
    pub drain: Arc<AtomicBool>,
    /// The time of a deterministic run: the feed sets it, the sequencer stamps with it.
    pub manual_time: Option<Arc<AtomicU64>>,
}

/// The agent of a role.
pub fn create(role: Role, context: &RoleContext) -> Result<Box<dyn RoleAgent>> {
    Ok(match role {
        Role::Sequencer => Box::new(sequencer::SequencerRole::new(context)?),
        Role::Journal => Box::new(journal::JournalRole::new(context)?),
        Role::Feed => Box::new(feed::FeedRole::new(context)?),
        Role::Strategy => Box::new(strategy::StrategyRole::new(context)?),
        Role::Gateway => Box::new(gateway::GatewayRole::new(context)?),
    })
}

/// Begins to attach a producer that may send any message of the market.
fn begin_producer(fabric: &Fabric, name: &str) -> Result<PendingProducer> {
    let builder = MarketMessage::schemas().into_iter().fold(
        fabric.producer(name).stamp_every(1),
        ProducerBuilder::schema,
    );
    Ok(builder.begin()?)
}
