//! Messages sent at planned times.

use crate::child::Spin;
use crate::clock::Clock;
use crate::error::Result;
use crate::scenarios::{BYTES_TYPE, Line, bytes_schema};
use selvedge_fabric::{ClaimError, Producer, ProducerBuilder};
use std::time::Duration;

/// Planned times: evenly spaced, whatever happens.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    started: u64,
    ticks_each: f64,
    total: u64,
}

impl Schedule {
    /// `rate` messages a second for `duration`, from `started` on.
    pub fn new(started: u64, rate: u64, duration: Duration) -> Self {
        Schedule {
            started,
            ticks_each: Clock::best().ticks_of_ns(1e9 / rate as f64),
            total: (rate as f64 * duration.as_secs_f64()).round().max(1.0) as u64,
        }
    }

    /// When message `number` (from 1) is to be sent, in ticks.
    #[inline(always)]
    pub fn planned(&self, number: u64) -> u64 {
        self.started + ((number - 1) as f64 * self.ticks_each) as u64
    }

    /// How many messages.
    pub fn total(&self) -> u64 {
        self.total
    }
}

/// Registers what a message of `size` bytes is sent as.
pub fn register(builder: ProducerBuilder, size: usize) -> ProducerBuilder {
    if size <= size_of::<Line>() {
        builder.message::<Line>()
    } else {
        builder.schema(bytes_schema())
    }
}

/// Sends messages of one size that carry their number and planned time.
#[derive(Debug)]
pub struct Sender {
    producer: Producer,
    bytes: Vec<u8>,
}

impl Sender {
    /// Sends through `producer`, which was attached with [`register`].
    pub fn new(producer: Producer, size: usize) -> Self {
        let bytes = if size <= size_of::<Line>() {
            Vec::new()
        } else {
            vec![1; size]
        };
        Sender { producer, bytes }
    }

    /// Sends one if there is room.
    #[inline(always)]
    pub fn try_send(&mut self, number: u64, planned: u64) -> Result<bool> {
        let outcome = if self.bytes.is_empty() {
            self.producer.try_claim::<Line>().map(|mut claim| {
                *claim = Line::new(number, planned);
                claim.commit()
            })
        } else {
            self.bytes[..8].copy_from_slice(&number.to_le_bytes());
            self.bytes[8..16].copy_from_slice(&planned.to_le_bytes());
            self.producer
                .try_claim_bytes(BYTES_TYPE, self.bytes.len())
                .map(|mut claim| {
                    claim.copy_from_slice(&self.bytes);
                    claim.commit()
                })
        };
        match outcome {
            Ok(_) => Ok(true),
            Err(ClaimError::Full) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends one, waiting for room.
    pub fn send(&mut self, number: u64, planned: u64) -> Result<()> {
        let mut spin = Spin::new("room in the ring");
        while !self.try_send(number, planned)? {
            spin.turn()?;
        }
        Ok(())
    }
}

/// Number and planned time of a message that lies in `bytes`.
#[inline(always)]
pub fn read(bytes: &[u8]) -> Option<(u64, u64)> {
    let (words, _) = bytes.as_chunks::<8>();
    match words {
        [number, planned, ..] => Some((u64::from_le_bytes(*number), u64::from_le_bytes(*planned))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planned_times_are_evenly_spaced_and_do_not_drift() {
        let schedule = Schedule::new(1000, 1_000_000, Duration::from_secs(3600));
        assert_eq!(schedule.total(), 3_600_000_000);
        assert_eq!(schedule.planned(1), 1000);
        let hour = schedule.planned(schedule.total() + 1) - 1000;
        let expected = Clock::best().ticks(Duration::from_secs(3600));
        assert!(hour.abs_diff(expected) < 1000, "{hour} {expected}");
    }
}
