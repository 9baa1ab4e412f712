//! Gating consumers: one that is essential and sees everything, one that is not.

use super::{Context, PATIENCE, RUN};
use crate::error::Result;
use crate::torture::epochs::Epochs;
use crate::torture::role::Role;
use crate::torture::sightings::Sightings;
use crate::torture::stage::Order;
use selvedge_fabric::frame::system::EndOfStream;
use selvedge_fabric::message::Message;
use selvedge_fabric::{FabricError, Start};

pub(super) fn run(context: &Context) -> Result<()> {
    let role = context.args.role;
    let mut sightings = Sightings::open(&context.stage.sightings(role))?;
    let mut epochs = match role {
        Role::Audit => Some(Epochs::open(&context.stage.epochs())?),
        _ => None,
    };
    let attach = |start| {
        let builder = context
            .fabric
            .consumer(role.name())
            .start(start)
            .timeout(PATIENCE);
        match role {
            Role::Audit => builder.essential().attach(),
            _ => builder.attach(),
        }
    };
    let (mut consumer, complete) = match attach(Start::Stored) {
        Ok(consumer) => (consumer, true),
        // While it was away nobody held what it had not read.
        Err(FabricError::Refused { .. }) if role != Role::Audit => (attach(Start::Oldest)?, false),
        Err(error) => return Err(error.into()),
    };
    sightings.begin(consumer.position(), RUN as u64, complete);
    context.works();
    let (mut rounds, mut ended) = (0, false);
    while !(ended && context.orders.now() == Order::End) {
        let read = consumer.poll(RUN, |frame| {
            sightings.take(frame.header(), frame.payload());
            if let Some(epochs) = &mut epochs {
                epochs.take(frame);
            }
            ended =
                frame.header().source() == 0 && frame.header().message_type() == EndOfStream::TYPE;
        })?;
        if read > 0 {
            rounds = 0;
        } else {
            context.args.idle.idle(rounds);
            rounds += 1;
        }
    }
    Ok(())
}
