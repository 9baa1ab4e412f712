//! A producer: says what it is about to commit, commits, says that it has.

use super::{Context, PATIENCE};
use crate::error::Result;
use crate::torture::message::{LONG, Tick, long_schema};
use crate::torture::random::Random;
use crate::torture::stage::Order;
use selvedge_fabric::{ClaimError, Producer};
use std::time::{Duration, Instant};

/// One in so many messages does not fit its slot.
const LONG_EVERY: u64 = 16;

pub(super) fn run(context: &Context) -> Result<()> {
    let name = format!("producer-{}", context.args.index);
    let mut producer = context
        .fabric
        .producer(&name)
        .message::<Tick>()
        .schema(long_schema())
        .timeout(PATIENCE)
        .attach()?;
    let life = context.life();
    life.admitted(producer.next_source_sequence());
    context.works();
    let mut random = Random::new(context.args.seed ^ context.args.life);
    let mut bytes = Vec::new();
    while context.orders.now() == Order::Run {
        for _ in 0..random.between(1, 64) {
            let more = if random.between(0, 3) == 0 {
                publish_run(context, &mut producer)?
            } else {
                publish(context, &mut producer, &mut bytes)?
            };
            if !more {
                break;
            }
        }
        std::thread::sleep(Duration::from_micros(random.between(50, 1500)));
    }
    let last = producer.next_source_sequence() - 1;
    let deadline = Instant::now() + PATIENCE;
    while producer.sequenced().is_none_or(|taken| taken < last) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Publishes, in groups, what comes before the next message that does not fit its slot. `false`:
/// there is no room.
fn publish_run(context: &Context, producer: &mut Producer) -> Result<bool> {
    let life = context.life();
    let first = producer.next_source_sequence();
    let length = first.next_multiple_of(LONG_EVERY) - first;
    if length == 0 {
        return Ok(true);
    }
    life.intends(first + length - 1);
    let published = producer.try_publish_run(length as usize, |index, tick: &mut Tick| {
        *tick = Tick::new(first + index as u64, context.args.life);
    });
    match published {
        Ok(count) => {
            if count > 0 {
                life.committed(first + count as u64 - 1);
            }
            Ok(count as u64 == length)
        }
        Err(error) => Err(producer
            .explain(
                error,
                size_of::<Tick>(),
                <Tick as selvedge_fabric::message::Message>::TYPE,
            )
            .into()),
    }
}

/// Publishes the next message. `false`: there is no room.
fn publish(context: &Context, producer: &mut Producer, bytes: &mut Vec<u8>) -> Result<bool> {
    let life = context.life();
    let number = producer.next_source_sequence();
    let tick = Tick::new(number, context.args.life);
    life.intends(number);
    let (published, length, message_type) = if number.is_multiple_of(LONG_EVERY) {
        tick.lengthen(bytes);
        (producer.try_publish_bytes(LONG, bytes), bytes.len(), LONG)
    } else {
        (
            producer.try_publish(&tick),
            size_of::<Tick>(),
            <Tick as selvedge_fabric::message::Message>::TYPE,
        )
    };
    match published {
        Ok(_) => {
            life.committed(number);
            Ok(true)
        }
        Err(ClaimError::Full) => Ok(false),
        Err(error) => Err(producer.explain(error, length, message_type).into()),
    }
}
