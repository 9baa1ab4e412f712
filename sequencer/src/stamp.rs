//! Time stamps of frames.

use selvedge_fabric::clock::Calibration;
use selvedge_fabric::host::ticks::TickSource;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where the stream's time comes from.
#[derive(Clone, Debug, Default)]
pub enum TimeSource {
    /// The host's clock, through the tick counter.
    #[default]
    Host,
    /// Whatever the embedding program says (nanoseconds): for deterministic runs.
    Manual(Arc<AtomicU64>),
}

/// Stamps runs of frames: one reading a run, never decreasing.
#[derive(Debug)]
pub(crate) struct Stamper {
    ticks: TickSource,
    calibration: Calibration,
    manual: Option<Arc<AtomicU64>>,
    floor: u64,
}

impl Stamper {
    /// A stamper whose stamps are never below `floor`.
    pub(crate) fn new(
        source: &TimeSource,
        ticks: TickSource,
        calibration: Calibration,
        floor: u64,
    ) -> Self {
        Stamper {
            ticks,
            calibration,
            manual: match source {
                TimeSource::Host => None,
                TimeSource::Manual(time) => Some(time.clone()),
            },
            floor,
        }
    }

    /// The stamp for a run that begins now, and the ticks it was taken at.
    #[inline(always)]
    pub(crate) fn stamp(&mut self) -> (u64, u64) {
        let ticks = self.ticks.now();
        let now = match &self.manual {
            None => self.calibration.ns(ticks),
            Some(time) => time.load(Ordering::Relaxed),
        };
        // A compare and a conditional move: a successor's calibration may be behind.
        self.floor = self.floor.max(now);
        (self.floor, ticks)
    }

    pub(crate) fn calibration(&self) -> Calibration {
        self.calibration
    }

    pub(crate) fn set_calibration(&mut self, calibration: Calibration) {
        self.calibration = calibration;
    }
}
