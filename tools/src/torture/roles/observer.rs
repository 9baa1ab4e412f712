//! Copying consumers: one that holds nobody, one that holds within its patience.

use super::{Context, PATIENCE, RUN};
use crate::error::Result;
use crate::torture::role::Role;
use crate::torture::sightings::Sightings;
use crate::torture::stage::Order;
use selvedge_fabric::frame::system::EndOfStream;
use selvedge_fabric::message::Message;
use selvedge_fabric::{FabricError, Observer, Start};
use std::time::{Duration, Instant};

/// How long the holding observer may keep everybody waiting: some freezes are longer.
const HOLD: Duration = Duration::from_millis(100);

pub(super) fn run(context: &Context) -> Result<()> {
    let mut sightings = Sightings::open(&context.stage.sightings(context.args.role))?;
    let mut observer = attach(context)?;
    // A place that was overwritten since is told as missed; nobody held it for this reader.
    sightings.begin(observer.position(), RUN as u64, false);
    context.works();
    let (mut rounds, mut ended) = (0, false);
    while !(ended && context.orders.now() == Order::End) {
        let polled = observer.poll(RUN, |frame| {
            sightings.take(frame.header(), frame.payload());
            ended =
                frame.header().source() == 0 && frame.header().message_type() == EndOfStream::TYPE;
        });
        match polled {
            Ok(0) => {
                context.args.idle.idle(rounds);
                rounds += 1;
            }
            Ok(_) => rounds = 0,
            Err(FabricError::Overrun { to, .. }) => sightings.missed(to + 1),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn attach(context: &Context) -> Result<Observer> {
    let deadline = Instant::now() + PATIENCE;
    let mut start = Start::Stored;
    loop {
        let mut builder = context
            .fabric
            .observer(context.args.role.name())
            .start(start)
            .timeout(PATIENCE);
        if context.args.role == Role::Holding {
            builder = builder.hold(HOLD);
        }
        match builder.attach() {
            Ok(observer) => return Ok(observer),
            // Overwritten while it was away; or a takeover is going on, and the next try tells.
            Err(error) if Instant::now() < deadline && may_be_tried_again(&error) => {
                let overwritten = match error {
                    FabricError::SequenceNotAvailable {
                        sequence, oldest, ..
                    } => sequence < oldest,
                    _ => true,
                };
                if overwritten {
                    start = Start::Oldest;
                }
                std::thread::sleep(Duration::from_micros(200));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn may_be_tried_again(error: &FabricError) -> bool {
    matches!(
        error,
        FabricError::Refused { .. } | FabricError::SequenceNotAvailable { .. }
    )
}
