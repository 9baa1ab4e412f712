//! The doctor's report on a terminal.

use super::finding::{Finding, Severity};
use super::measured::{GAP_BOUNDS_NS, LatencyMatrix, Measured};
use crate::text::duration;
use std::fmt::Write as _;

/// Columns of the report.
const WIDTH: usize = 80;

/// The report. Findings that are fine take one line together.
pub fn report(findings: &[Finding], measured: Option<&Measured>, colour: bool) -> String {
    let mut text = String::new();
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        for finding in findings
            .iter()
            .filter(|finding| finding.severity == severity)
        {
            write_finding(&mut text, finding, colour);
        }
    }
    let fine: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Ok)
        .map(|finding| finding.check)
        .collect();
    if !fine.is_empty() {
        let mut names = fine;
        names.dedup();
        write_wrapped(&mut text, "fine: ", &names.join(", "));
        text.push('\n');
    }
    if let Some(measured) = measured {
        write_jitter(&mut text, measured);
        write_matrix(&mut text, &measured.core_to_core, colour);
    }
    // Writing into a string does not fail.
    let _ = writeln!(text, "{}", summary(findings));
    text
}

/// How many findings of each severity.
pub fn summary(findings: &[Finding]) -> String {
    let count = |severity, what: &str| {
        let count = findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count();
        format!("{count} {what}{}", if count == 1 { "" } else { "s" })
    };
    format!(
        "{}, {}, {}; {} fine",
        count(Severity::Error, "error"),
        count(Severity::Warning, "warning"),
        count(Severity::Note, "note"),
        count(Severity::Ok, "check")
    )
}

fn write_finding(text: &mut String, finding: &Finding, colour: bool) {
    let (word, code) = match finding.severity {
        Severity::Error => ("ERROR", 31),
        Severity::Warning => ("warning", 33),
        Severity::Note => ("note", 36),
        Severity::Ok => ("ok", 32),
    };
    let word = if colour {
        format!("\x1b[1;{code}m{word}\x1b[0m")
    } else {
        word.to_owned()
    };
    let _ = writeln!(text, "{word} {}", finding.check);
    for (label, value) in [
        ("  found     ", &finding.found),
        ("  expected  ", &finding.expected),
        ("  why       ", &finding.why),
        ("  remedy    ", &finding.remedy),
    ] {
        if !value.is_empty() {
            write_wrapped(text, label, value);
        }
    }
    text.push('\n');
}

/// `label`, then `value` in lines that begin below it.
fn write_wrapped(text: &mut String, label: &str, value: &str) {
    let indent = label.chars().count();
    text.push_str(label);
    let mut column = indent;
    for (index, word) in value.split_whitespace().enumerate() {
        let width = word.chars().count();
        if index > 0 && column + 1 + width > WIDTH {
            text.push('\n');
            text.push_str(&" ".repeat(indent));
            column = indent;
        } else if index > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
}

fn write_jitter(text: &mut String, measured: &Measured) {
    let _ = writeln!(
        text,
        "what preempts a core that spins: gaps in {:.1} s",
        measured.seconds
    );
    let _ = write!(text, "  core");
    for bound in GAP_BOUNDS_NS {
        let _ = write!(text, " {:>7}", format!(">={}", short(bound)));
    }
    let _ = writeln!(text, "  longest");
    for core in &measured.jitter {
        let _ = write!(text, "  {:>4}", core.core);
        for count in core.gaps {
            let _ = write!(text, " {count:>7}");
        }
        let _ = writeln!(text, "  {}", duration(core.longest_ns));
    }
    text.push('\n');
}

pub fn short(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => format!("{}us", ns / 1_000),
        _ => format!("{}ms", ns / 1_000_000),
    }
}

fn write_matrix(text: &mut String, matrix: &LatencyMatrix, colour: bool) {
    let Some((least, most)) = matrix.range() else {
        return;
    };
    let _ = writeln!(
        text,
        "a cache line from core to core, ns ({least:.0} to {most:.0})"
    );
    let _ = write!(text, "      ");
    for core in &matrix.cores {
        let _ = write!(text, " {core:>4}");
    }
    text.push('\n');
    for (row, core) in matrix.cores.iter().enumerate() {
        let _ = write!(text, "  {core:>4}");
        for cell in &matrix.ns[row] {
            match cell {
                None => text.push_str("    -"),
                Some(ns) => write_cell(text, *ns, heat(*ns, least, most), colour),
            }
        }
        text.push('\n');
    }
    text.push('\n');
}

/// 0 for the fastest pair, 1 for the slowest.
pub fn heat(ns: f64, least: f64, most: f64) -> f64 {
    if most > least {
        (ns - least) / (most - least)
    } else {
        0.0
    }
}

fn write_cell(text: &mut String, ns: f64, heat: f64, colour: bool) {
    // The 256-colour palette's way from green over yellow to red; xterm's 6x6x6 cube.
    const SCALE: [u8; 7] = [22, 28, 64, 100, 136, 130, 124];
    let step = (heat * (SCALE.len() - 1) as f64).round() as usize;
    let shade = SCALE[step.min(SCALE.len() - 1)];
    let _ = if colour {
        write!(text, " \x1b[48;5;{shade}m{ns:>4.0}\x1b[0m")
    } else {
        write!(text, " {ns:>4.0}")
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_within_eighty_columns_and_say_what_to_do() {
        let finding = Finding::new("swap", Severity::Warning)
            .found("on")
            .expected("off")
            .why("many words ".repeat(30))
            .remedy("swapoff -a");
        let text = report(&[finding], None, false);
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
        assert!(text.contains("remedy    swapoff -a"), "{text}");
        assert!(text.contains("0 errors, 1 warning,"), "{text}");
    }

    #[test]
    fn the_heat_map_runs_from_green_to_red() {
        let matrix = LatencyMatrix {
            cores: vec![0, 4],
            ns: vec![vec![None, Some(60.0)], vec![Some(160.0), None]],
        };
        let mut text = String::new();
        write_matrix(&mut text, &matrix, true);
        assert!(text.contains("\x1b[48;5;22m  60\x1b[0m"), "{text:?}");
        assert!(text.contains("\x1b[48;5;124m 160\x1b[0m"), "{text:?}");
    }
}
