//! `selvedge --help`: the verbs, grouped by who needs them.

use clap::Command;
use std::fmt::Write as _;

/// Groups of verbs. Verbs that are in none are shown last.
const GROUPS: [(&str, &[&str]); 4] = [
    (
        "First minutes",
        &["demo", "doctor", "bench", "torture", "check", "completions"],
    ),
    (
        "Run a fabric",
        &["up", "down", "create", "sequencer", "remove", "tune"],
    ),
    (
        "Watch it",
        &[
            "ls", "status", "top", "latency", "tap", "describe", "exporter",
        ],
    ),
    ("Record and replay", &["journal", "replay"]),
];

/// Columns of the help.
const WIDTH: usize = 80;

/// The command with its help in groups.
pub fn grouped(command: Command) -> Command {
    let text = text(&command);
    command.override_help(text)
}

fn text(command: &Command) -> String {
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut text = format!("{about}\n\nUsage: selvedge <COMMAND> [OPTIONS]\n");
    let visible: Vec<&Command> = command
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
        .collect();
    for (title, names) in GROUPS {
        let verbs = names
            .iter()
            .filter_map(|name| visible.iter().find(|verb| verb.get_name() == *name));
        write_group(&mut text, title, verbs.copied());
    }
    let known = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
    let rest: Vec<&Command> = visible
        .iter()
        .copied()
        .filter(|verb| !known(verb.get_name()))
        .collect();
    if !rest.is_empty() {
        write_group(&mut text, "More", rest.into_iter());
    }
    text.push_str(
        "\nOptions:\n  --log-format human|json  How logs are written; SELVEDGE_LOG=debug says more\n  \
         -h, --help               This; `selvedge VERB --help` has examples\n  \
         -V, --version            The version\n\n\
         A fabric lies under SELVEDGE_DIR, by default /dev/shm/selvedge.\n",
    );
    text
}

fn write_group<'a>(text: &mut String, title: &str, verbs: impl Iterator<Item = &'a Command>) {
    // Writing into a string does not fail.
    let _ = writeln!(text, "\n{title}:");
    for verb in verbs {
        let about = verb
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        let mut line = format!("  {:<12}", verb.get_name());
        for word in about.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH {
                let _ = writeln!(text, "{line}");
                line = " ".repeat(14);
            }
            line.push(' ');
            line.push_str(word);
        }
        let _ = writeln!(text, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    /// The command line of an example, without what explains it.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quoted, mut spaces) = (Vec::new(), String::new(), false, 0);
        for letter in line.chars() {
            match letter {
                '\'' => quoted = !quoted,
                ' ' if !quoted => {
                    spaces += 1;
                    if spaces > 1 {
                        // What follows explains.
                        break;
                    }
                    words.push(std::mem::take(&mut word));
                    continue;
                }
                '|' | '>' if !quoted => break,
                _ => word.push(letter),
            }
            spaces = 0;
        }
        words.push(word);
        words.retain(|word| !word.is_empty() && !word.starts_with("SELVEDGE_"));
        words
    }

    fn check_examples(command: &Command, path: &str, examples: &mut usize) {
        let path = format!("{path} {}", command.get_name());
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(help.contains("Examples:\n"), "{path} has no examples");
        for line in help.lines() {
            assert!(line.chars().count() <= WIDTH, "{path}: {line}");
            let words = words(line.trim_start());
            if words.first().is_none_or(|word| word != "selvedge") {
                continue;
            }
            *examples += 1;
            if let Err(error) = Cli::command().try_get_matches_from(&words) {
                panic!("{path}: `{line}`: {error}");
            }
        }
        for verb in command.get_subcommands() {
            if !verb.is_hide_set() && verb.get_name() != "help" {
                check_examples(verb, &path, examples);
            }
        }
    }

    #[test]
    fn every_verb_has_examples_that_the_command_line_takes() {
        let mut examples = 0;
        for verb in Cli::command()
            .get_subcommands()
            .filter(|verb| !verb.is_hide_set())
        {
            check_examples(verb, "selvedge", &mut examples);
        }
        assert!(examples >= 60, "{examples}");
    }

    #[test]
    fn the_units_run_commands_that_there_are() {
        let units = concat!(
            include_str!("../../tuning/selvedge@.service"),
            include_str!("../../tuning/selvedge-exporter.service")
        );
        let commands: Vec<&str> = units
            .lines()
            .filter_map(|line| line.strip_prefix("ExecStart=/usr/bin/"))
            .collect();
        assert_eq!(commands.len(), 2);
        for command in commands {
            if let Err(error) = Cli::command().try_get_matches_from(words(command)) {
                panic!("{command}: {error}");
            }
        }
    }

    #[test]
    fn every_verb_is_shown_within_eighty_columns() {
        let command = Cli::command();
        let text = text(&command);
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let start = format!("\n  {} ", verb.get_name());
            assert!(text.contains(&start), "no {} in {text}", verb.get_name());
        }
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
    }
}
