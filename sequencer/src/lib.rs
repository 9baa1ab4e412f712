//! The agent that imposes one total order on every producer's messages.
//!
//! [`Sequencer::start`] opens an epoch of the fabric: it takes over where the last sequencer
//! stopped or died, so that no message of any producer is lost or taken twice. From then on
//! [`Sequencer::do_work`] is one duty cycle: every admitted ingress ring is polled in turn, at
//! most 64 messages each; every message is checked, stamped and published in the stream.
//!
//! | module | concept |
//! |---|---|
//! | `standby` | watching a sequencer, taking over when it dies or freezes |
//! | `prepared` | what a standby maps before it is needed |
//! | `takeover` | opening an epoch, recovering what the predecessor's frames tell |
//! | `sequencing` | the duty cycle: poll, check, stamp, publish |
//! | `source` | one ingress ring, untrusted |
//! | `stamp` | time |
//! | `conductor` | admitting, watching and dismissing participants, off the path |

// The examples of the README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

mod conductor;
mod error;
mod messages;
mod prepared;
mod sequencing;
mod source;
mod sources;
mod stamp;
mod standby;
mod takeover;

pub use error::{Result, SequencerError};
pub use sequencing::SequencerCounters;
pub use stamp::TimeSource;
pub use standby::{Standby, StandbyConfig, Watch};

use conductor::{Conductor, ConductorParts};
use hdrhistogram::Histogram;
use prepared::Prepared;
use selvedge_fabric::Fabric;
use selvedge_fabric::clock::Calibration;
use selvedge_fabric::frame::system::EpochOpened;
use selvedge_fabric::memory::FileClaim;
use selvedge_fabric::message::Message;
use selvedge_fabric::protocol::epoch::EpochWord;
use selvedge_fabric::shared::bank::DutyCycles;
use sequencing::{LAST_START, Sequencing, SequencingParts};
use stamp::Stamper;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use takeover::Insistence;
use zerocopy::IntoBytes;

/// Commands and events that may wait between conductor and sequencing thread.
const QUEUE: usize = 1024;

/// How often the conductor's thread makes a round.
const CONDUCTOR_PERIOD: Duration = Duration::from_millis(1);

/// Duty cycles before a new sequencer does anything else.
const FIRST_CYCLES: usize = 4;

/// Duty cycles between two looks at sources that leave, and at the heartbeat.
const HOUSEKEEPING_CYCLES: u64 = 1024;

/// Idle duty cycles between two rounds of housekeeping where the time is not the host's.
const STEPPED_HOUSE_EVERY: u64 = 64;

/// Idle duty cycles between two looks at the clock.
const CLOCK_EVERY: u64 = 16;

/// Where the conductor works.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ConductorPlacement {
    /// On a thread of its own that sleeps most of the time: the path never waits for it.
    #[default]
    Thread,
    /// Inside the duty cycle, every so often: for agents that share one thread, step by step.
    Inline,
}

/// How a sequencer is to run.
#[derive(Clone, Debug, Default)]
pub struct SequencerConfig {
    /// Where the stream's time comes from.
    pub time: TimeSource,
    /// Where the conductor works.
    pub conductor: ConductorPlacement,
    /// Leaves process ids and users out of the fabric's own frames, so that two deterministic
    /// runs give the same stream to the byte.
    pub anonymous: bool,
}

/// A running sequencer.
///
/// Dropped without [`Sequencer::drain`] it leaves the fabric as a crash would: the next sequencer
/// goes on, nothing is lost.
pub struct Sequencer {
    sequencing: Sequencing,
    conductor: Conducting,
    cycles: u64,
    idle_cycles: u64,
    kept_house_at: u64,
    house_ticks: u64,
    stepped: bool,
    epoch: u64,
    _claim: FileClaim,
}

enum Conducting {
    Inline(Box<Conductor>),
    Thread {
        stop: Arc<AtomicBool>,
        thread: Option<JoinHandle<()>>,
    },
}

impl Sequencer {
    /// Opens an epoch of the fabric. An error while another sequencer lives and has not stopped.
    pub fn start(fabric: &Fabric, config: &SequencerConfig) -> Result<Self> {
        Self::open(
            fabric,
            config,
            None,
            Insistence::IfFree,
            Prepared::new(fabric)?,
        )
    }

    fn open(
        fabric: &Fabric,
        config: &SequencerConfig,
        from: Option<EpochWord>,
        insistence: Insistence,
        mut prepared: Prepared,
    ) -> Result<Self> {
        if fabric.next_sequence() >= LAST_START {
            return Err(SequencerError::SequencesUsedUp {
                name: fabric.name().to_owned(),
            });
        }
        let opened = takeover::open_epoch(fabric, from, insistence, &mut prepared)?;
        let control = fabric.control();
        let ticks = control.tick_source();
        let now = match &config.time {
            TimeSource::Host => takeover::now_not_below(opened.recovered.floor_ns),
            TimeSource::Manual(time) => time.load(Ordering::Relaxed),
        };
        let calibration = Calibration::new(ticks.now(), now, control.ticks_per_second);
        opened.bank.set_calibration(1, &calibration);
        let stamper = Stamper::new(&config.time, ticks, calibration, opened.recovered.floor_ns);
        let (commands_in, commands_out) = rtrb::RingBuffer::new(QUEUE);
        let (events_in, events_out) = rtrb::RingBuffer::new(QUEUE);
        let mut conductor = Conductor::new(ConductorParts {
            fabric: fabric.clone(),
            bank: opened.bank.clone(),
            word: opened.word,
            recovered: &opened.recovered,
            consumers: &opened.consumers,
            rings: prepared.into_rings(),
            commands: commands_in,
            events: events_out,
            calibration,
            slew: matches!(config.time, TimeSource::Host),
            anonymous: config.anonymous,
            scan_always: config.conductor == ConductorPlacement::Inline,
        });
        let epoch = opened.word.epoch();
        // The bank may hold those of an earlier epoch.
        opened.bank.set_duty_cycles(DutyCycles::default());
        let mut sequencing = Sequencing::new(SequencingParts {
            fabric: fabric.clone(),
            bank: opened.bank,
            word: opened.word,
            writer: opened.writer,
            gating: opened.gating,
            stamper,
            last: opened.recovered.last,
            commands: commands_out,
            events: events_in,
        })?;
        let message = EpochOpened {
            epoch,
            pid: if config.anonymous {
                0
            } else {
                std::process::id()
            },
            uid: if config.anonymous {
                0
            } else {
                nix::unistd::geteuid().as_raw()
            },
            life: control.life,
            previous_epoch: opened.previous.epoch(),
        };
        sequencing.announce(EpochOpened::TYPE, message.as_bytes().to_vec());
        // Sources that are there already are admitted before the first frame, not a round later.
        conductor.do_work();
        // And what has waited for a sequencer is sequenced now: a thread to start takes time.
        for _ in 0..FIRST_CYCLES {
            sequencing.do_work()?;
        }
        let conductor = match config.conductor {
            ConductorPlacement::Inline => Conducting::Inline(Box::new(conductor)),
            ConductorPlacement::Thread => {
                let stop = Arc::new(AtomicBool::new(false));
                let stopped = stop.clone();
                let thread = std::thread::Builder::new()
                    .name("conductor".to_owned())
                    .spawn(move || {
                        while !stopped.load(Ordering::Acquire) {
                            conductor.do_work();
                            std::thread::sleep(CONDUCTOR_PERIOD);
                        }
                    })
                    .map_err(SequencerError::NoThread)?;
                Conducting::Thread {
                    stop,
                    thread: Some(thread),
                }
            }
        };
        Ok(Sequencer {
            sequencing,
            conductor,
            cycles: 0,
            idle_cycles: 0,
            kept_house_at: 0,
            house_ticks: control.ticks_per_second / 1_000,
            stepped: matches!(config.time, TimeSource::Manual(_)),
            epoch,
            _claim: opened.claim,
        })
    }

    /// The epoch, from 1.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// One duty cycle. Returns how many frames were published. An error when another sequencer
    /// has taken over: then nothing published since counts, and this one must be dropped.
    #[inline]
    pub fn do_work(&mut self) -> Result<usize> {
        self.cycles += 1;
        if self.cycles.is_multiple_of(HOUSEKEEPING_CYCLES) {
            self.keep_house();
        }
        let published = self.sequencing.do_work()?;
        if published == 0 {
            // Idle cycles may be long (a thread that yields or sleeps): the clock decides, read
            // now and then.
            self.idle_cycles += 1;
            if self.idle_cycles.is_multiple_of(CLOCK_EVERY) {
                self.keep_house_by_the_clock();
            }
        }
        Ok(published)
    }

    /// A duty cycle as of a sequencer that was frozen right after it had looked at the epoch: for
    /// simulations, in which nothing else could make it write when it has been replaced.
    #[cfg(feature = "simulation")]
    pub fn do_work_unchecked(&mut self) -> usize {
        self.sequencing.do_work_unchecked()
    }

    #[cold]
    fn keep_house_by_the_clock(&mut self) {
        // Where the time is not the host's, nothing may depend on it.
        if self.stepped {
            if self.idle_cycles.is_multiple_of(STEPPED_HOUSE_EVERY) {
                self.keep_house();
            }
            return;
        }
        if self.sequencing.ticks() - self.kept_house_at >= self.house_ticks {
            self.keep_house();
        }
    }

    #[cold]
    fn keep_house(&mut self) {
        self.kept_house_at = self.sequencing.ticks();
        if let Conducting::Inline(conductor) = &mut self.conductor {
            conductor.do_work();
        }
        self.sequencing.housekeeping(self.idle_cycles);
    }

    /// Begins to stop in order: what is in the rings is sequenced, then the end of the stream is
    /// published. Go on with [`Sequencer::do_work`] until [`Sequencer::ended`].
    pub fn drain(&mut self) {
        self.sequencing.drain();
    }

    /// Whether the stream has ended.
    pub fn ended(&self) -> bool {
        self.sequencing.ended()
    }

    /// The sequence of the next frame.
    pub fn next_sequence(&self) -> u64 {
        self.sequencing.next_sequence()
    }

    /// What has been counted.
    pub fn counters(&self) -> SequencerCounters {
        self.sequencing.counters()
    }

    /// Latency from publishing to sequencing, in nanoseconds: one sample for each run whose first
    /// message carries the time at which it was published.
    pub fn publish_to_sequenced(&self) -> &Histogram<u64> {
        self.sequencing.latency()
    }
}

impl std::fmt::Debug for Sequencer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Sequencer(epoch {})", self.epoch)
    }
}

impl Drop for Sequencer {
    fn drop(&mut self) {
        if let Conducting::Thread { stop, thread } = &mut self.conductor {
            stop.store(true, Ordering::Release);
            if let Some(thread) = thread.take() {
                let _ = thread.join();
            }
        }
    }
}
