//! `journal retain`.

use crate::error::{Result, ToolError};
use crate::operator::announce;
use clap::Args;
use selvedge_fabric::Fabric;
use selvedge_journal::storage::DirectoryStorage;
use selvedge_journal::{JournalView, RetainOptions, retain_in};
use selvedge_query::UtcTime;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Options of `journal retain`.
#[derive(Args, Clone, Debug)]
pub struct RetainArgs {
    /// The journal's directory.
    directory: PathBuf,
    /// Segments go whose last frame is older: a number and s, m, h, d or y.
    #[arg(long, required_unless_present = "max_bytes")]
    max_age: Option<String>,
    /// The oldest segments go until no more than this is left: a number, or one with K, M, G or T.
    #[arg(long)]
    max_bytes: Option<String>,
    /// The fabric whose journal is being written here: nothing goes that is not durable.
    #[arg(long)]
    fabric: Option<String>,
    /// Only say what would go.
    #[arg(long)]
    dry_run: bool,
}

fn amount(argument: &'static str, text: &str, units: &[(char, u64)]) -> Result<u64> {
    let (number, unit) = match text.chars().last().filter(|last| !last.is_ascii_digit()) {
        None => (text, Some(1)),
        Some(last) => (
            text.strip_suffix(last).unwrap_or(text),
            units
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(&last))
                .map(|(_, unit)| *unit),
        ),
    };
    number
        .parse::<u64>()
        .ok()
        .zip(unit)
        .and_then(|(number, unit)| number.checked_mul(unit))
        .ok_or_else(|| ToolError::Argument {
            argument,
            problem: format!("`{text}` is not a number with one of the units"),
        })
}

pub(super) fn run(args: &RetainArgs) -> Result<()> {
    let ages = [
        ('s', 1),
        ('m', 60),
        ('h', 3600),
        ('d', 86_400),
        ('y', 31_557_600),
    ];
    let sizes = [
        ('K', 1 << 10),
        ('M', 1 << 20),
        ('G', 1 << 30),
        ('T', 1 << 40),
    ];
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64);
    let older_than = match &args.max_age {
        Some(text) => {
            let age = amount("--max-age", text, &ages)?.saturating_mul(1_000_000_000);
            Some(now.saturating_sub(age))
        }
        None => None,
    };
    let max_bytes = match &args.max_bytes {
        Some(text) => Some(amount("--max-bytes", text, &sizes)?),
        None => None,
    };
    let durable = match &args.fabric {
        Some(name) => Some(JournalView::attach(&Fabric::attach(name)?)?.durable()),
        None => None,
    };
    if !args.dry_run {
        let limits: String = [
            ("--max-age", &args.max_age),
            ("--max-bytes", &args.max_bytes),
        ]
        .iter()
        .filter_map(|(name, value)| Some(format!(" {name} {}", value.as_ref()?)))
        .collect();
        announce(&args.directory, &format!("journal retain{limits}"));
    }
    let gone = retain_in(
        &DirectoryStorage::new(&args.directory),
        &RetainOptions {
            older_than,
            max_bytes,
            durable,
            dry_run: args.dry_run,
        },
    )?;
    let verb = if args.dry_run { "would go" } else { "deleted" };
    for segment in &gone {
        println!(
            "{verb}: {}, {} bytes, sequences {} to {}, up to {}",
            segment.name,
            segment.bytes,
            segment.first_sequence,
            segment.last_sequence,
            UtcTime(segment.last_timestamp)
        );
    }
    let bytes: u64 = gone.iter().map(|segment| segment.bytes).sum();
    println!("{verb}: {} segments, {bytes} bytes", gone.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units() {
        let units = [('K', 1024)];
        assert_eq!(amount("x", "12", &units).ok(), Some(12));
        assert_eq!(amount("x", "2k", &units).ok(), Some(2048));
        for bad in ["", "k", "2q", "-1", "99999999999999999999K"] {
            assert!(amount("x", bad, &units).is_err(), "{bad}");
        }
    }
}
