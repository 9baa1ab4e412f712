//! `--activities` of `journal query`, `export` and `dump`: who did what.

use super::range::{Bound, RangeArgs};
use super::select::{Format, gone, write_line};
use crate::error::{Result, ToolError};
use selvedge_journal::format::Activity;
use selvedge_journal::{Record, records};
use selvedge_query::{CsvText, JsonText, UtcTime};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

/// Writes the activities of a range: of sequences by where in the stream they lie, of times by
/// the host's clock when they happened.
pub(super) fn write(
    directory: &Path,
    range: &RangeArgs,
    limit: u64,
    format: Format,
    out: &mut dyn Write,
) -> Result<()> {
    let (from, to) = range.bounds(directory)?;
    let first = match from {
        Some(Bound::Sequence(sequence)) => sequence,
        _ => 0,
    };
    let mut failed = None;
    let mut written = 0;
    if format == Format::Csv
        && write_line(out, "next_sequence,time,action,pid,uid,executable,detail")?
    {
        return Ok(());
    }
    records(directory, first, &mut |placed| {
        let Record::Activity(entries) = placed.record else {
            return ControlFlow::Continue(());
        };
        if let Some(Bound::Sequence(last)) = to
            && placed.next_sequence > last
        {
            return ControlFlow::Break(());
        }
        for entry in entries {
            let early = matches!(from, Some(Bound::Time(time)) if entry.at < time);
            let late = matches!(to, Some(Bound::Time(time)) if entry.at >= time);
            if early || late {
                continue;
            }
            if written == limit {
                return ControlFlow::Break(());
            }
            match write_line(out, &line(placed.next_sequence, &entry, format)) {
                Ok(false) => written += 1,
                Ok(true) => return ControlFlow::Break(()),
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    })?;
    match failed {
        Some(error) => Err::<(), ToolError>(error),
        None => out.flush().or_else(gone),
    }
}

/// An activity as a line for people; `place` says where in the stream it lies.
pub(super) fn text(entry: &Activity, place: &str) -> String {
    format!(
        "{} {:?} by process {} (uid {}, {}){place}: {}",
        UtcTime(entry.at),
        entry.action,
        entry.pid,
        entry.uid,
        entry.executable,
        entry.detail
    )
}

fn line(next_sequence: u64, entry: &Activity, format: Format) -> String {
    let action = format!("{:?}", entry.action);
    match format {
        Format::Text => text(entry, &format!(", before {next_sequence}")),
        Format::Jsonl => format!(
            "{{\"next_sequence\":{next_sequence},\"time\":\"{}\",\"time_ns\":{},\"action\":{},\"pid\":{},\"uid\":{},\"executable\":{},\"detail\":{}}}",
            UtcTime(entry.at),
            entry.at,
            JsonText(&action),
            entry.pid,
            entry.uid,
            JsonText(&entry.executable),
            JsonText(&entry.detail)
        ),
        Format::Csv => format!(
            "{next_sequence},{},{action},{},{},{},{}",
            UtcTime(entry.at),
            entry.pid,
            entry.uid,
            CsvText(&entry.executable),
            CsvText(&entry.detail)
        ),
    }
}
