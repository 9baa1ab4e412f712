//! `tap`: live messages, decoded, slowing nobody.

mod filter;
mod names;

use crate::decode::{frame_json, frame_text};
use crate::error::{Result, ToolError};
use clap::Args;
use filter::Filter;
use names::Names;
use selvedge_fabric::frame::FrameHeader;
use selvedge_fabric::host::IdleStrategy;
use selvedge_fabric::{Fabric, FabricError, Observer, Start};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Options of `tap`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
A tap copies; it never holds the stream back. What it was too slow for it
reports as missed; the journal has it.

Examples:
  selvedge tap trading                            from now on
  selvedge tap trading --from oldest --limit 20   what the ring still holds
  selvedge tap trading --type quote --source feed
  selvedge tap trading --where 'price >= 585.00 && symbol == \"AAPL\"'
  selvedge tap trading --json | jq .              one object a line")]
pub struct TapArgs {
    /// The fabric's name.
    fabric: String,
    /// Only message types whose name contains this, or with this number.
    #[arg(long = "type", value_name = "TYPE")]
    message_type: Option<String>,
    /// Only messages for which this holds: comparisons of fields with values, joined by && || !
    /// and parentheses.
    #[arg(long = "where", value_name = "EXPRESSION")]
    condition: Option<String>,
    /// Only messages of this source: its name or number; 0 is the fabric itself.
    #[arg(long)]
    source: Option<String>,
    /// Where to begin: latest, oldest, or a sequence.
    #[arg(long, value_name = "WHERE", default_value = "latest", value_parser = parse_start)]
    from: TapStart,
    /// Stop after so many messages printed.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Print JSON, one object a line.
    #[arg(long)]
    json: bool,
}

/// Where a tap begins.
#[derive(Clone, Copy, Debug)]
struct TapStart(Start);

fn parse_start(text: &str) -> Result<TapStart, String> {
    Ok(TapStart(match text {
        "latest" => Start::Latest,
        "oldest" => Start::Oldest,
        other => match other.parse() {
            Ok(sequence) if sequence > 0 => Start::Sequence(sequence),
            _ => return Err("use latest, oldest or a sequence from 1".to_owned()),
        },
    }))
}

/// An observer whose file is removed when it ends: a tap comes back under another name.
struct Tap {
    observer: Option<Observer>,
    fabric: Fabric,
    name: String,
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.observer = None;
        let _ = std::fs::remove_file(self.fabric.paths().consumer(&self.name));
    }
}

/// Prints messages until interrupted.
pub fn run(args: &TapArgs) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, stop.clone())
            .map_err(ToolError::host("handle signals"))?;
    }
    let fabric = Fabric::attach(&args.fabric)?;
    let mut names = Names::new(&fabric);
    let mut filter = Filter::new(
        args.message_type.as_deref(),
        args.source.as_deref(),
        args.condition.as_deref(),
        &names,
    )?;
    let name = format!("tap-{}", std::process::id());
    let mut tap = Tap {
        observer: Some(
            fabric
                .observer(&name)
                .start(args.from.0)
                .without_latency()
                .attach()?,
        ),
        fabric,
        name,
    };
    let Some(observer) = &mut tap.observer else {
        return Ok(());
    };
    print_messages(args, observer, &mut names, &mut filter, &stop)
}

fn print_messages(
    args: &TapArgs,
    observer: &mut Observer,
    names: &mut Names,
    filter: &mut Filter,
    stop: &AtomicBool,
) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut left = args.limit.unwrap_or(u64::MAX);
    let (mut line, mut idle_rounds) = (String::new(), 0);
    while left > 0 && !stop.load(Ordering::Relaxed) {
        let mut broken = false;
        let polled = observer.poll(64, |frame| {
            let header = *frame.header();
            if let Some(schema) = names.learn(&header, frame.payload()) {
                filter.learn(schema);
            }
            if left == 0 || broken || !filter.takes(&header, frame.payload(), names) {
                return;
            }
            left -= 1;
            line.clear();
            write_line(args.json, &header, frame.payload(), names, &mut line);
            // The reader of a pipe has gone.
            broken = writeln!(out, "{line}").is_err();
        });
        match polled {
            Ok(0) => {
                if out.flush().is_err() {
                    return Ok(());
                }
                IdleStrategy::Park.idle(idle_rounds);
                idle_rounds += 1;
            }
            Ok(_) => idle_rounds = 0,
            Err(FabricError::Overrun { from, to }) => {
                eprintln!(
                    "missed {} messages ({from} to {to}): the tap was too slow, the stream was not held back",
                    to - from + 1
                );
                names.refresh(observer.fabric());
                for schema in names.schemas() {
                    filter.learn(schema);
                }
            }
            Err(error) => return Err(error.into()),
        }
        if broken {
            return Ok(());
        }
    }
    let _ = out.flush();
    Ok(())
}

fn write_line(json: bool, header: &FrameHeader, payload: &[u8], names: &Names, line: &mut String) {
    let source = names.source(header.source());
    let schema = names.schema(header.message_type());
    if json {
        frame_json(header, source, schema, payload, line);
    } else {
        frame_text(header, source, schema, payload, line);
    }
}
