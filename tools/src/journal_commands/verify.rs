//! `journal verify`.

use super::hex;
use crate::error::{Result, ToolError};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use selvedge_journal::{PublicKey, Report, Verdict, VerifyOptions, parse_hash, verify};
use std::path::PathBuf;

/// Options of `journal verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// The journal's directory.
    directory: PathBuf,
    /// The key that must have signed every seal.
    #[arg(long)]
    public_key: Option<PathBuf>,
    /// The hash that the journal must end with: finds a tail that was cut off cleanly.
    #[arg(long, value_name = "HASH")]
    expect_head: Option<String>,
    /// Segments at the front may have been retired.
    #[arg(long)]
    allow_missing_front: bool,
}

pub(super) fn run(args: &VerifyArgs) -> Result<()> {
    let expected_head = match &args.expect_head {
        Some(text) => Some(parse_hash(text).ok_or_else(|| ToolError::Argument {
            argument: "--expect-head",
            problem: format!("`{text}` is not a hash of 64 hexadecimal digits"),
        })?),
        None => None,
    };
    let options = VerifyOptions {
        allow_missing_front: args.allow_missing_front,
        expected_head,
        public_key: args
            .public_key
            .as_deref()
            .map(PublicKey::load)
            .transpose()?,
        digest: false,
        ..VerifyOptions::default()
    };
    // Draws nothing where standard error is not a terminal.
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bytes} of {total_bytes}, {bytes_per_sec}") {
        bar.set_style(style);
    }
    let report = verify(&args.directory, &options, &mut |progress| {
        bar.set_length(progress.total_bytes);
        bar.set_position(progress.bytes);
    })?;
    bar.finish_and_clear();
    show(&report, expected_head.is_some());
    if report.verdict == Verdict::Damaged {
        return Err(ToolError::JournalDamaged {
            journal: args.directory.display().to_string(),
            detail: format!(
                "{} places, listed above",
                report.damage.len() as u64 + report.more_damage
            ),
        });
    }
    Ok(())
}

fn show(report: &Report, anchored: bool) {
    println!(
        "{} frames ({} to {}) in {} segments, {} of them sealed, {} signed",
        report.frames,
        report.first_sequence,
        report.last_sequence,
        report.segments,
        report.sealed_segments,
        report.signed_segments
    );
    for gap in &report.gaps {
        println!(
            "declared gap: frames {} to {} were left out",
            gap.first_sequence, gap.last_sequence
        );
    }
    for recovery in &report.recoveries {
        println!(
            "recovery in segment {} after sequence {}: {} bytes cut",
            recovery.segment_number, recovery.last_sequence, recovery.cut_bytes
        );
    }
    for damage in &report.damage {
        let last = match damage.last_sequence {
            Some(last) => format!("to {last}"),
            None => "on".to_owned(),
        };
        println!(
            "DAMAGED {} byte {}: sequences {} {last}: {}",
            damage.file, damage.offset, damage.first_sequence, damage.problem
        );
    }
    match report.verdict {
        Verdict::Sealed => println!("every byte is right"),
        Verdict::Open => println!("every byte is right; the last segment is not sealed"),
        Verdict::TornTail => {
            if let Some(torn) = &report.torn_tail {
                println!(
                    "right up to a torn tail, as a crash leaves it: {} byte {}, sequence {} on ({})",
                    torn.file, torn.offset, torn.sequence, torn.fault
                );
            }
        }
        Verdict::Damaged => {}
    }
    println!("head {}", hex(&report.head_hash));
    if report.sealed_segments > 0 {
        println!("root {}", hex(&report.chained_root));
    }
    if !anchored {
        println!(
            "the end is not anchored: without --expect-head nobody can tell whether more followed"
        );
    }
}
