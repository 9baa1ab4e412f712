//! A sequencer or standby: whoever finds the place free takes it, the others watch.
//!
//! A frozen predecessor is not killed: when it wakes it writes, and nothing of that may count.

use super::Context;
use crate::error::Result;
use crate::torture::stage::Order;
use selvedge_fabric::FabricError;
use selvedge_sequencer::{
    Sequencer, SequencerConfig, SequencerError, Standby, StandbyConfig, Watch,
};
use std::time::Duration;

pub(super) fn run(context: &Context) -> Result<()> {
    let mut standby = Standby::new(
        &context.fabric,
        StandbyConfig {
            sequencer: SequencerConfig::default(),
            heartbeat_limit: Duration::from_millis(context.args.heartbeat_limit),
            kill_frozen: false,
        },
    );
    context.works();
    let mut rounds = 0;
    loop {
        match standby.poll()? {
            Watch::TakenOver(sequencer) => return sequence(context, *sequencer),
            Watch::Stopped if context.orders.now() == Order::End => return Ok(()),
            Watch::Stopped => {
                match Sequencer::start(&context.fabric, &SequencerConfig::default()) {
                    Ok(sequencer) => return sequence(context, sequencer),
                    Err(SequencerError::Fabric(
                        FabricError::SequencerRunning { .. } | FabricError::Replaced { .. },
                    )) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Watch::Healthy | Watch::Waiting(_) => {}
        }
        context.args.idle.idle(rounds);
        rounds += 1;
    }
}

fn sequence(context: &Context, mut sequencer: Sequencer) -> Result<()> {
    let (mut rounds, mut draining) = (0, false);
    while !sequencer.ended() {
        match sequencer.do_work() {
            Ok(0) => {
                context.args.idle.idle(rounds);
                rounds += 1;
            }
            Ok(_) => rounds = 0,
            // Another has taken over while this process was frozen or starved: it ends, and
            // whoever started it starts it again, as a standby.
            Err(SequencerError::Fabric(FabricError::Replaced { epoch, by })) => {
                eprintln!("epoch {epoch} was replaced by {by}");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        if !draining && context.orders.now() == Order::End {
            draining = true;
            sequencer.drain();
        }
    }
    Ok(())
}
