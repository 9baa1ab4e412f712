//! `journal info`.

use super::{activities, hex};
use crate::error::Result;
use clap::Args;
use selvedge_journal::{JournalSummary, SegmentSummary, SignatureState, summarise};
use selvedge_query::UtcTime;
use std::path::PathBuf;

/// Options of `journal info`.
#[derive(Args, Clone, Debug)]
pub struct InfoArgs {
    /// The journal's directory.
    directory: PathBuf,
    /// Count the messages of each type and show clock and activity records: reads everything.
    #[arg(long)]
    full: bool,
}

fn show_segment(segment: &SegmentSummary) {
    let state = match &segment.signature {
        None => "open".to_owned(),
        Some(SignatureState::Unsigned) => "sealed, not signed".to_owned(),
        Some(SignatureState::Valid(key)) => format!("sealed, signed by {key}"),
        Some(SignatureState::Invalid) => "sealed, SIGNATURE WRONG".to_owned(),
    };
    println!(
        "{}: {} bytes, {} frames, sequences {} to {}, {} to {}, {state}",
        segment.name,
        segment.bytes,
        segment.frames,
        segment.first_sequence,
        segment.last_sequence,
        UtcTime(segment.first_timestamp),
        UtcTime(segment.last_timestamp)
    );
}

pub(super) fn run(args: &InfoArgs) -> Result<()> {
    let summary: JournalSummary = summarise(&args.directory, args.full)?;
    println!(
        "fabric {} ({:032x}), life {}",
        summary.identity.fabric_name(),
        summary.identity.fabric_id,
        summary.identity.life
    );
    summary.segments.iter().for_each(show_segment);
    let bytes: u64 = summary.segments.iter().map(|segment| segment.bytes).sum();
    let frames: u64 = summary.segments.iter().map(|segment| segment.frames).sum();
    let times = summary.segments.iter().filter(|segment| segment.frames > 0);
    let first = times
        .clone()
        .map(|segment| segment.first_timestamp)
        .min()
        .unwrap_or(0);
    let last = times
        .map(|segment| segment.last_timestamp)
        .max()
        .unwrap_or(0);
    let seconds = last.saturating_sub(first) as f64 / 1e9;
    println!("in all {bytes} bytes, {frames} frames over {seconds:.3} s");
    if seconds > 0.0 {
        println!(
            "on average {:.0} frames and {:.0} bytes a second",
            frames as f64 / seconds,
            bytes as f64 / seconds
        );
    }
    for gap in &summary.gaps {
        println!(
            "declared gap: {} to {}",
            gap.first_sequence, gap.last_sequence
        );
    }
    for (source, name) in summary.dictionary.sources() {
        println!("source {source}: {name}");
    }
    for schema in summary.dictionary.schemas() {
        let count = summary.types.get(&schema.message_type);
        let count = match (args.full, count) {
            (false, _) => String::new(),
            (true, count) => {
                let (frames, bytes) = count.copied().unwrap_or_default();
                format!(", {frames} messages, {bytes} bytes")
            }
        };
        println!(
            "type {:#06x}: {} version {}, {} fields{count}",
            schema.message_type,
            schema.name,
            schema.version,
            schema.fields.len()
        );
    }
    for clock in &summary.clocks {
        println!(
            "clock {}: source {}, offset {} ns, error at most {} ns{}",
            UtcTime(clock.at),
            clock.source_text(),
            clock.offset_ns,
            clock.maximum_error_ns,
            if clock.flags & 1 == 0 {
                ""
            } else {
                ", BEYOND ITS BOUND"
            }
        );
    }
    for activity in &summary.activities {
        println!("{}", activities::text(activity, ""));
    }
    println!("head {}", hex(&summary.head_hash));
    Ok(())
}
