//! Measuring a fabric against the limit of the machine.
//!
//! | module | concept |
//! |---|---|
//! | [`rounds`] | interleaved repeated rounds, medians, ratios to the raw limit of the same round |
//! | [`disturbance`] | noticing that somebody else used the cores |
//! | [`child`] | the second process, on the other core |
//! | [`host`] | what of the host matters to the figures |
//! | [`samples`] | round trips and their percentiles |
//! | [`recorder`] | latencies as they come: their distribution, and when the slow ones happened |
//! | [`batches`] | how long a reader takes from one batch of messages to the next |
//! | [`scenarios`] | raw limits and the fabric's own paths |
//! | [`stepped`] | fixed work in one thread, for counting instructions |
//! | [`mod@bench`] | `selvedge bench`: open-loop measurements with a report |
//!
//! The second process is this very program started again: **`main` must begin with
//! [`maybe_run_child`]**, or the measurement starts copies of the whole program.

pub mod batches;
pub mod bench;
pub mod child;
pub mod clock;
pub mod cores;
pub mod disturbance;
mod error;
pub mod host;
pub mod recorder;
pub mod rounds;
pub mod samples;
pub mod scenario;
pub mod scenarios;
pub mod scratch;
pub mod stepped;

pub use child::{maybe_run_child, maybe_run_child_with};
pub use error::{MeasureError, Result, check_equal};
