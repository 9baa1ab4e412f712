//! What can be asked for.

use crate::cores::CorePair;
use crate::error::{MeasureError, Result};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// The arguments of `selvedge bench`.
#[derive(Clone, Debug, Args)]
pub struct BenchArgs {
    /// What to measure.
    #[command(subcommand)]
    pub what: What,
}

/// What can be measured.
#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// One ring between two processes: from the planned time of sending to reading.
    #[command(after_help = "\
Examples:
  selvedge bench latency --cores 2,3 --duration 30s
  selvedge bench latency --size 1024 --rate 10000")]
    Latency(Common),
    /// Through the sequencer and back to the publisher, from the planned time of sending.
    #[command(after_help = "\
Examples:
  selvedge bench sequenced --rate 1000000 --output report")]
    Sequenced(Common),
    /// As fast as possible: one ring, and through the sequencer; messages a second, and how long
    /// each batch of 64 KiB takes.
    #[command(after_help = "\
Examples:
  selvedge bench throughput --cores 2,3")]
    Throughput(Common),
    /// Through the sequencer to many consumers, from the planned time of sending.
    #[command(after_help = "\
Examples:
  selvedge bench fanout --consumers 8")]
    Fanout(FanoutArgs),
    /// What recording latency costs: the sequenced hop and stream with and without it, in turn.
    #[command(after_help = "\
Examples:
  selvedge bench recording
  selvedge bench recording --rounds 3 --duration 200ms --cores 2,3")]
    Recording(RecordingArgs),
}

/// What all measurements can be told.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// The cores to measure on, such as 2,3: publisher, then reader or sequencer, then consumers.
    /// By default the first two that are not hyperthreads of one core.
    #[arg(long, value_delimiter = ',')]
    pub cores: Vec<usize>,
    /// Messages a second; `throughput` sends as fast as it can whatever this says.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub rate: u64,
    /// Bytes of a message; what does not fit its slot goes through the payload ring.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(16..=65536))]
    pub size: u64,
    /// How long to measure, such as 10s, 500ms or 2m.
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub duration: Duration,
    /// The directory for the report and the histograms; it is created.
    #[arg(long, default_value = "selvedge-bench")]
    pub output: PathBuf,
    /// Frames that a consumer asks for at a time.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub poll_limit: u64,
}

impl Common {
    /// The two cores.
    pub fn pair(&self) -> Result<CorePair> {
        if self.cores.is_empty() {
            CorePair::choose()
        } else {
            CorePair::of(&self.cores)
        }
    }

    /// Bytes of a message.
    pub fn size(&self) -> Result<usize> {
        if self.size.is_multiple_of(8) {
            Ok(self.size as usize)
        } else {
            Err(MeasureError::Host(format!(
                "--size {} is not a multiple of 8, and every word is read",
                self.size
            )))
        }
    }

    /// Frames that a consumer asks for at a time.
    pub fn poll_limit(&self) -> usize {
        self.poll_limit as usize
    }
}

/// What the measurement with many consumers can be told.
#[derive(Clone, Debug, Args)]
pub struct FanoutArgs {
    /// What all measurements can be told.
    #[command(flatten)]
    pub common: Common,
    /// How many gating consumers.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub consumers: u64,
}

/// What the comparison with and without recording can be told.
#[derive(Clone, Debug, Args)]
pub struct RecordingArgs {
    /// The cores to measure on, such as 2,3: client, then sequencer. By default the first two that
    /// are not hyperthreads of one core.
    #[arg(long, value_delimiter = ',')]
    pub cores: Vec<usize>,
    /// Rounds; the medians count.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub rounds: u64,
    /// How long each measurement of a round takes.
    #[arg(long, default_value = "400ms", value_parser = parse_duration)]
    pub duration: Duration,
    /// The directory for the report; it is created.
    #[arg(long, default_value = "selvedge-bench")]
    pub output: PathBuf,
}

/// Reads `10s`, `500ms`, `2m` or plain seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        other => return Err(format!("`{other}` is no unit: use ms, s or m")),
    };
    let number: f64 = digits
        .parse()
        .map_err(|_| format!("`{text}` is no duration: write 10s, 500ms or 2m"))?;
    let seconds = number * unit;
    if (0.01..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("a measurement takes from 10ms to a day".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        bench: BenchArgs,
    }

    #[test]
    fn durations_are_read() {
        assert_eq!(parse_duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("3"), Ok(Duration::from_secs(3)));
        for bad in ["", "s", "10h", "-1s", "1ms", "nan"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn arguments_are_read() {
        let line = "selvedge latency --cores 2,3 --rate 5 --size 64 --duration 1s";
        let program = Program::try_parse_from(line.split(' ')).expect("arguments");
        let What::Latency(common) = program.bench.what else {
            panic!("another command");
        };
        assert_eq!(
            (common.cores, common.rate, common.size),
            (vec![2, 3], 5, 64)
        );
        assert!(Program::try_parse_from(["selvedge", "fanout", "--consumers", "0"]).is_err());
    }
}
