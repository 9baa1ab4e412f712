//! The day, for a person to read, or as JSON.

use super::options::{DemoArgs, Placement};
use super::replay::Replayed;
use super::report::{DayReport, Percentiles, hex};
use std::path::Path;

/// Prints the day.
pub fn print(args: &DemoArgs, report: &DayReport) {
    if args.json {
        if let Ok(line) = serde_json::to_string(report) {
            println!("{line}");
        }
        return;
    }
    let source = match &args.itch {
        Some(path) => path.display().to_string(),
        None => format!("a made-up session (seed {})", args.seed),
    };
    println!("A trading day through the fabric: {source}\n");
    line(
        "messages in",
        &format!("{} ITCH messages", count(report.messages)),
    );
    if report.unknown > 0 {
        line(
            "",
            &format!("{} of unknown types passed over", count(report.unknown)),
        );
    }
    line(
        "total order",
        &format!(
            "{} frames: {} lost, {} duplicated, {} reordered",
            count(report.sequenced),
            report.lost,
            report.duplicated,
            report.reordered
        ),
    );
    line(
        "trading",
        &format!(
            "{} orders, {} fills, {} rejected",
            count(report.orders),
            count(report.fills),
            count(report.rejected)
        ),
    );
    if report.timed {
        line(
            "rate",
            &format!(
                "{} messages/s ({:.2} s in all)",
                count(report.messages_per_second as u64),
                report.seconds
            ),
        );
        println!();
        println!(
            "  {:<24}{:>10}{:>10}{:>10}{:>10}",
            "latency", "p50", "p99", "p99.9", "max"
        );
        latency(
            "publish → sequenced",
            &report.latency_ns.publish_to_sequenced,
        );
        latency(
            "sequenced → strategy",
            &report.latency_ns.sequenced_to_strategy,
        );
        latency("tick → order", &report.latency_ns.tick_to_order);
        if args.pace.factor() == 0 {
            println!("  (at full speed the rings are full: this is queueing; see --pace 10x)");
        }
        println!();
    } else {
        line(
            "rate",
            &format!(
                "{:.2} s in all; a stepped run keeps no time",
                report.seconds
            ),
        );
    }
    let verdict = if report.journal.verified {
        "every byte verified"
    } else {
        "NOT verified"
    };
    line(
        "journal",
        &format!(
            "{} frames, {:.1} MB, {verdict}",
            count(report.journal.frames),
            report.journal.bytes as f64 / 1e6
        ),
    );
    line("", &report.journal.path.display().to_string());
    line("", &format!("digest {}", short(&report.journal.digest)));
    let same = report.state_hash == report.replay_state_hash;
    line(
        "replay",
        &format!(
            "{}: state {} {} {}",
            if same {
                "the same orders, books and state"
            } else {
                "DIFFERS"
            },
            short(&report.state_hash),
            if same { "=" } else { "≠" },
            short(&report.replay_state_hash)
        ),
    );
    line(
        "books",
        &format!("{} (depends on the feed alone)", short(&report.book_hash)),
    );
    if let Some(path) = &args.bbo {
        line("best prices", &path.display().to_string());
    }
    line("memory", &format!("rings in {} pages", report.memory.pages));
    for note in &report.memory.notes {
        line("", note);
    }
    line("placement", &report.placement);
    println!("\nWhat to try next:");
    println!("  selvedge demo --replay {}", report.journal.path.display());
    println!(
        "  selvedge journal dump {} --limit 20",
        report.journal.path.display()
    );
    if args.pace.factor() == 0 {
        println!("  selvedge demo --pace 10x      latencies without queueing");
    }
    if args.placement == Placement::Auto {
        println!("  selvedge demo --placement stepped     one thread, the same journal each time");
    }
    println!("  (from the source tree: cargo run --release -- demo …)");
}

/// Prints a replay.
pub fn print_replay(
    args: &DemoArgs,
    directory: &Path,
    verified: &selvedge_journal::Report,
    replayed: &Replayed,
) {
    let digest = verified.digest.map_or_else(String::new, |hash| hex(&hash));
    if args.json {
        let object = serde_json::json!({
            "journal": {
                "path": directory,
                "frames": verified.frames,
                "verified": true,
                "digest": digest,
            },
            "orders": replayed.orders,
            "fills": replayed.fills,
            "duplicated": replayed.duplicated,
            "reordered": replayed.reordered,
            "replay_state_hash": replayed.state_hash,
            "book_hash": replayed.book_hash,
            "same": replayed.difference.is_none(),
        });
        println!("{object}");
        return;
    }
    line("journal", &directory.display().to_string());
    line(
        "",
        &format!("{} frames, every byte verified", count(verified.frames)),
    );
    line("digest", &digest);
    line("orders", &count(replayed.orders));
    line("fills", &count(replayed.fills));
    line("state", &replayed.state_hash);
    line("books", &replayed.book_hash);
    if let Some(lines) = replayed.bbo_lines {
        line("best prices", &format!("{} lines", count(lines)));
    }
}

fn line(label: &str, text: &str) {
    println!("  {label:<13}{text}");
}

fn latency(label: &str, percentiles: &Percentiles) {
    println!(
        "  {label:<24}{:>10}{:>10}{:>10}{:>10}",
        duration(percentiles.p50),
        duration(percentiles.p99),
        duration(percentiles.p99_9),
        duration(percentiles.max)
    );
}

/// Nanoseconds for a person.
fn duration(ns: u64) -> String {
    match ns {
        0..10_000 => format!("{ns} ns"),
        10_000..10_000_000 => format!("{:.1} us", ns as f64 / 1e3),
        10_000_000..10_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        _ => format!("{:.1} s", ns as f64 / 1e9),
    }
}

/// A count with its thousands apart.
fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The first digits of a hash.
fn short(hash: &str) -> &str {
    hash.get(..16).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(446_171), "446,171");
        assert_eq!(duration(142), "142 ns");
        assert_eq!(duration(12_345), "12.3 us");
        assert_eq!(duration(3_600_000_000_000), "3600.0 s");
    }
}
