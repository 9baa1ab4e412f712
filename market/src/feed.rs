//! The pure part of a feed handler: from ITCH bytes to normalised messages, one at a time.

use crate::MarketError;
use crate::itch::{ITCH_TYPES, ItchMessage, ItchSource};
use crate::messages::{EndOfFeed, MarketMessage, Publish};

/// What one step of a feed did.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FeedStep {
    /// A message went out.
    Published,
    /// The target did not take the message. It is kept and offered again by the next step.
    Blocked,
    /// Everything went out, [`EndOfFeed`] included.
    Finished,
}

/// Reads a source of ITCH messages and gives normalised messages, each of them exactly once.
///
/// A message stays at the front until it is taken, so a full ring loses nothing. After the last
/// one comes one [`EndOfFeed`]. A source that fails ends the feed with its error, after everything
/// before was taken, and without an [`EndOfFeed`].
#[derive(Debug)]
pub struct Feed<S> {
    source: S,
    front: Option<MarketMessage>,
    counts: [u64; 256],
    unknown: u64,
    taken: u64,
    last_time_ns: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Running,
    /// The source has ended; the front is the end-of-feed message.
    Ending,
    Finished,
}

impl<S: ItchSource> Feed<S> {
    /// A feed at the beginning of `source`.
    pub fn new(source: S) -> Self {
        Feed {
            source,
            front: None,
            counts: [0; 256],
            unknown: 0,
            taken: 0,
            last_time_ns: 0,
            state: State::Running,
        }
    }

    /// The message at the front, read from the source if need be. `None` once [`EndOfFeed`] was
    /// taken. Messages of types that ITCH 5.0 does not have are counted and passed over.
    ///
    /// # Errors
    ///
    /// The source's, and [`MarketError::MessageLength`] where it delivers a malformed message.
    #[inline]
    pub fn front(&mut self) -> Result<Option<&MarketMessage>, MarketError> {
        if self.front.is_none() {
            self.read()?;
        }
        Ok(self.front.as_ref())
    }

    #[inline]
    fn read(&mut self) -> Result<(), MarketError> {
        if self.state != State::Running {
            return Ok(());
        }
        while let Some(bytes) = self.source.next_message()? {
            match ItchMessage::decode(bytes)? {
                Some(message) => {
                    let header = message.header();
                    self.counts[usize::from(header.code)] += 1;
                    self.last_time_ns = header.timestamp.get();
                    self.front = Some(message.into());
                    return Ok(());
                }
                None => self.unknown += 1,
            }
        }
        self.state = State::Ending;
        let end = EndOfFeed {
            time_ns: self.last_time_ns,
            messages: self.taken,
            unknown: self.unknown,
            bytes: self.source.offset(),
        };
        self.front = Some(end.into());
        Ok(())
    }

    /// Takes the front: it is dealt with, the next message moves up. Nothing where
    /// [`front`](Self::front) was not called before.
    #[inline]
    pub fn take(&mut self) {
        if self.front.take().is_none() {
            return;
        }
        match self.state {
            State::Running => self.taken += 1,
            State::Ending | State::Finished => self.state = State::Finished,
        }
    }

    /// Offers the front to `target` and takes it if it was accepted.
    ///
    /// # Errors
    ///
    /// Those of [`front`](Self::front).
    #[inline]
    pub fn step(&mut self, target: &mut impl Publish) -> Result<FeedStep, MarketError> {
        let Some(message) = self.front()? else {
            return Ok(FeedStep::Finished);
        };
        if message.publish(target) {
            self.take();
            Ok(FeedStep::Published)
        } else {
            Ok(FeedStep::Blocked)
        }
    }

    /// Exchange time of the front in nanoseconds since midnight, to pace a replay with (see
    /// [`crate::pace::Pace`]). `None` once everything went out.
    ///
    /// # Errors
    ///
    /// Those of [`front`](Self::front).
    pub fn next_due_exchange_time(&mut self) -> Result<Option<u64>, MarketError> {
        Ok(self.front()?.and_then(MarketMessage::time_ns))
    }

    /// Passes over the next `count` messages as if they had gone out, [`EndOfFeed`] included: for a
    /// feed handler that starts again and knows how many of its messages are in the stream. How
    /// many were passed over: fewer than `count` where the feed has no more.
    ///
    /// # Errors
    ///
    /// Those of [`front`](Self::front).
    pub fn skip(&mut self, count: u64) -> Result<u64, MarketError> {
        for skipped in 0..count {
            if self.front()?.is_none() {
                return Ok(skipped);
            }
            self.take();
        }
        Ok(count)
    }

    /// Whether everything went out, [`EndOfFeed`] included.
    pub fn is_finished(&self) -> bool {
        self.state == State::Finished
    }

    /// Market data messages taken so far.
    pub fn messages(&self) -> u64 {
        self.taken
    }

    /// Messages passed over because ITCH 5.0 does not have their type.
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Messages read of one ITCH type.
    pub fn count(&self, code: u8) -> u64 {
        self.counts[usize::from(code)]
    }

    /// Messages read of each ITCH type, in the order of the specification, those of which there
    /// were none left out.
    pub fn counts(&self) -> impl Iterator<Item = (char, u64)> + '_ {
        ITCH_TYPES
            .iter()
            .map(|&code| (char::from(code), self.count(code)))
            .filter(|&(_, count)| count > 0)
    }

    /// The source.
    pub fn source(&self) -> &S {
        &self.source
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::{Generator, GeneratorConfig};
    use selvedge_fabric::message::Message;

    /// A ring with little room, emptied now and then.
    struct Ring {
        room: usize,
        payloads: Vec<(u16, Vec<u8>)>,
    }

    impl Publish for Ring {
        fn publish<M: Message>(&mut self, message: &M) -> bool {
            if self.room == 0 {
                return false;
            }
            self.room -= 1;
            self.payloads.push((M::TYPE, message.as_bytes().to_vec()));
            true
        }
    }

    fn source() -> Generator {
        Generator::new(GeneratorConfig {
            messages: 3_000,
            symbols: 2,
            ..GeneratorConfig::default()
        })
        .unwrap()
    }

    fn collect(room: usize) -> (Vec<(u16, Vec<u8>)>, u64) {
        let mut feed = Feed::new(source());
        let mut ring = Ring {
            room,
            payloads: Vec::new(),
        };
        let mut blocked = 0;
        loop {
            match feed.step(&mut ring).unwrap() {
                FeedStep::Published => {}
                FeedStep::Blocked => {
                    blocked += 1;
                    ring.room = room;
                }
                FeedStep::Finished => break,
            }
        }
        assert!(feed.is_finished());
        assert_eq!(feed.step(&mut ring), Ok(FeedStep::Finished));
        (ring.payloads, blocked)
    }

    #[test]
    fn a_full_ring_loses_and_repeats_nothing() {
        let (all, _) = collect(usize::MAX);
        let (bit_by_bit, blocked) = collect(7);
        assert!(blocked > 100);
        assert_eq!(all.len(), 3_001);
        assert!(all == bit_by_bit);
        let ends = all
            .iter()
            .filter(|(message_type, _)| *message_type == EndOfFeed::TYPE);
        assert_eq!(ends.count(), 1);
        assert_eq!(all[3_000].0, EndOfFeed::TYPE);
        let Ok(Some(MarketMessage::EndOfFeed(end))) =
            MarketMessage::decode(all[3_000].0, &all[3_000].1)
        else {
            panic!("not an end of feed");
        };
        assert_eq!((end.messages, end.unknown), (3_000, 0));
    }

    #[test]
    fn skipping_goes_on_where_the_stream_stands() {
        let (all, _) = collect(usize::MAX);
        for count in [0, 1, 17, 2_999, 3_000] {
            let mut feed = Feed::new(source());
            assert_eq!(feed.skip(count), Ok(count));
            let front = *feed.front().unwrap().unwrap();
            assert_eq!(front.as_bytes(), all[count as usize].1);
        }
        let mut feed = Feed::new(source());
        assert_eq!(feed.skip(5_000), Ok(3_001));
        assert!(feed.is_finished());
    }

    struct Fixed(Vec<Vec<u8>>, usize);

    impl ItchSource for Fixed {
        fn next_message(&mut self) -> Result<Option<&[u8]>, MarketError> {
            self.1 += 1;
            Ok(self.0.get(self.1 - 1).map(Vec::as_slice))
        }

        fn offset(&self) -> u64 {
            0
        }
    }

    #[test]
    fn unknown_types_are_counted_and_passed_over() {
        let known = b"S\0\0\0\0\0\0\0\0\0\x07O".to_vec();
        let mut feed = Feed::new(Fixed(vec![b"z".to_vec(), known, b"!something".to_vec()], 0));
        assert_eq!(feed.next_due_exchange_time(), Ok(Some(7)));
        assert_eq!(feed.skip(9), Ok(2));
        assert_eq!(feed.unknown(), 2);
        assert_eq!(feed.messages(), 1);
        assert_eq!(feed.counts().collect::<Vec<_>>(), [('S', 1)]);
    }

    #[test]
    fn a_malformed_message_is_an_error() {
        let mut feed = Feed::new(Fixed(vec![b"S\0\0".to_vec()], 0));
        assert!(matches!(
            feed.front(),
            Err(MarketError::MessageLength {
                code: b'S',
                expected: 12,
                found: 3
            })
        ));
    }
}
