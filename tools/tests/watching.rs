//! What `status`, `stat`, `top`'s state and the exporter tell of the journal, the sequencer's duty
//! cycles, back-pressure, followers, observers and errors.

mod common;

use common::{Place, producer, quote, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selvedge_fabric::{ClaimError, Start};
use selvedge_journal::{FollowFrom, Follower, FollowerPlace};
use serde_json::Value;
use std::io::{BufRead, BufReader};

fn status(place: &Place, name: &str) -> Value {
    place.json(&["stat", name, "--json", "--interval", "50"])
}

fn signal(pid: &Value, signal: Signal) {
    let pid = pid.as_i64().expect("a process id") as i32;
    kill(Pid::from_raw(pid), signal).expect("it can be signalled");
}

/// A fabric that is up with a journal; its topology file and disk.
fn up(place: &Place, name: &str, journal: &str) -> (String, tempfile::TempDir) {
    let disk = tempfile::tempdir().expect("a directory on disk");
    let file = disk.path().join("fabric.toml");
    let text = format!(
        "[fabric]\nname = \"{name}\"\ndirectory = \"{}\"\nstream_slots = 256\n\
         [memory]\nhugepages = \"none\"\n[sequencer]\nidle = \"park\"\n\
         [journal]\ndirectory = \"{}\"\n{journal}\n",
        place.path().display(),
        disk.path().join("journal").display()
    );
    std::fs::write(&file, text).expect("the file can be written");
    let file = file.to_str().expect("UTF-8").to_owned();
    place.ok(&["up", &file]);
    (file, disk)
}

fn alarms(state: &Value) -> Vec<&str> {
    let list = state["alarms"].as_array().expect("a list");
    list.iter()
        .filter_map(|alarm| alarm["alarm"].as_str())
        .collect()
}

#[test]
fn how_far_the_journal_is_and_what_its_disk_has_left_is_told() {
    let place = Place::new();
    // More than any disk has: the alarm is raised at once.
    let (file, disk) = up(&place, "recorded", "keep_free = \"1000TiB\"");
    let fabric = place.attach("recorded");
    let mut feed = producer(&fabric, "feed");
    for price in 0..50 {
        quote(&mut feed, price);
    }
    let state = wait_for("the journal to be durable", || {
        let state = status(&place, "recorded");
        let done = state["next_sequence"].as_u64()? - 1;
        (done > 50 && state["journal"]["durable"] == done).then_some(state)
    });
    let journal = &state["journal"];
    assert_eq!(journal["state"], "recording");
    assert_eq!(journal["recorded_lag"], 0);
    assert_eq!(journal["durable_lag"], 0);
    assert_eq!(journal["recorded_lag_s"], 0.0);
    let directory = disk.path().join("journal");
    assert_eq!(journal["directory"], directory.to_str().expect("UTF-8"));
    assert!(journal["free_bytes"].as_u64() > Some(0), "{journal}");
    assert!(alarms(&state).contains(&"disk-low"), "{state}");

    // Stopped, it falls behind: in frames, and in time since the oldest of them.
    signal(&journal["pid"], Signal::SIGSTOP);
    for price in 0..5 {
        quote(&mut feed, price);
    }
    let state = wait_for("the journal to be behind", || {
        let state = status(&place, "recorded");
        alarms(&state).contains(&"journal-behind").then_some(state)
    });
    assert_eq!(state["journal"]["recorded_lag"], 5);
    assert_eq!(state["journal"]["durable_lag"], 5);
    assert!(state["journal"]["durable_lag_s"].as_f64() > Some(1.0));
    let text = place.ok(&["status", "recorded"]);
    for part in [
        "journal recording",
        "recorded 5 behind (",
        "free (keep 1000.0 TiB)",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    signal(&state["journal"]["pid"], Signal::SIGCONT);
    wait_for("the journal to have caught up", || {
        let state = status(&place, "recorded");
        (state["journal"]["durable_lag"] == 0).then_some(())
    });
    drop(feed);
    place.ok(&["down", &file]);
    assert_eq!(status(&place, "recorded")["journal"]["state"], "ended");
}

#[test]
fn a_journal_without_a_topology_is_watched_as_well() {
    let place = Place::new();
    let (_fabric, _sequencer) = place.fabric("bare");
    assert!(status(&place, "bare")["journal"].is_null());
    let disk = tempfile::tempdir().expect("a directory on disk");
    let mut journal = place.start(&[
        "journal",
        "record",
        "bare",
        disk.path().to_str().expect("UTF-8"),
    ]);
    let state = wait_for("the journal", || {
        let state = status(&place, "bare");
        (state["journal"]["state"] == "recording").then_some(state)
    });
    assert_eq!(state["journal"]["pid"], journal.0.id());
    assert!(state["journal"]["free_bytes"].as_u64() > Some(0));
    journal.signal(Signal::SIGKILL);
    journal.wait();
    assert_eq!(status(&place, "bare")["journal"]["state"], "dead");
}

#[test]
fn back_pressure_is_the_share_of_looks_at_a_full_ring() {
    let place = Place::new();
    place.ok(&["create", "pressed", "--ingress-capacity", "16"]);
    let sequencer = place.start(&["sequencer", "pressed", "--idle", "park"]);
    let fabric = place.attach("pressed");
    wait_for("the sequencer", || {
        fabric.has_running_sequencer().then_some(())
    });
    let mut feed = producer(&fabric, "feed");
    quote(&mut feed, 1);
    let busy = wait_for("a duty cycle with work", || {
        let state = status(&place, "pressed");
        let busy = state["sequencer"]["busy_duty_cycles"].as_u64()?;
        (state["sources"][0]["messages"] == 1 && busy > 0).then_some(busy)
    });
    // A sequencer that parks stores its counts about once a second.
    let (state, share) = wait_for("the counts to move", || {
        let state = place.json(&["stat", "pressed", "--json", "--interval", "1500"]);
        let share = state["sequencer"]["busy_percent"].as_f64()?;
        Some((state, share))
    });
    assert!(
        state["sequencer"]["duty_cycles"].as_u64() > Some(busy),
        "{state}"
    );
    // It parks, with nothing to do.
    assert!((0.0..50.0).contains(&share), "{state}");
    assert_eq!(state["sources"][0]["back_pressure_percent"], 0.0);

    sequencer.signal(Signal::SIGSTOP);
    while feed
        .try_publish(&common::Trade { number: 1 })
        .map_err(|error| assert!(matches!(error, ClaimError::Full)))
        .is_ok()
    {}
    let state = status(&place, "pressed");
    assert_eq!(state["sources"][0]["fill_percent"], 100.0);
    assert_eq!(state["sources"][0]["back_pressure_percent"], 100.0);
    // More than the two looks of `status` itself.
    assert!(state["sources"][0]["samples"].as_u64() > Some(2), "{state}");
    assert!(alarms(&state).contains(&"ring-full"), "{state}");
    sequencer.signal(Signal::SIGCONT);
    wait_for("room", || {
        let state = status(&place, "pressed");
        (state["sources"][0]["back_pressure_percent"] == 0.0).then_some(())
    });
    // What the sequencer found is seen: one more message is at least one more cycle with work.
    quote(&mut feed, 1);
    wait_for("one more", || {
        let state = status(&place, "pressed");
        (state["sequencer"]["busy_duty_cycles"].as_u64() > Some(busy)).then_some(())
    });
}

#[test]
fn who_catches_up_from_the_journal_is_shown_so() {
    let place = Place::new();
    let (file, disk) = up(&place, "followed", "keep_free = 0");
    let fabric = place.attach("followed");
    let mut feed = producer(&fabric, "feed");
    for price in 0..2_000 {
        wait_for("room", || {
            feed.try_publish(&common::Trade { number: price }).ok()
        });
    }
    wait_for("the journal", || {
        (status(&place, "followed")["journal"]["durable_lag"] == 0).then_some(())
    });
    let directory = disk.path().join("journal");
    let mut follower = Follower::attach(&fabric, &directory, "late", FollowFrom::Oldest)
        .expect("the journal holds it all");
    let mut read = 0;
    while read < 10 {
        read += follower.poll(1, |_| {}).expect("it can be read");
    }
    let late = |state: &Value| -> Value {
        let list = state["consumers"].as_array().expect("a list");
        list.iter()
            .find(|one| one["name"] == "late")
            .cloned()
            .unwrap_or_default()
    };
    let state = status(&place, "followed");
    let seen = late(&state);
    assert_eq!(seen["kind"], "following", "{state}");
    assert_eq!(seen["state"], "catch-up", "{state}");
    assert_ne!(seen["reads_from"], "live", "{state}");
    assert_eq!(seen["position"], follower.position());
    assert!(seen["lag"].as_u64() > Some(1_900), "{state}");
    assert!(place.ok(&["status", "followed"]).contains("catch-up"));
    wait_for("the live stream", || {
        follower.poll(64, |_| {}).expect("it can be read");
        (follower.place() == FollowerPlace::Live && follower.behind() == 0).then_some(())
    });
    let seen = late(&status(&place, "followed"));
    assert_eq!(
        (&seen["state"], &seen["reads_from"]),
        (&"live".into(), &"live".into())
    );
    drop(follower);
    assert_eq!(late(&status(&place, "followed"))["state"], "left");
    drop(feed);
    place.ok(&["down", &file]);
}

#[test]
fn an_error_is_shown_once_with_its_count_and_times() {
    let place = Place::new();
    let (file, _disk) = up(&place, "erring", "keep_free = 0");
    assert_eq!(status(&place, "erring")["errors"], serde_json::json!([]));
    for round in 1..=2 {
        let state = status(&place, "erring");
        let epoch = state["sequencer"]["epoch"].as_u64();
        signal(&state["sequencer"]["pid"], Signal::SIGKILL);
        let state = wait_for("the next sequencer", || {
            let state = status(&place, "erring");
            (state["sequencer"]["epoch"].as_u64() > epoch
                && state["sequencer"]["state"] == "running")
                .then_some(state)
        });
        let errors = state["errors"].as_array().expect("a list");
        let deaths: Vec<&Value> = errors
            .iter()
            .filter(|error| error["agent"] == "supervisor")
            .collect();
        assert_eq!(deaths.len(), 1, "{state}");
        assert_eq!(deaths[0]["what"], "died");
        assert_eq!(deaths[0]["subject"], "sequencer");
        assert_eq!(deaths[0]["count"], round);
        let time = |key: &str| deaths[0][key].as_u64().expect("a time");
        assert_eq!(time("first_ns") < time("last_ns"), round > 1);
    }
    let text = place.ok(&["status", "erring"]);
    assert!(
        text.contains("supervisor: died sequencer, 2 x, first "),
        "{text}"
    );
    place.ok(&["down", &file]);
}

#[test]
fn observers_are_measured_and_a_tap_leaves_no_histogram_behind() {
    let place = Place::new();
    let (fabric, _sequencer) = place.fabric("observed");
    let mut feed = producer(&fabric, "feed");
    let mut observer = fabric
        .observer("watcher")
        .start(Start::Oldest)
        .attach()
        .expect("it attaches");
    quote(&mut feed, 1);
    wait_for("the quote", || {
        let mut own = 0;
        observer
            .poll(64, |frame| own += usize::from(frame.header().source() != 0))
            .expect("the stream can be read");
        (own > 0).then_some(())
    });
    let state = status(&place, "observed");
    assert_eq!(state["consumers"][0]["name"], "watcher");
    assert!(
        state["consumers"][0]["latency"]["samples"].as_u64() > Some(0),
        "{state}"
    );
    place.ok(&["tap", "observed", "--from", "oldest", "--limit", "1"]);
    let names: Vec<String> = std::fs::read_dir(fabric.paths().root().join("latency"))
        .expect("the directory of histograms")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    assert!(names.contains(&"consumer-watcher".to_owned()), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("tap-")), "{names:?}");
}

#[test]
fn where_latency_is_off_nobody_records_it() {
    let place = Place::new();
    place.ok(&["create", "quiet", "--no-latency"]);
    let _sequencer = place.start(&["sequencer", "quiet", "--idle", "park"]);
    let fabric = place.attach("quiet");
    wait_for("the sequencer", || {
        fabric.has_running_sequencer().then_some(())
    });
    let mut feed = producer(&fabric, "feed");
    let mut reader = fabric
        .consumer("strategy")
        .start(Start::Oldest)
        .attach()
        .expect("admitted");
    quote(&mut feed, 1);
    wait_for("the quote", || {
        let mut own = 0;
        reader
            .poll(64, |frame| own += usize::from(frame.header().source() != 0))
            .expect("the stream can be read");
        (own > 0).then_some(())
    });
    let state = status(&place, "quiet");
    assert_eq!(state["sources"][0]["messages"], 1);
    assert!(state["sources"][0]["latency"].is_null(), "{state}");
    assert!(state["consumers"][0]["latency"].is_null(), "{state}");
    assert!(!fabric.paths().root().join("latency").exists());
}

#[test]
fn stat_watches_until_its_reader_goes_one_object_a_line() {
    let place = Place::new();
    let (_fabric, _sequencer) = place.fabric("scripted");
    let mut stat = place.start(&["stat", "scripted", "--json", "--watch", "--interval", "20"]);
    let output = stat.0.stdout.take().expect("its output is captured");
    let mut lines = BufReader::new(output).lines();
    let mut taken = 0;
    for _ in 0..3 {
        let line = lines.next().expect("a line").expect("text");
        let state: Value = serde_json::from_str(&line).expect("an object");
        assert_eq!(state["fabric"], "scripted");
        assert!(state["taken_ns"].as_u64() > Some(taken));
        taken = state["taken_ns"].as_u64().expect("a time");
    }
    drop(lines);
    assert!(stat.wait().success(), "the end of a pipe is no error");
}
