//! One thing that is measured.

use crate::batches::BatchTimes;
use crate::cores::CorePair;
use crate::disturbance::Disturbance;
use crate::error::Result;
use crate::samples::{Percentiles, RoundTrips};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a measurement is made.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// On which cores.
    pub cores: CorePair,
    /// Time before anything counts.
    pub warm_up: Duration,
    /// Time that counts.
    pub duration: Duration,
    /// Frames that a consumer asks for at a time.
    pub poll_limit: usize,
    /// Silences of a second in one measurement of the first message after silence.
    pub silences: usize,
}

impl Plan {
    /// The plan that the published figures are made with.
    pub fn new(cores: CorePair) -> Self {
        Plan {
            cores,
            warm_up: Duration::from_millis(50),
            duration: Duration::from_millis(400),
            poll_limit: 64,
            silences: 5,
        }
    }

    /// A tenth of it: enough to see that everything works.
    pub fn quick(cores: CorePair) -> Self {
        Plan {
            warm_up: Duration::from_millis(10),
            duration: Duration::from_millis(60),
            silences: 1,
            ..Plan::new(cores)
        }
    }
}

/// Which of a measurement's figures count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Round trips.
    Latency,
    /// Messages a second.
    Throughput,
}

/// What a measurement gives.
#[derive(Clone, Debug)]
pub enum Figure {
    /// Round trips.
    RoundTrips(RoundTrips),
    /// Percentiles of one hop, timed by another program.
    Hop(Percentiles),
    /// Messages a second.
    Rate(f64),
}

/// A measurement and what disturbed it.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The figure.
    pub figure: Figure,
    /// What disturbed either side.
    pub disturbance: Disturbance,
    /// For throughput, how long the reader took for each batch, where it was timed.
    pub batches: Option<BatchTimes>,
}

impl Measured {
    /// Round trips, with the interrupted ones among what disturbed them.
    pub fn round_trips(trips: RoundTrips, mut disturbance: Disturbance) -> Self {
        disturbance.stalled_ns += trips.stalled_ns();
        Measured {
            figure: Figure::RoundTrips(trips),
            disturbance,
            batches: None,
        }
    }

    /// Messages in nanoseconds.
    pub fn rate(messages: u64, ns: f64, disturbance: Disturbance) -> Self {
        Measured {
            figure: Figure::Rate(messages as f64 * 1e9 / ns.max(1.0)),
            disturbance,
            batches: None,
        }
    }

    /// The same with how long the reader took for each batch.
    pub fn with_batches(self, batches: BatchTimes) -> Self {
        Measured {
            batches: Some(batches),
            ..self
        }
    }
}

/// A measurement as another program hands it over.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct HandedOver {
    /// One hop, if latency was measured.
    pub hop: Option<Percentiles>,
    /// Messages a second, if throughput was measured.
    pub rate: Option<f64>,
    /// What disturbed either side.
    pub disturbance: Disturbance,
}

impl From<&Measured> for HandedOver {
    fn from(measured: &Measured) -> Self {
        let (hop, rate) = match &measured.figure {
            Figure::RoundTrips(trips) => (Some(trips.hop()), None),
            Figure::Hop(hop) => (Some(*hop), None),
            Figure::Rate(rate) => (None, Some(*rate)),
        };
        HandedOver {
            hop,
            rate,
            disturbance: measured.disturbance,
        }
    }
}

impl HandedOver {
    /// The measurement; `None` where nothing was measured.
    pub fn measured(self) -> Option<Measured> {
        let figure = match (self.hop, self.rate) {
            (Some(hop), _) => Figure::Hop(hop),
            (None, Some(rate)) => Figure::Rate(rate),
            (None, None) => return None,
        };
        Some(Measured {
            figure,
            disturbance: self.disturbance,
            batches: None,
        })
    }
}

/// One thing that is measured, again and again.
pub trait Scenario {
    /// Its name in tables and JSON.
    fn name(&self) -> &str;
    /// What is measured, with the settings that matter.
    fn describe(&self) -> String;
    /// Which of its figures count.
    fn kind(&self) -> Kind;
    /// Measures once. The calling thread is pinned to the near core.
    fn run(&mut self, plan: &Plan) -> Result<Measured>;
}
