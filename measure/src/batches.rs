//! How long a reader takes from one batch of messages to the next.

use crate::clock::Clock;
use crate::error::Result;
use crate::recorder::{Recorded, Recorder};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Bytes of a batch: messages of any size move as many, so that their times can be compared.
const BATCH_BYTES: usize = 64 << 10;

/// Times each batch of a stream where it is read, with one reading of the clock a batch.
///
/// A batch ends with the poll in which its last message is read, so its end is known to within one
/// poll, and the next one is not shorter or longer for it: nothing adds up. Batches that end in the
/// same poll have taken an equal share of the time each.
#[derive(Debug)]
pub struct Batches {
    clock: Clock,
    recorder: Recorder,
    messages: u64,
    since: Option<u64>,
    due: u64,
}

/// The times of all whole batches.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BatchTimes {
    /// Messages of a batch.
    pub messages: u64,
    /// How long each batch took.
    pub recorded: Recorded,
}

impl Batches {
    /// For a stream of messages that take `size` bytes each, read for `duration`.
    pub fn new(size: usize, duration: Duration) -> Result<Self> {
        Ok(Batches {
            clock: Clock::best(),
            recorder: Recorder::new(duration)?,
            messages: (BATCH_BYTES / size.max(1)).max(1) as u64,
            since: None,
            due: 1,
        })
    }

    /// How many messages to poll for at a time, at most `most`: few enough for the end of a batch
    /// to be known to within a sixteenth of it, where the messages are not too long for that.
    pub fn poll_limit(&self, most: usize) -> usize {
        most.min((self.messages / 16).max(1) as usize)
    }

    /// To be called after a poll, with how many messages have been read in all. The first batch
    /// begins when something has been read.
    #[inline(always)]
    pub fn taken(&mut self, count: u64) {
        if count >= self.due {
            self.end(count);
        }
    }

    #[inline(never)]
    fn end(&mut self, count: u64) {
        let now = self.clock.now();
        match self.since {
            Some(since) => {
                let ended = (count - self.due) / self.messages + 1;
                let share = now.saturating_sub(since) / ended;
                for batch in 0..ended {
                    let began = since + batch * share;
                    self.recorder.record(began, began + share);
                }
                self.due += ended * self.messages;
            }
            None => self.due = count + self.messages,
        }
        self.since = Some(now);
    }

    /// For another process.
    pub fn hand_over(&self) -> BatchTimes {
        BatchTimes {
            messages: self.messages,
            recorded: self.recorder.hand_over(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: usize = 64;

    #[test]
    fn a_batch_is_as_many_bytes_whatever_the_size_of_a_message() {
        for (size, messages) in [(64, 1024), (1024, 64), (65_536, 1), (100_000, 1)] {
            let batches = Batches::new(size, Duration::from_secs(1)).expect("batches");
            assert_eq!(batches.hand_over().messages, messages, "{size}");
            let limit = batches.poll_limit(64) as u64;
            assert!(limit == 1 || limit * 16 <= messages, "{size}: {limit}");
        }
    }

    #[test]
    fn batches_are_counted_without_drift_and_the_unfinished_one_is_not() {
        let mut batches = Batches::new(LINE, Duration::from_secs(1)).expect("batches");
        // Polls that never end where a batch does: 37 messages begin the first batch.
        let (mut count, polls) = (0, 1000);
        for _ in 0..polls {
            count += 37;
            batches.taken(count);
        }
        let histogram = batches
            .hand_over()
            .recorded
            .histogram()
            .expect("a histogram");
        assert_eq!(histogram.len(), (count - 37) / 1024);
    }

    #[test]
    fn batches_that_end_in_one_poll_share_its_time() {
        let mut batches = Batches::new(LINE, Duration::from_secs(1)).expect("batches");
        batches.taken(1);
        std::thread::sleep(Duration::from_millis(4));
        batches.taken(1 + 4 * 1024 + 5);
        batches.taken(5 * 1024);
        let histogram = batches
            .hand_over()
            .recorded
            .histogram()
            .expect("a histogram");
        assert_eq!(histogram.len(), 4);
        assert!(histogram.min() >= 990_000 && histogram.max() - histogram.min() <= 2_000);
    }

    #[test]
    fn a_stall_is_the_time_of_one_batch() {
        const STALL: Duration = Duration::from_millis(20);
        let mut batches = Batches::new(LINE, Duration::from_secs(1)).expect("batches");
        batches.taken(1);
        for batch in 1..=100 {
            if batch == 50 {
                std::thread::sleep(STALL);
            }
            batches.taken(1 + 1024 * batch);
        }
        let recorded = batches.hand_over().recorded;
        let histogram = recorded.histogram().expect("a histogram");
        assert_eq!(histogram.len(), 100);
        assert!(histogram.max() >= STALL.as_nanos() as u64 * 99 / 100);
        assert!(histogram.value_at_quantile(0.5) < STALL.as_nanos() as u64 / 2);
    }
}
