//! `ls`, `status`, `describe` and `tap` against a running fabric.

mod common;

use common::{Place, Trade, producer, quote, wait_for};
use selvedge_fabric::Start;
use std::io::{BufRead, BufReader};

#[test]
fn status_shows_who_takes_part_and_how_far_each_is() {
    let place = Place::new();
    let (fabric, mut sequencer) = place.fabric("watched");
    let mut feed = producer(&fabric, "feed");
    let mut reader = fabric
        .consumer("strategy")
        .start(Start::Oldest)
        .attach()
        .expect("the consumer is admitted");
    for price in 0..100 {
        quote(&mut feed, price);
    }
    let mut read = 0;
    wait_for("the quotes", || {
        read += reader.poll(64, |_| {}).expect("the stream can be read");
        (read >= 100).then_some(())
    });

    let state = place.json(&["status", "watched", "--json"]);
    assert_eq!(state["fabric"], "watched");
    assert_eq!(state["sequencer"]["state"], "running");
    assert_eq!(state["sequencer"]["pid"], sequencer.0.id());
    assert_eq!(state["sources"][0]["name"], "feed");
    assert_eq!(state["sources"][0]["state"], "live");
    assert_eq!(state["sources"][0]["messages"], 100);
    assert_eq!(state["sources"][0]["waiting"], 0);
    assert_eq!(state["consumers"][0]["name"], "strategy");
    assert_eq!(state["consumers"][0]["kind"], "gating");
    assert_eq!(state["consumers"][0]["lag"], 0);
    assert_eq!(state["message_types"], 2);

    // Somebody who does not read is seen to stand still, and a stopped sequencer to be frozen
    // while messages wait in the ring.
    quote(&mut feed, 1);
    wait_for("the lag", || {
        let state = place.json(&["stat", "watched", "--json"]);
        (state["consumers"][0]["lag"] == 1 && state["consumers"][0]["state"] == "stalled")
            .then_some(())
    });
    sequencer.signal(nix::sys::signal::Signal::SIGSTOP);
    for price in 0..7 {
        quote(&mut feed, price);
    }
    wait_for("the standstill", || {
        let state = place.json(&["stat", "watched", "--json"]);
        (state["sequencer"]["state"] == "frozen" && state["sources"][0]["waiting"] == 7)
            .then_some(())
    });
    sequencer.signal(nix::sys::signal::Signal::SIGCONT);

    let text = place.ok(&["status"]);
    for word in ["watched", "feed", "strategy", "gating"] {
        assert!(text.contains(word), "no {word} in {text}");
    }
    assert!(
        text.lines()
            .all(|line| line.len() <= 80 || line.contains("note:")),
        "{text}"
    );

    drop(feed);
    drop(reader);
    sequencer.terminate();
    let state = place.json(&["status", "watched", "--json"]);
    assert_eq!(state["sequencer"]["state"], "stopped");
    assert_eq!(state["sources"][0]["state"], "left");
    assert_eq!(state["consumers"][0]["state"], "left");
}

#[test]
fn what_is_not_there_is_said_with_what_to_do() {
    let place = Place::new();
    let said = place.fails(&["status", "nowhere"]);
    assert!(said.contains("there is no fabric `nowhere`"), "{said}");
    assert!(said.contains("create it first"), "{said}");
    place.ok(&["create", "fresh"]);
    assert!(
        place
            .ok(&["status", "fresh"])
            .contains("next: selvedge sequencer fresh")
    );
    assert!(place.ok(&["ls"]).contains("fresh"));
}

#[test]
fn describe_shows_every_field_of_every_type() {
    let place = Place::new();
    let (fabric, _sequencer) = place.fabric("described");
    let _feed = producer(&fabric, "feed");
    let text = place.ok(&["describe", "described"]);
    for part in [
        "0x0101 test.quote version 1, 16 bytes",
        "price",
        "times 10^-4",
        "test.trade",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let json = place.json(&["describe", "described", "--type", "quote", "--json"]);
    assert_eq!(json["types"].as_array().map(Vec::len), Some(1));
    assert_eq!(json["types"][0]["fields"][1]["name"], "shares");
    assert_eq!(json["types"][0]["fields"][1]["offset"], 8);
    let said = place.fails(&["describe", "described", "--type", "nonsense"]);
    assert!(
        said.contains("test.quote") && said.contains("nonsense"),
        "{said}"
    );
}

#[test]
fn tap_prints_what_is_asked_for_and_leaves_nothing_behind() {
    let place = Place::new();
    let (fabric, _sequencer) = place.fabric("tapped");
    let mut feed = producer(&fabric, "feed");
    let mut other = producer(&fabric, "other");
    for number in 1..=5 {
        quote(&mut feed, number * 10_000);
        feed.publish(&Trade {
            number: number as u64,
        })
        .expect("there is room");
        quote(&mut other, 1);
    }
    let text = place.ok(&[
        "tap", "tapped", "--from", "oldest", "--type", "quote", "--source", "feed", "--limit", "5",
    ]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(
        lines[4].contains("test.quote") && lines[4].contains("price=5.0000"),
        "{text}"
    );
    assert!(lines.iter().all(|line| line.contains("feed#")), "{text}");

    let text = place.ok(&[
        "tap", "tapped", "--from", "oldest", "--source", "0", "--limit", "1", "--json",
    ]);
    let frame: serde_json::Value = serde_json::from_str(&text).expect("an object");
    assert_eq!(frame["name"], "selvedge.epoch_opened");
    assert_eq!(frame["sequence"], 1);
    assert_eq!(frame["fields"]["epoch"], 1);

    let left: Vec<_> = std::fs::read_dir(fabric.paths().consumers())
        .expect("the directory is there")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn tap_follows_the_live_stream_until_it_is_told_to_stop() {
    let place = Place::new();
    let (fabric, _sequencer) = place.fabric("live");
    let mut feed = producer(&fabric, "feed");
    let mut tap = place.start(&["tap", "live", "--type", "0x0102"]);
    let attached = || {
        std::fs::read_dir(fabric.paths().consumers())
            .map(Iterator::count)
            .ok()
    };
    wait_for("the tap", || (attached() == Some(1)).then_some(()));
    let output = tap.0.stdout.take().expect("its output is captured");
    let mut lines = BufReader::new(output).lines();
    // The tap's place is taken some time after its file is there: send until it answers.
    let (send, stop) = std::sync::mpsc::channel::<()>();
    let sender = std::thread::spawn(move || {
        let mut number = 0;
        while stop.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            number += 1;
            quote(&mut feed, 1);
            feed.publish(&Trade { number }).expect("there is room");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    });
    let first = lines.next().expect("a line").expect("text");
    assert!(
        first.contains("test.trade") && first.contains("number="),
        "{first}"
    );
    drop(send);
    sender.join().expect("the sender ends");
    assert!(tap.terminate().success());
    wait_for("the tap's file to go", || {
        (attached() == Some(0)).then_some(())
    });
}

#[test]
fn latency_is_measured_all_the_time_and_starts_from_zero_when_asked() {
    let place = Place::new();
    let (fabric, mut sequencer) = place.fabric("timed");
    let mut feed = producer(&fabric, "feed");
    let mut reader = fabric
        .consumer("strategy")
        .start(Start::Oldest)
        .timed_every(1)
        .attach()
        .expect("the consumer is admitted");
    let mut round_trip = |feed: &mut selvedge_fabric::Producer| {
        quote(feed, 1);
        wait_for("the quote", || {
            let mut own = 0;
            reader
                .poll(64, |frame| own += usize::from(frame.header().source() != 0))
                .expect("the stream can be read");
            (own > 0).then_some(())
        });
    };
    for _ in 0..20 {
        round_trip(&mut feed);
    }
    let state = place.json(&["status", "timed", "--json"]);
    let published = &state["sources"][0]["latency"];
    let consumed = &state["consumers"][0]["latency"];
    assert_eq!(
        published["samples"], 20,
        "one a run, and every message was a run: {state}"
    );
    assert!(consumed["samples"].as_u64() >= Some(20), "{state}");
    for latency in [published, consumed] {
        let number = |key: &str| latency[key].as_u64().expect("a number");
        assert!(number("p50_ns") > 0 && number("p50_ns") <= number("p99_ns"));
        assert!(number("p99_9_ns") <= number("max_ns") && number("max_ns") < 60_000_000_000);
    }
    let files = place.path().join("hgrm");
    let files_name = files.to_str().expect("UTF-8");
    let text = place.ok(&["latency", "timed", "--hgrm", files_name, "--reset"]);
    assert!(
        text.contains("publish-to-sequenced") && text.contains("strategy"),
        "{text}"
    );
    let hgrm =
        std::fs::read_to_string(files.join("publish-to-sequenced.feed.hgrm")).expect("the export");
    assert!(
        hgrm.contains("1/(1-Percentile)") && hgrm.contains("Total count    =           20]"),
        "{hgrm}"
    );
    let state = place.json(&["status", "timed", "--json"]);
    assert!(state["sources"][0]["latency"].is_null(), "{state}");
    for _ in 0..3 {
        round_trip(&mut feed);
    }
    let state = place.json(&["status", "timed", "--json"]);
    assert_eq!(state["sources"][0]["latency"]["samples"], 3);
    drop(feed);
    sequencer.terminate();
}
