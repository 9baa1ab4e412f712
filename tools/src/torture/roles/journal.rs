//! The journal: small segments, so that it is often killed while it begins one.

use super::Context;
use crate::error::{Result, ToolError};
use crate::torture::stage::Order;
use selvedge_fabric::agent::{Agent, Progress};
use selvedge_journal::{JournalAgent, JournalConfig};

/// Bytes of a segment.
const SEGMENT_BYTES: u64 = 4 << 20;

/// Bytes of a block.
const BLOCK_BYTES: usize = 128 << 10;

pub(super) fn run(context: &Context) -> Result<()> {
    let config = JournalConfig {
        segment_bytes: SEGMENT_BYTES,
        block_bytes: BLOCK_BYTES,
        ..JournalConfig::default()
    };
    let mut rounds = 0;
    loop {
        let mut agent = JournalAgent::new(&context.fabric, &context.stage.journal(), &config)?;
        context.works();
        loop {
            match agent.do_work().map_err(ToolError::role("journal"))? {
                Progress::Worked => rounds = 0,
                Progress::Idle => {
                    context.args.idle.idle(rounds);
                    rounds += 1;
                }
                Progress::Finished => break,
            }
        }
        if context.orders.now() == Order::End {
            return Ok(());
        }
    }
}
