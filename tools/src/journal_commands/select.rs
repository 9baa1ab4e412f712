//! `journal query`, `journal export`, `journal dump`.

use super::activities;
use super::range::{Bound, RangeArgs, parse};
use super::row::{self, JournalNames};
use crate::error::{Result, ToolError};
use clap::{Args, ValueEnum};
use selvedge_fabric::frame::{FrameHeader, MessageType, SourceId};
use selvedge_fabric::message::MessageSchema;
use selvedge_journal::{Dictionary, final_dictionary};
use selvedge_query::{FieldValue, Query};
use std::io::Write;
use std::path::PathBuf;

/// How messages are written.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    /// A line for people.
    Text,
    /// JSON Lines.
    Jsonl,
    /// CSV, of one message type.
    Csv,
}

/// What to find.
#[derive(Args, Clone, Debug)]
pub struct SelectArgs {
    /// The journal's directory.
    directory: PathBuf,
    #[command(flatten)]
    range: RangeArgs,
    /// Only messages for which this holds: 'symbol == "AAPL" && price >= 585.00'
    #[arg(long = "where", value_name = "EXPRESSION")]
    condition: Option<String>,
    /// Only messages of this type: its name, the last part of it, or its number.
    #[arg(long = "type", value_name = "TYPE")]
    message_type: Option<String>,
    /// Only messages of this source.
    #[arg(long)]
    source: Option<String>,
    /// How many messages at most.
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    limit: u64,
    /// Times of --from and --to are those of this field (nanoseconds, since 1970 or since
    /// midnight), such as the exchange's own; reads the whole range of sequences.
    #[arg(long, value_name = "FIELD")]
    time_field: Option<String>,
    /// Who did what instead of messages: who attached and left, what operators did, when
    /// sequencers and journals started; of the range --from --to, up to --limit.
    #[arg(long, conflicts_with_all = ["condition", "message_type", "source", "time_field"])]
    activities: bool,
    /// How messages are written.
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// Options of `journal export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    #[command(flatten)]
    select: SelectArgs,
    /// The file; standard output unless given.
    #[arg(long)]
    output: Option<PathBuf>,
}

pub(super) fn query(args: &SelectArgs) -> Result<()> {
    let out = std::io::stdout().lock();
    select(
        args,
        args.format.unwrap_or(Format::Jsonl),
        &mut std::io::BufWriter::new(out),
    )
}

pub(super) fn dump(args: &SelectArgs) -> Result<()> {
    let out = std::io::stdout().lock();
    select(
        args,
        args.format.unwrap_or(Format::Text),
        &mut std::io::BufWriter::new(out),
    )
}

pub(super) fn export(args: &ExportArgs) -> Result<()> {
    let format = args.select.format.unwrap_or(Format::Jsonl);
    match &args.output {
        None => select(
            &args.select,
            format,
            &mut std::io::BufWriter::new(std::io::stdout().lock()),
        ),
        Some(path) => {
            let refused = || format!("write {}", path.display());
            let file = std::fs::File::create(path).map_err(ToolError::host(refused()))?;
            let mut out = std::io::BufWriter::with_capacity(1 << 20, file);
            select(&args.select, format, &mut out)
        }
    }
}

fn argument(argument: &'static str, problem: String) -> ToolError {
    ToolError::Argument { argument, problem }
}

/// The schema of `--type`; `None` for a number without one.
fn find_type(text: &str, dictionary: &Dictionary) -> Result<(MessageType, Option<MessageSchema>)> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => MessageType::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    if let Some(number) = number {
        return Ok((number, dictionary.schema(number).cloned()));
    }
    let mut found: Vec<&MessageSchema> = dictionary
        .schemas()
        .filter(|schema| {
            schema.name == text
                || schema
                    .name
                    .strip_suffix(text)
                    .is_some_and(|front| front.ends_with('.'))
        })
        .collect();
    found.sort_by_key(|schema| schema.name != text);
    match found.as_slice() {
        [one] => Ok((one.message_type, Some((*one).clone()))),
        [first, ..] if first.name == text => Ok((first.message_type, Some((*first).clone()))),
        [] => {
            let known: Vec<&str> = dictionary
                .schemas()
                .map(|schema| schema.name.as_str())
                .collect();
            let problem = format!("no type is called `{text}`; there are {}", known.join(", "));
            Err(argument("--type", problem))
        }
        several => {
            let names: Vec<&str> = several.iter().map(|schema| schema.name.as_str()).collect();
            Err(argument(
                "--type",
                format!("`{text}` may be {}", names.join(" or ")),
            ))
        }
    }
}

/// Whether frames are wanted, as far as their source says.
fn source_filter(text: &str, dictionary: &Dictionary) -> Result<SourceId> {
    dictionary
        .sources()
        .find(|(_, name)| *name == text)
        .map(|(id, _)| id)
        .or_else(|| text.parse().ok())
        .ok_or_else(|| {
            let known: Vec<&str> = dictionary.sources().map(|(_, name)| name).collect();
            argument(
                "--source",
                format!(
                    "no source is called `{text}`; there are {}",
                    known.join(", ")
                ),
            )
        })
}

/// A range of times by a field of the message.
struct FieldRange<'a> {
    field: &'a str,
    from: u64,
    to: u64,
}

impl FieldRange<'_> {
    fn holds(&self, schema: Option<&MessageSchema>, payload: &[u8]) -> bool {
        const DAY: u64 = 86_400_000_000_000;
        let value = schema
            .and_then(|schema| schema.fields.iter().find(|field| field.name == self.field))
            .and_then(|field| FieldValue::decode(field, payload)?.integer())
            .and_then(|integer| u64::try_from(integer).ok());
        value.is_some_and(|value| {
            // Nanoseconds since midnight: compared with the time of day.
            let (from, to) = match value < DAY {
                true if self.to == u64::MAX => (self.from % DAY, u64::MAX),
                true => (self.from % DAY, self.to % DAY),
                false => (self.from, self.to),
            };
            value >= from && value < to
        })
    }
}

fn select(args: &SelectArgs, format: Format, out: &mut dyn Write) -> Result<()> {
    if args.activities {
        return activities::write(&args.directory, &args.range, args.limit, format, out);
    }
    let known = final_dictionary(&args.directory)?;
    let wanted_type = match &args.message_type {
        Some(text) => Some(find_type(text, &known)?),
        None => None,
    };
    let wanted_source = match &args.source {
        Some(text) => Some(source_filter(text, &known)?),
        None => None,
    };
    let condition = match &args.condition {
        Some(text) => Some(Query::parse(text, known.schemas())?),
        None => None,
    };
    let mut range = args
        .range
        .open(&args.directory, args.time_field.is_some())?;
    let field_range = match &args.time_field {
        Some(field) => {
            if !known
                .schemas()
                .any(|schema| schema.fields.iter().any(|known| known.name == *field))
            {
                return Err(argument(
                    "--time-field",
                    format!("no type has a field `{field}`"),
                ));
            }
            let end = |argument, text: &Option<String>, none| match text {
                Some(text) => parse(argument, text, range.day).map(|bound| match bound {
                    Bound::Time(time) => time,
                    Bound::Sequence(_) => none,
                }),
                None => Ok(none),
            };
            Some(FieldRange {
                field,
                from: end("--from", &args.range.from, 0)?,
                to: end("--to", &args.range.to, u64::MAX)?,
            })
        }
        None => None,
    };
    let csv_schema = match (format, &wanted_type) {
        (Format::Csv, Some((_, Some(schema)))) => {
            if write_line(out, &row::csv_head(schema))? {
                return Ok(());
            }
            Some(schema)
        }
        (Format::Csv, _) => {
            let problem = "CSV has the columns of one message type: name it".to_owned();
            return Err(argument("--type", problem));
        }
        _ => None,
    };
    let mut line = String::new();
    let mut payload = Vec::new();
    let mut written = 0;
    while written < args.limit {
        let header: FrameHeader = match range.reader.next()? {
            Some((header, bytes)) => {
                payload.clear();
                let in_type = wanted_type
                    .as_ref()
                    .is_none_or(|(wanted, _)| *wanted == header.message_type());
                let in_source = wanted_source.is_none_or(|wanted| wanted == header.source());
                if range
                    .to
                    .is_some_and(|to| to.is_behind(header.sequence(), header.timestamp()))
                {
                    break;
                }
                let possible = condition
                    .as_ref()
                    .is_none_or(|condition| condition.may_match(header.message_type()));
                if !in_type || !in_source || !possible {
                    continue;
                }
                payload.extend_from_slice(bytes);
                header
            }
            None => break,
        };
        let dictionary = range.reader.dictionary();
        let matches = condition.as_ref().is_none_or(|condition| {
            condition.matches(&header, &payload, &JournalNames(dictionary))
        });
        let in_field_range = field_range
            .as_ref()
            .is_none_or(|range| range.holds(dictionary.schema(header.message_type()), &payload));
        if !matches || !in_field_range {
            continue;
        }
        line.clear();
        match (format, csv_schema) {
            (Format::Csv, Some(schema)) => {
                row::csv(&header, &payload, schema, dictionary, &mut line);
            }
            (Format::Text, _) => row::text(&header, &payload, dictionary, &mut line),
            _ => row::json(&header, &payload, dictionary, &mut line),
        }
        if write_line(out, &line)? {
            return Ok(());
        }
        written += 1;
    }
    out.flush().or_else(gone)
}

/// Writes a line; true when the reader of a pipe has gone.
pub(super) fn write_line(out: &mut dyn Write, line: &str) -> Result<bool> {
    match writeln!(out, "{line}") {
        Ok(()) => Ok(false),
        Err(error) => gone(error).map(|()| true),
    }
}

pub(super) fn gone(error: std::io::Error) -> Result<()> {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(ToolError::host("write the output")(error)),
    }
}
