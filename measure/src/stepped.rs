//! A fabric whose sequencer is stepped by hand: fixed work in one thread, the same on every run.

use crate::child::PATIENCE;
use crate::error::{MeasureError, Result};
use crate::scenarios::Line;
use crate::scratch::Scratch;
use selvedge_fabric::{Consumer, Fabric, Producer, Start};
use selvedge_sequencer::{Sequencer, SequencerConfig, TimeSource};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

/// Producer, sequencer and consumer in one thread.
pub struct Stepped {
    /// Publishes [`Line`]s.
    pub producer: Producer,
    /// Sequences them when it is stepped.
    pub sequencer: Sequencer,
    /// Reads them, and holds the sequencer back until it has.
    pub consumer: Consumer,
    // Last: its files go when nobody uses them any more.
    _scratch: Scratch,
}

impl Stepped {
    /// A new fabric with the shipped defaults, everybody attached. The sequencer's conductor has a
    /// thread of its own, as shipped.
    pub fn new() -> Result<Self> {
        let scratch = Scratch::new()?;
        let fabric = scratch.fabric(|_| {})?;
        let sequencer = Sequencer::start(&fabric, &SequencerConfig::default())?;
        Self::attach(scratch, &fabric, sequencer)
    }

    /// The same with time standing still: what this thread executes depends on nothing outside.
    pub fn repeatable() -> Result<Self> {
        Self::standing_still(true)
    }

    /// As [`Stepped::repeatable`], in a fabric that records no latency.
    pub fn unrecorded() -> Result<Self> {
        Self::standing_still(false)
    }

    fn standing_still(recorded: bool) -> Result<Self> {
        let scratch = Scratch::new()?;
        let fabric = scratch.fabric(|config| config.latency = recorded)?;
        let config = SequencerConfig {
            time: TimeSource::Manual(Arc::new(AtomicU64::new(1))),
            ..SequencerConfig::default()
        };
        let sequencer = Sequencer::start(&fabric, &config)?;
        Self::attach(scratch, &fabric, sequencer)
    }

    fn attach(scratch: Scratch, fabric: &Fabric, mut sequencer: Sequencer) -> Result<Self> {
        let mut producer = fabric.producer("stepped").message::<Line>().begin()?;
        let mut consumer = fabric.consumer("stepped").start(Start::Latest).begin()?;
        let (mut producing, mut consuming) = (None, None);
        // Admitting takes many duty cycles, and for a conductor with a thread some milliseconds.
        let started = Instant::now();
        while producing.is_none() || consuming.is_none() {
            for _ in 0..64 {
                sequencer.do_work()?;
            }
            if producing.is_none() {
                producing = producer.poll()?;
            }
            if consuming.is_none() {
                consuming = consumer.poll()?;
            }
            // The conductor's thread must get a turn, on one core and under an emulator too.
            std::thread::sleep(std::time::Duration::from_millis(1));
            if started.elapsed() > PATIENCE {
                return Err(MeasureError::Host("nobody was admitted".to_owned()));
            }
        }
        match (producing, consuming) {
            (Some(producer), Some(mut consumer)) => {
                // The fabric's own frames about who has come are not what is counted.
                while consumer.poll(64, |_| {})? > 0 {}
                Ok(Stepped {
                    producer,
                    sequencer,
                    consumer,
                    _scratch: scratch,
                })
            }
            _ => Err(MeasureError::Host("nobody was admitted".to_owned())),
        }
    }

    /// Publishes `count` lines, from `first` on, as one run.
    #[inline(never)]
    pub fn publish_run(&mut self, first: u64, count: u64) -> Result<()> {
        let sent = self
            .producer
            .try_publish_run(count as usize, |index, line: &mut Line| {
                *line = Line::new(first + index as u64, 0);
            })?;
        crate::check_equal("messages that had room", sent as u64, count)
    }

    /// Publishes `count` lines, from `first` on, one by one.
    #[inline(never)]
    pub fn publish(&mut self, first: u64, count: u64) -> Result<()> {
        for number in first..first + count {
            let mut claim = self.producer.try_claim::<Line>()?;
            *claim = Line::new(number, 0);
            claim.commit();
        }
        Ok(())
    }

    /// Steps the sequencer until it has sequenced `count` frames.
    #[inline(never)]
    pub fn sequence(&mut self, count: u64) -> Result<()> {
        let until = self.sequencer.next_sequence() + count;
        while self.sequencer.next_sequence() < until {
            self.sequencer.do_work()?;
        }
        Ok(())
    }

    /// Reads `count` frames and adds up their words.
    #[inline(never)]
    pub fn poll(&mut self, count: u64) -> Result<u64> {
        let (mut read, mut sum) = (0u64, 0u64);
        while read < count {
            read += self.consumer.poll(64, |frame| {
                if let Some(line) = frame.get::<Line>() {
                    sum = sum
                        .wrapping_add(line.number)
                        .wrapping_add(line.complement)
                        .wrapping_add(line.multiple);
                }
            })? as u64;
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_read() {
        let mut stepped = Stepped::repeatable().expect("a fabric");
        stepped.poll(0).expect("nothing");
        let mut sum = 0u64;
        for part in 0..100 {
            stepped.publish(1 + part * 64, 64).expect("room");
            stepped.sequence(64).expect("sequenced");
            sum = sum.wrapping_add(stepped.poll(64).expect("read"));
        }
        assert_eq!(sum, Line::sum_of(6400));
    }
}
