//! `replay`: a journal into a live fabric.

use super::range::RangeArgs;
use super::row::JournalNames;
use crate::error::{Result, ToolError};
use crate::operator::announce;
use clap::Args;
use selvedge_fabric::frame::system::FIRST_SYSTEM_TYPE;
use selvedge_fabric::{ClaimError, Fabric, Producer};
use selvedge_journal::final_dictionary;
use selvedge_query::Query;
use std::path::PathBuf;
use std::time::{Duration, Instant};

selvedge_fabric::message! {
    /// Comes before every replayed message: where it was in the stream that was recorded.
    pub struct Replayed: type 0xEF01, name "selvedge.replayed", version 1 {
        /// Its sequence there.
        pub sequence: u64;
        /// Its time stamp there, UTC nanoseconds.
        pub time_ns: u64;
        /// Its source sequence there.
        pub source_sequence: u64;
        /// Its source there.
        pub source: u16;
        /// Its topic there.
        pub topic: u16;
        /// Zero.
        pub reserved: u32;
    }
}

/// Options of `replay`.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// The journal's directory.
    directory: PathBuf,
    /// The fabric to publish into; its sequencer must run.
    #[arg(long)]
    into: String,
    /// How fast: `1x` as recorded, `10x` ten times that, `max`.
    #[arg(long, default_value = "1x")]
    speed: String,
    #[command(flatten)]
    range: RangeArgs,
    /// Only messages for which this holds.
    #[arg(long = "where", value_name = "EXPRESSION")]
    condition: Option<String>,
    /// The name of the source that publishes.
    #[arg(long, default_value = "replay")]
    name: String,
}

/// How many times faster than recorded; `None` as fast as possible.
fn parse_speed(text: &str) -> Option<Option<f64>> {
    if text == "max" {
        return Some(None);
    }
    let factor: f64 = text.strip_suffix('x')?.parse().ok()?;
    (factor.is_finite() && factor > 0.0).then_some(Some(factor))
}

/// Tries until there is room.
fn insist(
    mut publish: impl FnMut() -> std::result::Result<u64, ClaimError>,
    name: &str,
) -> Result<()> {
    loop {
        match publish() {
            Ok(_) => return Ok(()),
            Err(ClaimError::Full) => std::thread::sleep(Duration::from_micros(20)),
            Err(refused) => {
                return Err(ToolError::Role {
                    role: name.to_owned(),
                    error: format!("a message cannot be published: {refused:?}"),
                });
            }
        }
    }
}

/// Runs `replay`.
pub fn run(args: &ReplayArgs) -> Result<()> {
    let speed = parse_speed(&args.speed).ok_or_else(|| ToolError::Argument {
        argument: "--speed",
        problem: format!(
            "`{}` is neither `max` nor a number with x behind",
            args.speed
        ),
    })?;
    let known = final_dictionary(&args.directory)?;
    let condition = match &args.condition {
        Some(text) => Some(Query::parse(text, known.schemas())?),
        None => None,
    };
    let fabric = Fabric::attach(&args.into)?;
    announce(
        fabric.paths().root(),
        &format!("replay {} --into {}", args.directory.display(), args.into),
    );
    let mut builder = fabric.producer(&args.name).message::<Replayed>();
    for schema in known.schemas() {
        if schema.message_type < FIRST_SYSTEM_TYPE && schema.message_type != 0xEF01 {
            builder = builder.schema(schema.clone());
        }
    }
    let mut producer: Producer = builder.attach()?;
    let mut range = args.range.open(&args.directory, false)?;
    let mut first = None;
    let mut published = 0_u64;
    let mut payload = Vec::new();
    while let Some((header, bytes)) = range.reader.next()? {
        if range
            .to
            .is_some_and(|to| to.is_behind(header.sequence(), header.timestamp()))
        {
            break;
        }
        let message_type = header.message_type();
        // What the fabric itself says belongs to the fabric that said it.
        if message_type >= FIRST_SYSTEM_TYPE || message_type == 0xEF01 {
            continue;
        }
        payload.clear();
        payload.extend_from_slice(bytes);
        let dictionary = range.reader.dictionary();
        if condition.as_ref().is_some_and(|condition| {
            !condition.matches(&header, &payload, &JournalNames(dictionary))
        }) {
            continue;
        }
        let (began, origin) = *first.get_or_insert((Instant::now(), header.timestamp()));
        if let Some(factor) = speed {
            let since = header.timestamp().saturating_sub(origin) as f64 / factor;
            let due = began + Duration::from_nanos(since as u64);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let origin = Replayed {
            sequence: header.sequence(),
            time_ns: header.timestamp(),
            source_sequence: header.source_sequence(),
            source: header.source(),
            topic: header.topic(),
            reserved: 0,
        };
        producer.set_topic(header.topic());
        insist(|| producer.try_publish(&origin), &args.name)?;
        insist(
            || producer.try_publish_bytes(message_type, &payload),
            &args.name,
        )?;
        published += 1;
    }
    println!("{published} messages replayed into {}", args.into);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_factors_or_max() {
        assert_eq!(parse_speed("max"), Some(None));
        assert_eq!(parse_speed("10x"), Some(Some(10.0)));
        for bad in ["", "x", "10", "-1x", "0x", "infx"] {
            assert_eq!(parse_speed(bad), None, "{bad}");
        }
    }
}
