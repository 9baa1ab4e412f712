//! `check`, `up`, `down` and `doctor`, end to end.

mod common;

use common::{Place, producer, quote, wait_for};
use nix::sys::signal::Signal;
use selvedge_journal::JournalView;
use std::path::PathBuf;

/// A topology file of this place, with agents that make way for each other.
fn topology(place: &Place, name: &str, more: &str) -> (PathBuf, tempfile::TempDir) {
    let disk = tempfile::tempdir().expect("a directory on disk");
    let text = format!(
        "[fabric]\nname = \"{name}\"\ndirectory = \"{}\"\n\
         [memory]\nhugepages = \"none\"\n[sequencer]\nidle = \"park\"\n\
         [journal]\ndirectory = \"{}/journal\"\nkeep_free = 0\n{more}",
        place.path().display(),
        disk.path().display()
    );
    let file = disk.path().join("fabric.toml");
    std::fs::write(&file, text).expect("the file can be written");
    (file, disk)
}

#[test]
fn a_fabric_goes_up_survives_a_kill_and_comes_down_in_order() {
    let place = Place::new();
    let (file, disk) = topology(&place, "day", "");
    let file = file.to_str().expect("a path in UTF-8");
    assert!(place.ok(&["check", file]).contains("fabric `day`"));
    let said = place.ok(&["up", file]);
    assert!(
        said.contains("day is up") && said.contains("next: selvedge status"),
        "{said}"
    );
    let said = place.fails(&["up", file]);
    assert!(
        said.contains("already up") && said.contains("selvedge down day"),
        "{said}"
    );

    let fabric = place.attach("day");
    let mut feed = producer(&fabric, "feed");
    for price in 0..50 {
        quote(&mut feed, price);
    }
    let first = fabric.sequencer().expect("a sequencer");
    let pid = nix::unistd::Pid::from_raw(first.process.pid as i32);
    nix::sys::signal::kill(pid, Signal::SIGKILL).expect("it can be killed");
    wait_for("the next sequencer", || {
        fabric
            .sequencer()
            .filter(|view| view.epoch > first.epoch && fabric.has_running_sequencer())
    });
    for price in 0..50 {
        quote(&mut feed, price);
    }
    wait_for("all hundred", || {
        let state = place.json(&["status", file, "--json"]);
        (state["sources"][0]["messages"] == 100).then_some(())
    });
    drop(feed);
    let said = place.ok(&["down", file]);
    assert!(said.contains("day is down"), "{said}");
    let said = place.ok(&["down", "day"]);
    assert!(said.contains("nothing to do"), "{said}");
    let journal = disk.path().join("journal");
    let verified = place.ok(&["journal", "verify", journal.to_str().expect("UTF-8")]);
    assert!(verified.contains("every byte is right"), "{verified}");
    assert!(place.ok(&["down", "day", "--remove"]).contains("removed"));
    assert!(place.ok(&["ls"]).contains("no fabrics"));
}

#[test]
fn a_killed_journal_is_started_again_and_misses_nothing() {
    let place = Place::new();
    let (file, disk) = topology(&place, "kept", "");
    let file = file.to_str().expect("a path in UTF-8");
    place.ok(&["up", file]);
    let fabric = place.attach("kept");
    let mut feed = producer(&fabric, "feed");
    let journal = || {
        fabric
            .gating_consumers()
            .into_iter()
            .find(|entry| entry.name == "journal" && entry.process.is_alive())
            .map(|entry| entry.process)
    };
    let recorded_all = || {
        let view = JournalView::attach(&fabric).ok()?;
        (view.recorded() + 1 >= fabric.next_sequence()).then_some(())
    };
    let mut sent = 0;
    for _ in 0..3 {
        // Its start is in the journal where something that it read is.
        quote(&mut feed, sent);
        sent += 1;
        wait_for("a message in the journal", recorded_all);
        for _ in 0..50 {
            quote(&mut feed, sent);
            sent += 1;
        }
        let killed = wait_for("the journal", journal);
        let pid = nix::unistd::Pid::from_raw(killed.pid as i32);
        nix::sys::signal::kill(pid, Signal::SIGKILL).expect("it can be killed");
        // Whether it is there or not, the fabric goes on.
        for _ in 0..50 {
            quote(&mut feed, sent);
            sent += 1;
        }
        wait_for("the next journal", || {
            journal().filter(|process| *process != killed)
        });
        wait_for("everything in the journal", recorded_all);
    }
    drop(feed);
    place.ok(&["down", file]);

    let journal = disk.path().join("journal");
    let journal = journal.to_str().expect("a path in UTF-8");
    let verified = place.ok(&["journal", "verify", journal]);
    assert!(verified.contains("every byte is right"), "{verified}");
    let lines = place.ok(&["journal", "query", journal, "--type", "test.quote"]);
    let prices: Vec<f64> = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|row| row["fields"]["price"].as_f64().expect("a number"))
        .collect();
    let expected: Vec<f64> = (0..sent).map(|price| price as f64 / 10_000.0).collect();
    assert_eq!(prices, expected);
    let lines = place.ok(&["journal", "query", journal, "--activities"]);
    assert_eq!(lines.matches("\"WriterStarted\"").count(), 4, "{lines}");
}

#[test]
fn a_standby_takes_over_and_the_next_sequencer_stands_by() {
    let place = Place::new();
    let (file, _disk) = topology(&place, "twice", "[standby]\nidle = \"park\"\n");
    let file = file.to_str().expect("a path in UTF-8");
    place.ok(&["up", file]);
    let fabric = place.attach("twice");
    let mut feed = producer(&fabric, "feed");
    for round in 1..=3 {
        quote(&mut feed, 1);
        let before = fabric.sequencer().expect("a sequencer");
        let pid = nix::unistd::Pid::from_raw(before.process.pid as i32);
        nix::sys::signal::kill(pid, Signal::SIGKILL).expect("it can be killed");
        wait_for("the takeover", || {
            fabric
                .sequencer()
                .filter(|view| view.epoch > before.epoch && fabric.has_running_sequencer())
        });
        wait_for("the message", || {
            let state = place.json(&["status", file, "--json"]);
            (state["sources"][0]["messages"] == round).then_some(())
        });
    }
    drop(feed);
    place.ok(&["down", file]);
}

#[test]
fn agents_that_outlive_their_supervisor_are_ended_by_down() {
    let place = Place::new();
    let (file, _disk) = topology(&place, "orphans", "");
    let file = file.to_str().expect("a path in UTF-8");
    let mut supervisor = place.start(&["up", file, "--foreground"]);
    let fabric = {
        let control = place.path().join("orphans/control");
        wait_for("the fabric", || control.exists().then_some(()));
        place.attach("orphans")
    };
    let record = place.path().join("orphans/supervisor.json");
    wait_for("everything to run", || {
        std::fs::read_to_string(&record)
            .is_ok_and(|text| text.contains("\"ready\":true"))
            .then_some(())
    });
    supervisor.signal(Signal::SIGKILL);
    supervisor.wait();
    assert!(
        fabric.has_running_sequencer(),
        "agents go on without their supervisor"
    );
    place.ok(&["down", "orphans"]);
    assert!(!fabric.has_running_sequencer());
    wait_for("the journal's end", || {
        fabric
            .gating_consumers()
            .iter()
            .all(|entry| !entry.process.is_alive())
            .then_some(())
    });
}

#[test]
fn a_service_manager_is_told_when_everything_runs_and_when_it_ends() {
    let place = Place::new();
    let (file, _disk) = topology(&place, "service", "");
    let socket = place.path().join("notify");
    let listening = std::os::unix::net::UnixDatagram::bind(&socket).expect("a socket");
    listening
        .set_read_timeout(Some(std::time::Duration::from_secs(60)))
        .expect("a limit");
    let mut supervisor = common::Background(
        place
            .command(&["up", file.to_str().expect("UTF-8"), "--foreground"])
            .env("NOTIFY_SOCKET", &socket)
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("it starts"),
    );
    let mut buffer = [0; 256];
    let length = listening.recv(&mut buffer).expect("a message");
    assert!(buffer[..length].starts_with(b"READY=1"));
    assert!(place.attach("service").has_running_sequencer());
    supervisor.signal(Signal::SIGTERM);
    let length = listening.recv(&mut buffer).expect("a message");
    assert_eq!(&buffer[..length], b"STOPPING=1");
    assert!(supervisor.wait().success());
}

#[test]
fn what_is_wrong_is_said_before_anything_starts() {
    let place = Place::new();
    let (file, _disk) = topology(
        &place,
        "wrong",
        "[[consumer]]\nname = \"x\"\nkind = \"fast\"\n",
    );
    let file = file.to_str().expect("a path in UTF-8");
    for verb in ["check", "up"] {
        let said = place.fails(&[verb, file]);
        assert!(
            said.contains("line 13: error") && said.contains("gating, copying"),
            "{said}"
        );
    }
    assert!(!place.path().join("wrong").exists());
    let (file, _disk) = topology(&place, "far", "[[consumer]]\nname = \"x\"\ncore = 8000\n");
    let output = place.run(&["check", file.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("cores 8000 do not exist"), "{said}");
    let example = place.ok(&["check", "--example"]);
    assert!(example.contains("[sequencer]"), "{example}");
}

#[test]
fn a_fabric_of_another_shape_is_not_taken_for_this_one() {
    let place = Place::new();
    place.ok(&["create", "shaped", "--stream-capacity", "1024"]);
    let (file, _disk) = topology(&place, "shaped", "");
    let said = place.fails(&["up", file.to_str().expect("UTF-8"), "--foreground"]);
    assert!(
        said.contains("stream_slots = 1024") && said.contains("says 8192"),
        "{said}"
    );
}

#[test]
fn the_doctor_reports_findings_measures_and_changes_nothing() {
    let place = Place::new();
    let page = place.path().join("host.html");
    let page_name = page.to_str().expect("UTF-8");
    let output = place.run(&["doctor", "--json", "--seconds", "0.2", "--html", page_name]);
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("one JSON object");
    let findings = report["findings"].as_array().expect("a list");
    let worst = |severity: &str| {
        findings
            .iter()
            .any(|finding| finding["severity"] == severity)
    };
    let expected = match (worst("error"), worst("warning")) {
        (true, _) => 3,
        (false, true) => 2,
        (false, false) => 0,
    };
    assert_eq!(output.status.code(), Some(expected));
    for key in ["check", "severity", "found", "expected", "why", "remedy"] {
        assert!(
            findings.iter().all(|finding| finding[key].is_string()),
            "{key}"
        );
    }
    let jitter = report["measured"]["jitter"].as_array().expect("a list");
    assert_eq!(
        jitter.len(),
        report["cores"].as_array().map_or(0, Vec::len).min(64)
    );
    let html = std::fs::read_to_string(&page).expect("the page");
    assert!(html.contains("<h1>selvedge doctor</h1>") && html.contains("What preempts"));
    let (file, _disk) = topology(&place, "plan", "[[consumer]]\nname = \"x\"\ncore = 8000\n");
    let output = place.run(&["doctor", file.to_str().expect("UTF-8"), "--seconds", "0"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stdout).contains("8000 do not exist"));
}

#[test]
fn what_the_topology_promises_and_is_not_kept_raises_an_alarm() {
    let place = Place::new();
    let more = "[latency]\npublish_to_sequenced_p99 = \"1ns\"\nsequenced_to_consumed_p99 = \"1ns\"\n\
                [[producer]]\nname = \"feed\"\npatience = \"60s\"\n\
                [[consumer]]\nname = \"strategy\"\n";
    let (file, _disk) = topology(&place, "alarmed", more);
    let file = file.to_str().expect("a path in UTF-8");
    place.ok(&["up", file]);
    let alarms = || -> Vec<String> {
        let state = place.json(&["status", "alarmed", "--json"]);
        let list = state["alarms"].as_array().expect("a list");
        list.iter()
            .map(|alarm| format!("{} {}", alarm["alarm"], alarm["subject"]))
            .collect()
    };
    wait_for("those who are away", || {
        (alarms() == ["\"away\" \"feed\"", "\"away\" \"strategy\""]).then_some(())
    });
    let fabric = place.attach("alarmed");
    let mut feed = producer(&fabric, "feed");
    quote(&mut feed, 1);
    wait_for("the budget's alarm", || {
        (alarms() == ["\"away\" \"strategy\"", "\"latency-budget\" \"feed\""]).then_some(())
    });
    assert!(
        place
            .ok(&["status", "alarmed"])
            .contains("ALARM latency-budget: feed: p99")
    );
    let mut strategy = fabric
        .consumer("strategy")
        .start(selvedge_fabric::Start::Oldest)
        .timed_every(1)
        .attach()
        .expect("the consumer is admitted");
    wait_for("the consumer's budget", || {
        strategy.poll(64, |_| {}).expect("the stream can be read");
        (alarms()
            == [
                "\"latency-budget\" \"feed\"",
                "\"latency-budget\" \"strategy\"",
            ])
        .then_some(())
    });
    drop((feed, strategy));
    place.ok(&["down", file]);
}

#[test]
fn a_budget_that_is_kept_raises_none() {
    let place = Place::new();
    let more = "[latency]\npublish_to_sequenced_p99 = \"100s\"\n";
    let (file, _disk) = topology(&place, "kept", more);
    let file = file.to_str().expect("a path in UTF-8");
    place.ok(&["up", file]);
    let fabric = place.attach("kept");
    let mut feed = producer(&fabric, "feed");
    quote(&mut feed, 1);
    let state = wait_for("the sample", || {
        let state = place.json(&["status", "kept", "--json"]);
        (!state["sources"][0]["latency"].is_null()).then_some(state)
    });
    assert!(!state["alarms"].to_string().contains("budget"), "{state}");
    drop(feed);
    place.ok(&["down", file]);
}

#[test]
fn the_tuning_plan_is_a_script_that_a_shell_takes_and_applies_nothing() {
    let place = Place::new();
    let (file, _disk) = topology(&place, "tuned", "[[producer]]\nname = \"p\"\ncore = 0\n");
    let script = place.ok(&["tune", "plan", file.to_str().expect("UTF-8")]);
    assert!(script.starts_with("#!/bin/sh\n") && script.contains("nothing has been applied"));
    let path = place.path().join("tune.sh");
    std::fs::write(&path, &script).expect("the script");
    let checked = std::process::Command::new("sh")
        .arg("-n")
        .arg(&path)
        .status()
        .expect("sh");
    assert!(checked.success(), "{script}");
}

#[test]
fn help_completions_and_logs_are_as_promised() {
    let place = Place::new();
    let help = place.ok(&["--help"]);
    for group in ["First minutes:", "Run a fabric:", "Watch it:"] {
        assert!(help.contains(group), "{help}");
    }
    for verb in [
        "status",
        "tap",
        "describe",
        "doctor",
        "check",
        "up",
        "down",
        "top",
        "exporter",
        "latency",
        "completions",
    ] {
        assert!(place.ok(&[verb, "--help"]).contains("Examples:"), "{verb}");
    }
    assert!(place.ok(&["tune", "plan", "--help"]).contains("Examples:"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            place.ok(&["completions", shell]).contains("doctor"),
            "{shell}"
        );
    }
    let (file, _disk) = topology(&place, "logged", "");
    let file = file.to_str().expect("UTF-8");
    let mut supervisor = place.start(&["up", file, "--foreground", "--log-format", "json"]);
    let record = place.path().join("logged/supervisor.json");
    wait_for("everything to run", || {
        std::fs::read_to_string(&record)
            .is_ok_and(|text| text.contains("true"))
            .then_some(())
    });
    assert!(supervisor.terminate().success());
    let mut log = String::new();
    let mut errors = supervisor.0.stderr.take().expect("captured");
    std::io::Read::read_to_string(&mut errors, &mut log).expect("text");
    let started = log
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .any(|event| event["message"] == "started" && event["role"] == "sequencer");
    assert!(started, "{log}");
}

#[test]
fn what_operators_do_is_in_the_journal_with_who_did_it() {
    let place = Place::new();
    let (file, disk) = topology(&place, "ops", "roll = \"1h\"\n");
    let path = file.to_str().expect("a path in UTF-8");
    let journal = disk.path().join("journal");
    let journal = journal.to_str().expect("a path in UTF-8");
    place.ok(&["up", path]);
    place.ok(&["latency", "ops", "--reset"]);
    // What fails was tried all the same.
    place.fails(&["remove", "ops", "--consumer", "nobody"]);
    place.ok(&["journal", "retain", journal, "--max-age", "1y"]);
    place.ok(&["down", path]);
    let text = std::fs::read_to_string(&file).expect("the topology");
    let changed = format!("{text}# not a change\n[latency]\npublish_to_sequenced_p99 = \"7us\"\n");
    std::fs::write(&file, changed).expect("the file can be written");
    place.ok(&["up", path]);
    place.ok(&["down", path]);

    let lines = place.ok(&["journal", "query", journal, "--activities"]);
    let rows: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let of = |action: &str| -> Vec<String> {
        let rows = rows.iter().filter(|row| row["action"] == action);
        rows.map(|row| {
            assert_eq!(row["uid"], nix::unistd::geteuid().as_raw());
            assert_ne!(row["pid"], 0);
            let executable = row["executable"].as_str().expect("text");
            assert!(executable.ends_with("/selvedge"), "{executable}");
            let detail = row["detail"].as_str().expect("text");
            detail.split(" (action").next().expect("text").to_owned()
        })
        .collect()
    };
    assert_eq!(
        of("OperatorAction"),
        [
            "up ops",
            "latency --reset",
            "remove ops --consumer nobody",
            "journal retain --max-age 1y",
            "down ops",
            "up ops",
            "down ops",
        ]
    );
    let configured = of("ConfigurationChanged");
    assert_eq!(configured.len(), 2, "{configured:?}");
    assert!(configured[0].starts_with("topology "), "{configured:?}");
    assert!(
        configured[1].ends_with(": +[latency] +publish_to_sequenced_p99 = \"7us\""),
        "{configured:?}"
    );
    let started = of("WriterStarted");
    assert!(
        started[0].contains("rolled every Some(3600s)"),
        "{started:?}"
    );
    let shown = place.ok(&["journal", "dump", journal, "--activities"]);
    assert!(shown.contains("OperatorAction by process"), "{shown}");
    let info = place.ok(&["journal", "info", journal, "--full"]);
    assert!(info.contains("remove ops --consumer nobody"), "{info}");
    let last = rows.last().expect("a row")["next_sequence"].to_string();
    let none = format!("seq:{}", last.parse::<u64>().expect("a number") + 1);
    let behind = place.ok(&["journal", "query", journal, "--activities", "--from", &none]);
    assert_eq!(behind, "");
    let two = place.ok(&["journal", "query", journal, "--activities", "--limit", "2"]);
    assert_eq!(two.lines().count(), 2);

    // The fabric goes, its journal stays, and so does word of who removed it.
    place.ok(&["remove", "ops"]);
    let waiting = std::fs::read_dir(disk.path().join("journal/actions")).expect("there is one");
    assert_eq!(waiting.count(), 1);
}
