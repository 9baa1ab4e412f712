//! From the text of a topology file to what it says, or to everything that is wrong with it.

use super::model::{AgentPlan, Budget, Durability, JournalPlan, PeerPlan, Topology};
use super::problem::{Problem, Problems, Severity};
use super::rules::check_rules;
use super::section::{At, Section, kind, suggestion};
use selvedge_fabric::host::IdleStrategy;
use selvedge_fabric::memory::Pages;
use selvedge_fabric::shared::names::check_name;
use selvedge_journal::is_roll_interval;
use std::path::PathBuf;
use std::time::Duration;
use toml::de::{DeTable, DeValue};

const SECTIONS: [&str; 8] = [
    "fabric",
    "memory",
    "sequencer",
    "standby",
    "journal",
    "latency",
    "producer",
    "consumer",
];
const IDLES: [&str; 5] = ["busy", "pause", "batch", "yield", "park"];
const MAX_CORE: u64 = 8191;
const MAX_PEERS: usize = 255;

/// Reads a topology. Every mistake is in the error, not just the first.
pub fn parse(text: &str) -> Result<(Topology, Vec<Problem>), Vec<Problem>> {
    let mut problems = Problems::new(text);
    let document = match DeTable::parse(text) {
        Ok(document) => document,
        Err(error) => {
            problems.error(
                error.span().map_or(0, |span| span.start),
                format!("not TOML: {}", error.message()),
                "see https://toml.io for the syntax, and `selvedge check --example` for a whole file",
            );
            return Err(problems.into_sorted());
        }
    };
    let topology = read(document.get_ref(), &mut problems);
    if let Some(topology) = &topology {
        check_rules(topology, &mut problems);
    }
    let found = problems.into_sorted();
    match topology {
        Some(topology)
            if found
                .iter()
                .all(|problem| problem.severity < Severity::Error) =>
        {
            Ok((topology, found))
        }
        _ => Err(found),
    }
}

fn read(document: &DeTable<'_>, problems: &mut Problems<'_>) -> Option<Topology> {
    for (key, _) in document.iter() {
        if !SECTIONS.contains(&key.get_ref().as_ref()) {
            problems.error(
                key.span().start,
                format!("there is no section [{}]", key.get_ref()),
                suggestion(key.get_ref(), &SECTIONS),
            );
        }
    }
    let section = |name: &'static str, problems: &mut Problems<'_>| table(document, name, problems);

    let fabric = section("fabric", problems);
    let name = fabric
        .required("name", problems)
        .and_then(|name| name_of("fabric", name, problems));
    let directory = fabric
        .text("directory", problems)
        .and_then(|directory| absolute("fabric", directory, problems));
    let ring = 4096..=1 << 36;
    let slot_bytes = fabric.power_of_two("slot_bytes", 64..=4096, problems);
    let stream_slots = fabric.power_of_two("stream_slots", 256..=1 << 26, problems);
    let stream_payload = fabric.bytes("stream_payload", ring.clone(), true, problems);
    let ingress_slots = fabric.power_of_two("ingress_slots", 16..=1 << 26, problems);
    let ingress_payload = fabric.bytes("ingress_payload", ring, true, problems);
    fabric.finish(problems);

    let memory = section("memory", problems);
    let pages = memory.one_of("hugepages", &["prefer", "2MiB", "1GiB", "none"], problems);
    let numa_node = memory.integer("numa_node", 0..=63, problems);
    memory.finish(problems);

    let sequencer = section("sequencer", problems);
    let sequencer_plan = agent(&sequencer, "sequencer", IdleStrategy::Pause, problems);
    sequencer.finish(problems);

    let standby = section("standby", problems);
    let standby_plan = agent(&standby, "standby", IdleStrategy::Pause, problems);
    standby.finish(problems);

    let journal = section("journal", problems);
    let journal_plan = read_journal(&journal, problems);
    journal.finish(problems);

    let latency = section("latency", problems);
    let record = latency.one_of("record", &["on", "off"], problems);
    let records_latency = record.is_none_or(|word| word.value == "on");
    let publish_to_sequenced = latency.duration("publish_to_sequenced_p99", problems);
    let sequenced_to_consumed = latency.duration("sequenced_to_consumed_p99", problems);
    if let (false, Some(limit)) = (
        records_latency,
        publish_to_sequenced.or(sequenced_to_consumed),
    ) {
        problems.error(
            limit.offset,
            "a latency budget has no meaning with record = \"off\"",
            "remove the budget, or set record = \"on\"",
        );
    }
    let value = |at: Option<At<Duration>>| at.map(|at| at.value);
    let budget = Budget {
        publish_to_sequenced_p99: value(publish_to_sequenced),
        sequenced_to_consumed_p99: value(sequenced_to_consumed),
    };
    latency.finish(problems);

    let producers = peers(document, "producer", problems);
    let consumers = peers(document, "consumer", problems);
    let stream_slots_offset = stream_slots.map_or(fabric.offset, |at| at.offset);
    let number = |at: Option<At<u64>>, default: u64| at.map_or(default, |at| at.value);
    Some(Topology {
        name: name?.value,
        directory: directory.map(|at| at.value),
        slot_bytes: number(slot_bytes, 64),
        stream_slots: number(stream_slots, 8192),
        stream_payload: number(stream_payload, 1 << 20),
        ingress_slots: number(ingress_slots, 4096),
        ingress_payload: number(ingress_payload, 1 << 19),
        stream_slots_offset,
        pages: At {
            value: match pages.map(|at| at.value) {
                Some("2MiB") => Pages::Require2MiB,
                Some("1GiB") => Pages::Require1GiB,
                Some("none") => Pages::Small,
                _ => Pages::Prefer2MiB,
            },
            offset: pages.map_or(memory.offset, |at| at.offset),
        },
        numa_node,
        sequencer: sequencer_plan,
        standby: standby.present().then_some(standby_plan),
        journal: journal_plan,
        producers,
        consumers,
        records_latency,
        budget,
    })
}

fn table<'a, 'i>(
    document: &'a DeTable<'i>,
    name: &'static str,
    problems: &mut Problems<'_>,
) -> Section<'a, 'i> {
    let found = document
        .iter()
        .find(|(key, _)| key.get_ref().as_ref() == name);
    let Some((key, value)) = found else {
        if name == "fabric" {
            problems.error(
                0,
                "there is no section [fabric]",
                "begin with [fabric] and name = \"…\"; `selvedge check --example` prints a whole file",
            );
        }
        return Section::new(name, None, 0);
    };
    match value.get_ref() {
        DeValue::Table(table) => Section::new(name, Some(table), key.span().start),
        other => {
            problems.error(
                value.span().start,
                format!("`{name}` is {}, not a section", kind(other)),
                format!("write [{name}] on a line of its own, its keys below"),
            );
            Section::new(name, None, key.span().start)
        }
    }
}

fn agent(
    section: &Section<'_, '_>,
    role: &str,
    idle: IdleStrategy,
    problems: &mut Problems<'_>,
) -> AgentPlan {
    let core = section.integer("core", 0..=MAX_CORE, problems);
    let chosen = section.one_of("idle", &IDLES, problems);
    AgentPlan {
        role: role.to_owned(),
        core,
        idle: chosen
            .and_then(|word| word.value.parse().ok())
            .unwrap_or(idle),
        offset: section.offset,
    }
}

fn read_journal(section: &Section<'_, '_>, problems: &mut Problems<'_>) -> Option<JournalPlan> {
    let agent = agent(section, "journal", IdleStrategy::Park, problems);
    let words = ["block", "interval", "close"];
    let durability = section.one_of("durability", &words, problems);
    let every = section.duration("sync_every", problems);
    let keep_free = section.bytes("keep_free", 0..=1 << 50, false, problems);
    let roll = section.duration("roll", problems).filter(|roll| {
        let fits = is_roll_interval(roll.value);
        if !fits {
            problems.error(
                roll.offset,
                "`roll` in [journal] is not a whole part of a day",
                "use 1s to 1d, such as \"15min\", \"1h\" or \"1d\": segments then end at the same times every day, UTC",
            );
        }
        fits
    });
    if let (Some(durability), Some(every)) = (durability, every)
        && durability.value != "interval"
    {
        problems.error(
            every.offset,
            format!(
                "`sync_every` has no meaning with durability = \"{}\"",
                durability.value
            ),
            "remove it, or use durability = \"interval\"",
        );
    }
    if !section.present() {
        return None;
    }
    let directory = section
        .required("directory", problems)
        .and_then(|directory| absolute("journal", directory, problems))?;
    let every = every.map_or(Duration::from_millis(10), |at| at.value);
    Some(JournalPlan {
        agent,
        directory,
        durability: match durability.map(|at| at.value) {
            Some("block") => Durability::Block,
            Some("close") => Durability::Close,
            _ => Durability::Interval(every),
        },
        roll: roll.map(|at| at.value),
        keep_free: keep_free.map_or(1 << 30, |at| at.value),
    })
}

fn peers(document: &DeTable<'_>, name: &'static str, problems: &mut Problems<'_>) -> Vec<PeerPlan> {
    let found = document
        .iter()
        .find(|(key, _)| key.get_ref().as_ref() == name);
    let Some((key, value)) = found else {
        return Vec::new();
    };
    let DeValue::Array(list) = value.get_ref() else {
        problems.error(
            key.span().start,
            format!(
                "`{name}` is {}, not a list of sections",
                kind(value.get_ref())
            ),
            format!("write [[{name}]], with two brackets, once for each"),
        );
        return Vec::new();
    };
    if list.len() > MAX_PEERS {
        problems.error(
            key.span().start,
            format!("{} times [[{name}]]", list.len()),
            format!("at most {MAX_PEERS} are possible"),
        );
    }
    let mut peers = Vec::new();
    for item in list.iter() {
        let DeValue::Table(table) = item.get_ref() else {
            problems.error(
                item.span().start,
                format!("an entry of `{name}` is {}", kind(item.get_ref())),
                format!("write [[{name}]], its keys below"),
            );
            continue;
        };
        let section = Section::new(name, Some(table), item.span().start);
        let peer_name = section
            .required("name", problems)
            .and_then(|found| name_of(name, found, problems));
        let role = match &peer_name {
            Some(found) => format!("{name} {}", found.value),
            None => name.to_owned(),
        };
        let agent = agent(&section, &role, IdleStrategy::Park, problems);
        let kind = if name == "consumer" {
            section.one_of("kind", &["gating", "copying"], problems)
        } else {
            None
        };
        let patience = section.duration("patience", problems);
        section.finish(problems);
        if let Some(found) = peer_name {
            peers.push(PeerPlan {
                name: found.value,
                agent,
                gating: kind.is_none_or(|kind| kind.value == "gating"),
                patience: patience.map(|at| at.value),
            });
        }
    }
    peers
}

fn name_of(
    role: &'static str,
    name: At<String>,
    problems: &mut Problems<'_>,
) -> Option<At<String>> {
    if check_name(role, &name.value).is_ok() {
        return Some(name);
    }
    problems.error(
        name.offset,
        format!("\"{}\" cannot be the name of a {role}", name.value),
        "use 1 to 48 letters, digits, `.`, `_` or `-`, not beginning with `.`",
    );
    None
}

fn absolute(
    section: &str,
    directory: At<String>,
    problems: &mut Problems<'_>,
) -> Option<At<PathBuf>> {
    let path = PathBuf::from(&directory.value);
    if path.is_absolute() {
        return Some(At {
            value: path,
            offset: directory.offset,
        });
    }
    problems.error(
        directory.offset,
        format!(
            "`directory` in [{section}] is \"{}\", which depends on where the command is run",
            directory.value
        ),
        "write a path that begins with /",
    );
    None
}
