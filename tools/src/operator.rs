//! Word of what an operator does, for the journal to record.

use crate::topology;
use selvedge_fabric::shared::paths::base_directory;
use selvedge_journal::announce_action;
use selvedge_journal::format::Action;
use std::path::{Path, PathBuf};

/// The most changed lines of a configuration that are spelled out.
const MAX_LINES: usize = 24;

/// Leaves word that this command is about to do `what` to the fabric, or the journal, whose
/// directory is `root`. Where that cannot be recorded the operator is told, and not held up: a
/// command may be what saves the day.
pub fn announce(root: &Path, what: &str) {
    leave_word(root, Action::OperatorAction, what);
}

/// Leaves word that the configuration in `root` is about to change, and in what.
pub fn announce_configuration(root: &Path, before: Option<&str>, now: &str) {
    if before != Some(now) {
        let what = match before {
            None => format!("topology {}", hash(now)),
            Some(before) => format!(
                "topology {} instead of {}:{}",
                hash(now),
                hash(before),
                changed_lines(before, now)
            ),
        };
        leave_word(root, Action::ConfigurationChanged, &what);
    }
}

fn leave_word(root: &Path, action: Action, what: &str) {
    if let Err(error) = announce_action(root, action, what) {
        eprintln!("note: the journal will not record this: {error}");
    }
}

/// The journal's directory of a fabric that was started from a topology; as that says.
pub fn journal_directory(fabric: &str) -> Option<PathBuf> {
    let kept = crate::supervise::kept_topology(&base_directory().join(fabric));
    let journal = topology::load(&kept).ok()?.journal?;
    Some(journal.directory.value)
}

fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

/// The lines that went and came, without comments and blank ones.
fn changed_lines(before: &str, now: &str) -> String {
    let lines = |text: &str| -> Vec<String> {
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    };
    let (before, now) = (lines(before), lines(now));
    let gone = before.iter().filter(|line| !now.contains(line));
    let come = now.iter().filter(|line| !before.contains(line));
    let all: Vec<String> = gone
        .map(|line| format!(" -{line}"))
        .chain(come.map(|line| format!(" +{line}")))
        .collect();
    let mut text = all[..all.len().min(MAX_LINES)].concat();
    if all.len() > MAX_LINES {
        text.push_str(&format!(" and {} more", all.len() - MAX_LINES));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_what_went_and_what_came() {
        let changed = changed_lines("# a\n[journal]\ncore = 4\n", "[journal]\n\ncore = 5 \n# b");
        assert_eq!(changed, " -core = 4 +core = 5");
        assert_eq!(changed_lines("a = 1\nb = 2", "b = 2\na = 1"), "");
        let many: String = (0..100).map(|line| format!("line{line} = 1\n")).collect();
        assert!(changed_lines("", &many).ends_with(" and 76 more"));
    }
}
