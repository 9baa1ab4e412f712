//! `create`, `sequencer`, `ls` and `remove` against running fabrics.

mod common;

use common::{Place, Trade, producer, wait_for};
use nix::sys::signal::Signal;

#[test]
fn a_dead_journals_hold_is_given_up_by_remove_consumer_alone() {
    let place = Place::new();
    place.ok(&[
        "create",
        "held",
        "--stream-capacity",
        "256",
        "--ingress-capacity",
        "16",
    ]);
    let _sequencer = place.start(&["sequencer", "held", "--idle", "park"]);
    let fabric = place.attach("held");
    wait_for("the sequencer", || {
        fabric.has_running_sequencer().then_some(())
    });
    let disk = tempfile::tempdir().expect("a directory on disk");
    let directory = disk.path().to_str().expect("UTF-8");
    let mut journal = place.start(&["journal", "record", "held", directory]);
    wait_for("the journal", || {
        fabric
            .gating_consumers()
            .iter()
            .any(|entry| entry.name == "journal")
            .then_some(())
    });
    // While it lives nobody takes its hold away.
    let said = place.fails(&["remove", "held", "--consumer", "journal"]);
    assert!(said.contains(&journal.0.id().to_string()), "{said}");

    journal.signal(Signal::SIGKILL);
    journal.wait();
    let mut feed = producer(&fabric, "feed");
    let mut number = 0;
    wait_for("the stream to stand still", || {
        while feed.try_publish(&Trade { number }).is_ok() {
            number += 1;
        }
        let alarms = fabric.alarms();
        alarms
            .iter()
            .any(|(_, text)| text.contains("`journal` is dead and holds the stream"))
            .then_some(())
    });
    assert!(feed.try_publish(&Trade { number }).is_err());
    let state = place.json(&["status", "held", "--json"]);
    let errors = state["errors"].to_string();
    assert!(errors.contains("holds the stream"), "{errors}");

    let said = place.fails(&["remove", "held", "--consumer", "nobody"]);
    assert!(
        said.contains("`nobody`") && said.contains("selvedge status held"),
        "{said}"
    );
    let said = place.ok(&["remove", "held", "--consumer", "journal"]);
    assert!(said.contains("consumer journal holds nothing"), "{said}");
    // The stream goes on: more goes through than the rings hold.
    let end = number + 1_000;
    wait_for("the stream to go on", || {
        while number < end && feed.try_publish(&Trade { number }).is_ok() {
            number += 1;
        }
        (number == end).then_some(())
    });
}

#[test]
fn a_fabric_in_use_is_kept_and_a_dead_one_removed() {
    let place = Place::new();
    let (_fabric, mut sequencer) = place.fabric("used");
    place.ok(&["create", "idle"]);
    let listed = place.ok(&["ls"]);
    assert!(
        listed.contains("used") && listed.contains("sequencer running"),
        "{listed}"
    );
    assert!(listed.contains("never had a sequencer"), "{listed}");
    let said = place.fails(&["create", "used"]);
    assert!(said.contains("used") && said.contains("remove"), "{said}");
    let said = place.fails(&["remove", "used"]);
    assert!(said.contains("sequencer"), "{said}");
    let said = place.ok(&["remove", "--dead"]);
    assert!(
        said.contains("removed idle") && said.contains("kept used: used by"),
        "{said}"
    );
    assert!(sequencer.terminate().success());
    assert_eq!(place.ok(&["remove", "used"]), "removed used\n");
    assert!(place.ok(&["ls"]).contains("selvedge create NAME"));
}

#[test]
fn a_sequencer_drains_when_told_to_stop_and_the_next_goes_on() {
    let place = Place::new();
    let (fabric, mut sequencer) = place.fabric("drained");
    let mut feed = producer(&fabric, "feed");
    for number in 0..10 {
        wait_for("room", || feed.try_publish(&Trade { number }).ok());
    }
    assert!(sequencer.terminate().success());
    let state = place.json(&["status", "drained", "--json"]);
    assert_eq!(state["sequencer"]["state"], "stopped");
    assert_eq!(state["sources"][0]["messages"], 10);
    let _next = place.start(&["sequencer", "drained", "--idle", "park"]);
    wait_for("the next sequencer", || {
        fabric.has_running_sequencer().then_some(())
    });
    let other = place.fails(&["sequencer", "drained"]);
    assert!(other.contains("--standby"), "{other}");
}
