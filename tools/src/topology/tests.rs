//! Bad topologies, each with its message, and the example that ships.

use super::problem::Severity;
use super::{EXAMPLE, mistakes, parse};

/// A file that would be right, with `wrong` added or in place of something.
fn with(wrong: &str) -> String {
    format!("[fabric]\nname = \"t\"\n{wrong}")
}

#[test]
fn the_example_is_right_and_says_what_its_comments_say() {
    let (topology, problems) = parse::parse(EXAMPLE).expect("the example is right");
    assert_eq!(problems, []);
    assert_eq!(topology.name, "trading");
    assert_eq!(topology.sequencer.core.map(|core| core.value), Some(2));
    assert_eq!(topology.producers[0].name, "feed");
    assert!(topology.consumers[0].gating);
    assert_eq!(topology.agents().len(), 4);
}

#[test]
fn segments_end_by_time_where_the_file_says_so() {
    let roll = |line: &str| {
        let text = with(&format!("[journal]\ndirectory = \"/var/j\"\n{line}"));
        let (topology, _) = parse::parse(&text).expect("the file is right");
        topology.journal.expect("a journal").roll
    };
    assert_eq!(
        roll("roll = \"1h\""),
        Some(std::time::Duration::from_secs(3600))
    );
    assert_eq!(roll(""), None);
}

#[test]
fn what_the_example_shows_as_the_default_is_the_default() {
    let (topology, _) = parse::parse("[fabric]\nname = \"t\"").expect("the least file");
    let (example, _) = parse::parse(EXAMPLE).expect("the example is right");
    assert_eq!(topology.slot_bytes, example.slot_bytes);
    assert_eq!(topology.stream_slots, example.stream_slots);
    assert_eq!(topology.stream_payload, example.stream_payload);
    assert_eq!(topology.ingress_slots, example.ingress_slots);
    assert_eq!(topology.ingress_payload, example.ingress_payload);
    assert_eq!(topology.pages.value, example.pages.value);
    let config = selvedge_fabric::FabricConfig::new("t");
    assert_eq!(topology.stream_slots, config.stream_capacity);
    assert_eq!(topology.slot_bytes, u64::from(config.slot_bytes));
    assert_eq!(topology.ingress_slots, config.ingress_capacity);
    assert_eq!(topology.stream_payload, config.stream_payload_bytes);
    assert_eq!(topology.ingress_payload, config.ingress_payload_bytes);
    assert!(topology.journal.is_none() && topology.standby.is_none());
}

#[test]
fn every_mistake_is_named_with_its_line_and_a_remedy() {
    let cases: &[(&str, usize, &str, &str)] = &[
        (
            &with("[journal]\ndirectory = \"/var/j\"\nroll = \"5h\""),
            5,
            "`roll` in [journal] is not a whole part of a day",
            "1h",
        ),
        (
            &with("[journal]\ndirectory = \"/var/j\"\nroll = \"hourly\""),
            5,
            "`roll` in [journal] is \"hourly\"",
            "write a duration",
        ),
        // The file, the line, a part of the message, a part of the remedy.
        ("", 1, "no section [fabric]", "begin with [fabric]"),
        ("[fabric\nname = \"t\"", 1, "not TOML", "toml.io"),
        ("[fabric]\n", 1, "[fabric] has no `name`", "add name = "),
        (
            "[fabric]\nname = 7",
            2,
            "`name` in [fabric] is 7",
            "write a string",
        ),
        (
            "[fabric]\nname = \"a b\"",
            2,
            "cannot be the name of a fabric",
            "letters, digits",
        ),
        ("[fabric]\nname = \"\"", 2, "cannot be the name", "1 to 48"),
        (
            "fabric = 1",
            1,
            "`fabric` is 1, not a section",
            "write [fabric]",
        ),
        (
            &with("stream_slots = 1000"),
            3,
            "not a power of two",
            "512 or 1024",
        ),
        (
            &with("stream_slots = 64"),
            3,
            "`stream_slots` in [fabric] is 64",
            "from 256",
        ),
        (
            &with("stream_slots = \"many\""),
            3,
            "is \"many\"",
            "whole number",
        ),
        (&with("slot_bytes = -64"), 3, "is -64", "from 64 to 4096"),
        (
            &with("stream_payload = \"1MB\""),
            3,
            "is \"1MB\"",
            "\"512KiB\"",
        ),
        (
            &with("stream_payload = \"3MiB\""),
            3,
            "not a power of two",
            "2097152 or 4194304",
        ),
        (
            &with("ingress_payload = \"1KiB\""),
            3,
            "is \"1KiB\"",
            "4.0 KiB to",
        ),
        (
            &with("steam_slots = 8192"),
            3,
            "knows no `steam_slots`",
            "did you mean `stream_slots`?",
        ),
        (
            &with("directory = \"fabrics\""),
            3,
            "depends on where",
            "begins with /",
        ),
        (
            &with("[sequencr]\ncore = 1"),
            3,
            "no section [sequencr]",
            "did you mean `sequencer`?",
        ),
        (
            &with("[memory]\nhugepages = \"2M\""),
            4,
            "is \"2M\"",
            "prefer, 2MiB, 1GiB, none",
        ),
        (&with("[memory]\nnuma_node = 64"), 4, "is 64", "0 to 63"),
        (
            &with("[sequencer]\nidle = \"spin\""),
            4,
            "is \"spin\"",
            "busy, pause, batch, yield, park",
        ),
        (
            &with("[sequencer]\ncore = 1.5"),
            4,
            "is 1.5",
            "whole number",
        ),
        (
            &with("[sequencer]\ncore = 99999"),
            4,
            "is 99999",
            "0 to 8191",
        ),
        (
            &with("[journal]\nidle = \"park\""),
            3,
            "[journal] has no `directory`",
            "add directory",
        ),
        (
            &with("[journal]\ndirectory = \"j\""),
            4,
            "depends on where",
            "begins with /",
        ),
        (
            &with("[journal]\ndirectory = \"/dev/shm/j\""),
            4,
            "in memory",
            "on a disk",
        ),
        (
            &with("[journal]\ndirectory = \"/j\"\ndurability = \"always\""),
            5,
            "is \"always\"",
            "block, interval, close",
        ),
        (
            &with("[journal]\ndirectory = \"/j\"\ndurability = \"close\"\nsync_every = \"5ms\""),
            6,
            "no meaning",
            "interval",
        ),
        (
            &with("[journal]\ndirectory = \"/j\"\nsync_every = \"5\""),
            5,
            "is \"5\"",
            "\"10ms\"",
        ),
        (
            &with("[journal]\ndirectory = \"/j\"\nsync_every = \"0ms\""),
            5,
            "is \"0ms\"",
            "duration",
        ),
        (
            &with("[sequencer]\ncore = 1\n[standby]\ncore = 1"),
            6,
            "sequencer and standby share core 1",
            "another core",
        ),
        (
            &with("[sequencer]\ncore = 1\n[[producer]]\nname = \"feed\"\ncore = 1"),
            7,
            "share core 1",
            "another core",
        ),
        (
            &with(
                "[[producer]]\nname = \"a\"\ncore = 2\nidle = \"busy\"\n[[consumer]]\nname = \"b\"\ncore = 2",
            ),
            9,
            "producer a spins",
            "yield",
        ),
        (
            &with("[[producer]]\nname = \"a\"\n[[producer]]\nname = \"a\""),
            5,
            "producer a is there twice",
            "rename",
        ),
        (
            &with("[journal]\ndirectory = \"/j\"\n[[consumer]]\nname = \"journal\""),
            5,
            "so is the journal",
            "rename",
        ),
        (
            &with("[[consumer]]\nkind = \"gating\""),
            3,
            "[consumer] has no `name`",
            "add name",
        ),
        (
            &with("[[consumer]]\nname = \"c\"\nkind = \"fast\""),
            5,
            "is \"fast\"",
            "gating, copying",
        ),
        (
            &with("[[producer]]\nname = \"p\"\nkind = \"gating\""),
            5,
            "knows no `kind`",
            "it knows",
        ),
        (
            &with("[[consumer]]\nname = \"c\"\npatience = 5"),
            5,
            "is 5",
            "write a string",
        ),
        (
            &with("[consumer]\nname = \"c\""),
            3,
            "`consumer` is a table, not a list",
            "[[consumer]]",
        ),
        (
            &with("[latency]\nrecord = \"off\"\npublish_to_sequenced_p99 = \"1us\""),
            5,
            "no meaning",
            "record = \"on\"",
        ),
        (
            &with("[latency]\npublish_to_sequenced_p99 = \"fast\""),
            4,
            "is \"fast\"",
            "500us",
        ),
    ];
    assert!(cases.len() >= 20);
    for (text, line, message, remedy) in cases {
        let found = mistakes(text);
        assert_eq!(found.len(), 1, "one mistake in {text:?}: {found:?}");
        let problem = &found[0];
        assert_eq!(problem.line, *line, "{problem} in {text:?}");
        assert!(problem.message.contains(message), "{problem} in {text:?}");
        assert!(problem.remedy.contains(remedy), "{problem} in {text:?}");
        assert_eq!(problem.severity, Severity::Error, "{problem}");
    }
}

#[test]
fn all_mistakes_are_named_at_once() {
    let text = with("slot_bytes = 65\n[sequencer]\nidle = \"spin\"\ncores = 1\n[extra]");
    let lines: Vec<usize> = mistakes(&text).iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [3, 5, 6, 7]);
}

#[test]
fn doubtful_sizes_are_warnings() {
    for wrong in ["stream_slots = 256", "stream_payload = \"4KiB\""] {
        let (_, problems) = parse::parse(&with(wrong)).expect("it works");
        assert_eq!(problems.len(), 1, "{wrong}");
        assert_eq!(problems[0].severity, Severity::Warning);
    }
}
