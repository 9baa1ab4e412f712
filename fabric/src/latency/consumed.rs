//! What a consumer or observer measures: how long after it was sequenced a message was done with.
//!
//! At most one sample a run: when the handler has returned from the run's last frame and the ring
//! is released, the time since the *first* frame of the run was stamped, the one that has waited
//! longest. It comes after everything that others wait for; but the consumer itself may be about to
//! answer, and a reading of the tick counter takes its time, so that of short runs only some are
//! timed ([`crate::ConsumerBuilder::timed_every`]).

use super::file::{LatencyRecorder, LatencySubject};
use crate::clock::Calibration;
use crate::fabric::Fabric;
use crate::host::ticks::TickSource;
use crate::protocol::epoch::EpochWord;
use crate::protocol::record::Record;

/// See the module.
#[derive(Debug)]
pub(crate) struct ConsumedLatency {
    recorder: LatencyRecorder,
    fabric: Fabric,
    ticks: TickSource,
    clock: Option<Clock>,
}

/// The calibration last read, and where to see whether there is a newer one.
#[derive(Debug)]
struct Clock {
    epoch: EpochWord,
    record: Record,
    revision: u64,
    calibration: Calibration,
}

impl ConsumedLatency {
    /// For the consumer `name`. `None` where the fabric records no latency, or the file cannot be
    /// made: a consumer reads without it.
    pub(crate) fn new(fabric: &Fabric, name: &str) -> Option<Self> {
        if !fabric.control().records_latency() {
            return None;
        }
        let subject = LatencySubject::Consumer {
            name: name.to_owned(),
        };
        Some(ConsumedLatency {
            recorder: LatencyRecorder::create(fabric, &subject).ok()?,
            fabric: fabric.clone(),
            ticks: fabric.control().tick_source(),
            clock: None,
        })
    }

    /// Takes the sample of a run whose first frame was stamped `stamped_ns`, in `epoch`.
    #[inline]
    pub(crate) fn record(&mut self, stamped_ns: u64, epoch: EpochWord) {
        let ticks = self.ticks.now();
        // The sequencer slews the clock once a second: a new calibration has a new key.
        let known = self
            .clock
            .as_ref()
            .filter(|clock| clock.epoch == epoch && clock.record.key() == clock.revision);
        let calibration = match known {
            Some(clock) => clock.calibration,
            None => match self.read_clock(epoch) {
                Some(calibration) => calibration,
                None => return,
            },
        };
        self.recorder
            .record(calibration.ns(ticks).saturating_sub(stamped_ns));
    }

    #[cold]
    fn read_clock(&mut self, epoch: EpochWord) -> Option<Calibration> {
        let record = self.fabric.bank(epoch)?.calibration_record()?;
        let mut fields = [0; 3];
        let revision = record.read(&mut fields)?;
        let calibration = Calibration {
            base_ticks: fields[0],
            base_ns: fields[1],
            ns_per_tick_2_32: fields[2],
        };
        self.clock = Some(Clock {
            epoch,
            record,
            revision,
            calibration,
        });
        Some(calibration)
    }
}
