//! A copying consumer: holds nobody back, checks every copy, and says what it missed.

use super::consumer::not_admitted;
use super::consumer_file::{Registered, Terms, register};
use super::frame::Frame;
use super::payload_ring::checked_offset;
use super::place::Place;
use super::start::Start;
use crate::error::{FabricError, Result};
use crate::fabric::Fabric;
use crate::frame::{Flags, FrameHeader};
use crate::host::IdleStrategy;
use crate::latency::ConsumedLatency;
use crate::protocol::Ordering;
use crate::protocol::gating::GatingCursor;
use crate::protocol::stream::FRAME_HEADER_WORDS;
use crate::shared::cursor::{ConsumerKind, CursorFile, StartRequest};
use std::time::{Duration, Instant};

/// The most frames copied before they are checked and handed out.
const RUN: u64 = 64;

/// How an observer is to attach.
#[derive(Clone, Debug)]
pub struct ObserverBuilder {
    fabric: Fabric,
    name: String,
    start: Start,
    patience: Option<Duration>,
    timeout: Duration,
    latency: bool,
}

impl ObserverBuilder {
    pub(crate) fn new(fabric: Fabric, name: &str) -> Self {
        ObserverBuilder {
            fabric,
            name: name.to_owned(),
            start: Start::Latest,
            patience: None,
            timeout: Duration::from_secs(5),
            latency: true,
        }
    }

    /// Where to begin; [`Start::Latest`] unless said otherwise.
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Holds the stream like a gating consumer, but loses the hold when it stands still for
    /// `patience` while the stream waits for it: a frozen process then holds nobody up for longer.
    /// When it reads again it is told what it missed, and holds again from where it stands once the
    /// sequencer finds that it has moved, within milliseconds. A sequencer that takes over waits for
    /// it once more.
    pub fn hold(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Records no latency: for one that looks on now and then under a name of the moment, whose
    /// histogram nobody would ask for.
    pub fn without_latency(mut self) -> Self {
        self.latency = false;
        self
    }

    /// How long to wait for the sequencer to admit an observer that holds; five seconds unless said
    /// otherwise.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Attaches. Nobody has to admit an observer that does not hold; an error where the fabric
    /// never had a sequencer or the start is not in the rings.
    pub fn attach(self) -> Result<Observer> {
        let terms = Terms {
            kind: if self.patience.is_some() {
                ConsumerKind::Holding
            } else {
                ConsumerKind::Copying
            },
            essential: false,
            patience_ns: self
                .patience
                .map_or(0, |patience| patience.as_nanos() as u64),
        };
        let registered = register(&self.fabric, &self.name, terms, self.start)?;
        let file = registered.file.clone();
        // Not admitted: the name is free for the next try.
        self.begin_at_its_place(registered)
            .inspect_err(|_| file.set_detached())
    }

    fn begin_at_its_place(self, registered: Registered) -> Result<Observer> {
        if self.patience.is_some() {
            let sequence = self.wait_for_grant(&registered)?;
            return self.at(registered, sequence);
        }
        self.wait_until_open();
        let request = self.start.resolve(&self.fabric, registered.stored)?;
        let oldest = self.fabric.oldest_sequence();
        let next = self.fabric.next_sequence();
        let sequence = match request {
            StartRequest::Latest => next,
            StartRequest::Oldest => oldest,
            StartRequest::Sequence(sequence) if (oldest..=next).contains(&sequence) => sequence,
            StartRequest::Sequence(sequence) => {
                return Err(FabricError::SequenceNotAvailable {
                    sequence,
                    oldest,
                    newest: next.saturating_sub(1),
                });
            }
        };
        self.at(registered, sequence)
    }

    /// While a sequencer takes over nothing can be found: that is waited for.
    fn wait_until_open(&self) {
        let started = Instant::now();
        let mut rounds = 0;
        loop {
            let epoch = self.fabric.epoch().load();
            let opening = self
                .fabric
                .bank(epoch)
                .is_some_and(|bank| bank.header().read(epoch).is_none());
            if !opening || started.elapsed() >= self.timeout {
                return;
            }
            IdleStrategy::Park.idle(rounds);
            rounds += 1;
        }
    }

    fn wait_for_grant(&self, registered: &Registered) -> Result<u64> {
        let started = Instant::now();
        let mut rounds = 0;
        loop {
            if let Some(sequence) = super::consumer::granted(&self.fabric, &self.name, registered)?
            {
                return Ok(sequence);
            }
            if started.elapsed() >= self.timeout {
                return Err(not_admitted(
                    &self.fabric,
                    "consumer",
                    &self.name,
                    self.timeout,
                ));
            }
            IdleStrategy::Park.idle(rounds);
            rounds += 1;
        }
    }

    fn at(self, registered: Registered, sequence: u64) -> Result<Observer> {
        let place = Place::new(&self.fabric, sequence)?;
        let cursor = registered
            .file
            .cursor()
            .ok_or_else(|| FabricError::Damaged {
                path: self.fabric.paths().consumer(&self.name),
                what: "consumer file",
                detail: "it has no cursor".to_owned(),
            })?;
        cursor.release(sequence);
        let slot_words = self.fabric.control().slot_words();
        let latency = self
            .latency
            .then(|| ConsumedLatency::new(&self.fabric, &self.name))
            .flatten();
        Ok(Observer {
            latency: latency.map(Box::new),
            name: self.name,
            file: registered.file,
            cursor,
            slot_words,
            inline_bytes: self.fabric.control().inline_bytes(),
            place,
            copies: vec![0; RUN as usize * slot_words],
            payload: Vec::new(),
            missed: 0,
        })
    }
}

/// A copying consumer.
///
/// It holds nobody back, unless its builder says [`ObserverBuilder::hold`]. When it falls further behind than the ring it gets an
/// [`FabricError::Overrun`] that names exactly the frames it missed, and then goes on with the
/// oldest that is left.
///
/// It records its latency as a gating consumer does, one sample a run, unless its builder says
/// [`ObserverBuilder::without_latency`].
#[derive(Debug)]
pub struct Observer {
    name: String,
    file: CursorFile,
    cursor: GatingCursor,
    place: Place,
    slot_words: usize,
    inline_bytes: usize,
    copies: Vec<u64>,
    payload: Vec<u64>,
    missed: u64,
    latency: Option<Box<ConsumedLatency>>,
}

impl Observer {
    /// The observer's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The sequence read next.
    pub fn position(&self) -> u64 {
        self.place.next()
    }

    /// Frames missed in all.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// The fabric.
    pub fn fabric(&self) -> &Fabric {
        self.place.fabric()
    }

    /// Hands up to `limit` frames (at most 64) to `handler`, as checked copies. Returns how many.
    pub fn poll(&mut self, limit: usize, mut handler: impl FnMut(&Frame<'_>)) -> Result<usize> {
        let limit = (limit as u64).min(RUN);
        let count = match self.place.ready(limit) {
            Ok(count) => count,
            Err(FabricError::Overrun { .. }) => return Err(self.overrun()),
            Err(error) => return Err(error),
        };
        if count == 0 {
            // Nothing published where it looks, or overwritten by later laps.
            return if self.intact_from() > self.place.next() {
                Err(self.overrun())
            } else {
                Ok(0)
            };
        }
        for ahead in 0..count {
            let copy = ahead as usize * self.slot_words;
            for index in 0..self.slot_words {
                self.copies[copy + index] = self.place.reader().word(ahead, index);
            }
        }
        if self.intact_from() > self.place.next() {
            return Err(self.overrun());
        }
        let mut read = 0;
        for ahead in 0..count {
            let slot = ahead as usize * self.slot_words;
            let words = &self.copies[slot..slot + self.slot_words];
            let header = FrameHeader::from_words([words[0], words[1], words[2], words[3]]);
            if header.flags().contains(Flags::EXTERNAL) {
                let position = words[FRAME_HEADER_WORDS];
                if !copy_payload(&self.place, position, header.length(), &mut self.payload) {
                    if read == 0 {
                        return Err(self.overrun());
                    }
                    // What was handed out is read; the next call reports the overrun.
                    break;
                }
                handler(&Frame::new(
                    header,
                    &bytes_of(&self.payload)[..header.length()],
                ));
            } else {
                let bytes = bytes_of(&words[FRAME_HEADER_WORDS..]);
                handler(&Frame::new(
                    header,
                    &bytes[..header.length().min(self.inline_bytes)],
                ));
            }
            read += 1;
        }
        self.place.advance(read);
        self.cursor.release(self.place.next());
        if let Some(latency) = &mut self.latency {
            // The copy of the first frame's time stamp: the one that has waited longest.
            latency.record(self.copies[1], self.place.reader().epoch());
        }
        Ok(read as usize)
    }

    fn intact_from(&self) -> u64 {
        self.place
            .bank()
            .map_or(0, |bank| bank.bound().intact_from())
    }

    /// Goes on with the oldest frame that is left, and says what was missed.
    #[cold]
    fn overrun(&mut self) -> FabricError {
        let from = self.place.next();
        let fabric = self.place.fabric().clone();
        // A payload can be overwritten while its slot is still whole: that frame is missed too.
        let mut resume = fabric.oldest_sequence().max(from + 1);
        for _ in 0..1000 {
            match self.place.go_to(resume) {
                Ok(()) => break,
                Err(_) => resume = fabric.oldest_sequence().max(resume + 1),
            }
        }
        let to = resume - 1;
        self.missed += resume - from;
        self.cursor.release(resume);
        FabricError::Overrun { from, to }
    }
}

/// Copies a payload out of the payload ring. `false`: it was overwritten.
fn copy_payload(place: &Place, position: u64, length: usize, copy: &mut Vec<u64>) -> bool {
    let Some(offset) = checked_offset(position, length, place.payload_bytes()) else {
        return false;
    };
    copy.clear();
    for index in 0..length.div_ceil(8) {
        let Some(word) = place.payload().get(offset / 8 + index) else {
            return false;
        };
        copy.push(word.load(Ordering::Relaxed));
    }
    place
        .bank()
        .is_some_and(|bank| bank.bound().payload_intact_from() <= position)
        && place
            .bank()
            .is_some_and(|bank| bank.bound().intact_from() <= place.next())
}

fn bytes_of(words: &[u64]) -> &[u8] {
    zerocopy::IntoBytes::as_bytes(words)
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.file.set_detached();
    }
}
