//! `top`, driven through tmux on a terminal of 80 by 24.

mod common;

use common::{Place, producer, quote, wait_for};
use selvedge_fabric::Start;
use std::process::{Command, Output};

/// A terminal of its own, gone with the test.
struct Terminal {
    socket: String,
}

impl Terminal {
    fn start(place: &Place, command: &str) -> Self {
        let socket = format!("selvedge-test-{}", std::process::id());
        let terminal = Terminal { socket };
        let directory = place.path().to_str().expect("UTF-8");
        let environment = format!("SELVEDGE_DIR={directory}");
        let shell = format!("env {environment} TERM=screen-256color {command}; sleep 600");
        let started = terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "80",
            "-y",
            "24",
            &shell,
        ]);
        assert!(
            started.status.success(),
            "{}",
            String::from_utf8_lossy(&started.stderr)
        );
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        Command::new("tmux")
            .args(["-L", &self.socket])
            .args(arguments)
            .output()
            .expect("tmux runs")
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned()
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    fn wait_for(&self, what: &str, parts: &[&str]) -> String {
        wait_for(what, || {
            let screen = self.screen();
            parts
                .iter()
                .all(|part| screen.contains(part))
                .then_some(screen)
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn top_shows_the_fabric_and_does_what_its_keys_say() {
    if Command::new("tmux").arg("-V").output().is_err() {
        eprintln!("skipped: tmux is not installed");
        return;
    }
    let place = Place::new();
    let (fabric, _sequencer) = place.fabric("shown");
    let mut feed = producer(&fabric, "feed");
    let _idle = producer(&fabric, "another");
    let _reader = fabric
        .consumer("strategy")
        .start(Start::Oldest)
        .attach()
        .expect("admitted");
    let disk = tempfile::tempdir().expect("a directory on disk");
    let directory = disk.path().to_str().expect("UTF-8");
    let mut journal = place.start(&["journal", "record", "shown", directory]);
    for price in 0..100 {
        quote(&mut feed, price);
    }
    let command = format!(
        "{} top shown --interval 100",
        env!("CARGO_BIN_EXE_selvedge")
    );
    let terminal = Terminal::start(&place, &command);
    let screen = terminal.wait_for(
        "the screen",
        &[
            "shown",
            "sequencer running",
            "SOURCE",
            "feed",
            "another",
            "CONSUMER",
            "strategy",
            "q quit",
        ],
    );
    assert!(
        screen.lines().all(|line| line.chars().count() <= 80),
        "{screen}"
    );
    let at = |name: &str| screen.lines().position(|line| line.starts_with(name));
    assert!(at("another") < at("feed"), "sorted by name: {screen}");
    terminal.wait_for(
        "the journal",
        &["journal recording", "0 0ns to record", "free"],
    );
    terminal.wait_for("the duty cycles", &["busy ", "held "]);
    journal.signal(nix::sys::signal::Signal::SIGKILL);
    journal.wait();
    let screen = terminal.wait_for(
        "its death",
        &["journal dead", "ERRORS (1)", "died: process"],
    );
    let row = screen.lines().find(|line| line.contains("died: process"));
    let words: Vec<&str> = row.unwrap_or_default().split_whitespace().collect();
    assert_eq!(words[..2], ["journal", "1"], "once: {screen}");
    terminal.wait_for("a consumer that stands still", &["frozen"]);
    terminal.press("s");
    terminal.press("s");
    terminal.press("s");
    let screen = terminal.wait_for("the order by latency", &["s sort (p99)"]);
    let at = |name: &str| screen.lines().position(|line| line.starts_with(name));
    assert!(at("feed") < at("another"), "sorted by latency: {screen}");
    terminal.press("h");
    terminal.wait_for("the help", &["selvedge top", "latencies from zero"]);
    terminal.press("h");
    terminal.press("r");
    terminal.wait_for("the reset", &["latencies start from zero"]);
    terminal.press("p");
    terminal.wait_for("the pause", &["p go on"]);
    terminal.press("q");
    wait_for("the end", || {
        (!terminal.screen().contains("SOURCE")).then_some(())
    });
}

#[test]
fn top_without_a_terminal_says_what_to_use() {
    let place = Place::new();
    let said = place.fails(&["top"]);
    assert!(
        said.contains("needs a terminal") && said.contains("status --json --watch"),
        "{said}"
    );
}
