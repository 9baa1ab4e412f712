//! A gating consumer: reads in place and holds the sequencer back until it has.

use super::consumer_file::{Registered, Terms, register};
use super::frame::Frame;
use super::handler::InsideHandler;
use super::place::Place;
use super::start::Start;
use crate::error::{FabricError, Result};
use crate::fabric::Fabric;
use crate::host::IdleStrategy;
use crate::latency::ConsumedLatency;
use crate::protocol::gating::GatingCursor;
use crate::shared::cursor::{ConsumerKind, CursorFile};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// How a gating consumer is to attach.
#[derive(Clone, Debug)]
pub struct ConsumerBuilder {
    fabric: Fabric,
    name: String,
    start: Start,
    essential: bool,
    timed_every: u64,
    timeout: Duration,
}

impl ConsumerBuilder {
    pub(crate) fn new(fabric: Fabric, name: &str) -> Self {
        ConsumerBuilder {
            fabric,
            name: name.to_owned(),
            start: Start::Latest,
            essential: false,
            timed_every: 16,
            timeout: Duration::from_secs(5),
        }
    }

    /// Where to begin; [`Start::Latest`] unless said otherwise.
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Keeps holding what was not read even when this process dies, until a consumer of the same
    /// name comes back or leaves in order: for the journal, and whoever else may not miss a frame.
    /// Producers wait meanwhile, once the ring is full.
    pub fn essential(mut self) -> Self {
        self.essential = true;
        self
    }

    /// Times each run of frames that contains a sequence divisible by `n` (a power of two; 16
    /// unless said), for the sequenced-to-consumed latency: long runs always, single frames one in
    /// `n`. One reading of the tick counter each; 0: never.
    pub fn timed_every(mut self, n: u64) -> Self {
        self.timed_every = n;
        self
    }

    /// How long [`ConsumerBuilder::attach`] waits for the sequencer; five seconds unless said
    /// otherwise.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Takes the name; the sequencer has still to admit it.
    pub fn begin(self) -> Result<PendingConsumer> {
        if self.timed_every != 0 && !self.timed_every.is_power_of_two() {
            return Err(FabricError::BadSetting {
                setting: "timed_every",
                value: self.timed_every.to_string(),
                remedy: "use 0 or a power of two".to_owned(),
            });
        }
        let terms = Terms {
            kind: ConsumerKind::Gating,
            essential: self.essential,
            patience_ns: 0,
        };
        let registered = register(&self.fabric, &self.name, terms, self.start)?;
        Ok(PendingConsumer {
            fabric: self.fabric,
            name: self.name,
            timed_every: self.timed_every,
            registered: Some(registered),
        })
    }

    /// Attaches, waiting for the sequencer to admit the consumer.
    pub fn attach(self) -> Result<Consumer> {
        let timeout = self.timeout;
        let started = Instant::now();
        let mut pending = self.begin()?;
        let mut rounds = 0;
        loop {
            if let Some(consumer) = pending.poll()? {
                return Ok(consumer);
            }
            if started.elapsed() >= timeout {
                return Err(not_admitted(
                    &pending.fabric,
                    "consumer",
                    &pending.name,
                    timeout,
                ));
            }
            IdleStrategy::Park.idle(rounds);
            rounds += 1;
        }
    }
}

/// The error for who waited in vain, with the likely reason.
pub(super) fn not_admitted(
    fabric: &Fabric,
    role: &'static str,
    name: &str,
    waited: Duration,
) -> FabricError {
    let reason = match fabric.sequencer() {
        Some(view) if view.alive => format!(
            "the sequencer (process {}) lives but does not answer: is it stopped, or starved of its core?",
            view.process.pid
        ),
        _ => format!(
            "fabric `{}` has no running sequencer: start one with `selvedge sequencer {}`",
            fabric.name(),
            fabric.name()
        ),
    };
    FabricError::NotAdmitted {
        role,
        name: name.to_owned(),
        waited_ms: waited.as_millis() as u64,
        reason,
    }
}

/// A consumer that waits to be admitted. Dropping it gives the name back.
#[derive(Debug)]
pub struct PendingConsumer {
    fabric: Fabric,
    name: String,
    timed_every: u64,
    registered: Option<Registered>,
}

impl PendingConsumer {
    /// The consumer, once the sequencer has admitted it.
    pub fn poll(&mut self) -> Result<Option<Consumer>> {
        let Some(registered) = &self.registered else {
            return Ok(None);
        };
        let Some(sequence) = granted(&self.fabric, &self.name, registered)? else {
            return Ok(None);
        };
        let place = Place::new(&self.fabric, sequence)?;
        let Some(cursor) = registered.file.cursor() else {
            return Ok(None);
        };
        let Some(registered) = self.registered.take() else {
            return Ok(None);
        };
        let latency = match self.timed_every {
            0 => None,
            _ => ConsumedLatency::new(&self.fabric, &self.name).map(Box::new),
        };
        Ok(Some(Consumer {
            // Without a histogram no run is timed: no sequence is that large.
            timed_mask: match &latency {
                Some(_) => self.timed_every - 1,
                None => u64::MAX,
            },
            latency,
            name: std::mem::take(&mut self.name),
            file: registered.file,
            cursor,
            place,
        }))
    }
}

/// The sequence from which on a registered consumer's frames are held, once the sequencer has
/// granted it and the consumer's cursor stands there.
pub(super) fn granted(fabric: &Fabric, name: &str, registered: &Registered) -> Result<Option<u64>> {
    let epoch = fabric.epoch().load();
    let Some(bank) = fabric.bank(epoch) else {
        return Ok(None);
    };
    if bank.header().read(epoch).is_none() {
        return Ok(None);
    }
    if let Some(reason) = bank.refusal(registered.nonce) {
        return Err(FabricError::Refused {
            role: "consumer",
            name: name.to_owned(),
            reason,
        });
    }
    let Some(entry) = bank.find_consumer(registered.nonce) else {
        return Ok(None);
    };
    crash_point!("consumer.granted");
    let started = registered
        .file
        .cursor()
        .is_some_and(|cursor| cursor.start(entry.granted_from, fabric.epoch(), epoch));
    // Not started: the sequencer was replaced meanwhile, its successor grants anew.
    Ok(started.then_some(entry.granted_from))
}

impl Drop for PendingConsumer {
    fn drop(&mut self) {
        if let Some(registered) = &self.registered {
            registered.file.set_not_admitted();
        }
    }
}

/// A gating consumer.
///
/// Its cursor holds the ring: what it has not read is not overwritten, however long it takes, and
/// producers wait meanwhile. Its death releases the ring. Its position is stored under its name;
/// after a crash the frames of the run that was being handled are delivered again.
#[derive(Debug)]
pub struct Consumer {
    name: String,
    file: CursorFile,
    cursor: GatingCursor,
    place: Place,
    timed_mask: u64,
    latency: Option<Box<ConsumedLatency>>,
}

impl Consumer {
    /// The consumer's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The sequence read next.
    #[inline(always)]
    pub fn position(&self) -> u64 {
        self.place.next()
    }

    /// The fabric.
    pub fn fabric(&self) -> &Fabric {
        self.place.fabric()
    }

    /// Hands up to `limit` frames to `handler`, in place, and releases them when it has returned
    /// from the last. Returns how many.
    ///
    /// A limit of 64 to 256 serves most: the cursor moves once a call, so a smaller one costs
    /// more and a larger one releases later.
    #[inline]
    pub fn poll(&mut self, limit: usize, mut handler: impl FnMut(&Frame<'_>)) -> Result<usize> {
        self.poll_while(limit, |frame| {
            handler(frame);
            ControlFlow::Continue(())
        })
    }

    /// As [`Consumer::poll`], until `handler` breaks: the frame for which it breaks counts as
    /// read.
    #[inline]
    pub fn poll_while(
        &mut self,
        limit: usize,
        mut handler: impl FnMut(&Frame<'_>) -> ControlFlow<()>,
    ) -> Result<usize> {
        let count = self.place.ready(limit as u64)?;
        if count == 0 {
            return Ok(0);
        }
        let first = self.place.next();
        // The time stamp of the first frame, the one that was waited for.
        let stamped_ns = self.place.reader().word(0, 1);
        let inside = InsideHandler::enter();
        let run = self.place.run();
        let mut read = 0;
        while read < count {
            // SAFETY: `ready` said that these frames are published, and this consumer's cursor
            // stands at the first of them until the loop is over.
            let frame = unsafe { run.frame(read) };
            read += 1;
            if handler(&frame).is_break() {
                break;
            }
        }
        drop(inside);
        self.place.advance(read);
        crash_point!("cursor.read");
        self.cursor.release(self.place.next());
        crash_point!("cursor.released");
        if (self.place.next() - 1) & !self.timed_mask >= first {
            self.record_latency(stamped_ns);
        }
        Ok(read as usize)
    }

    #[inline(never)]
    fn record_latency(&mut self, stamped_ns: u64) {
        if let Some(latency) = &mut self.latency {
            latency.record(stamped_ns, self.place.reader().epoch());
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.file.set_detached();
    }
}
