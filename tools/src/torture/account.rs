//! Accounting for every message: what producers know they committed against what is in the
//! stream, and what every reader was handed against the one stream.

use super::epochs::Epochs;
use super::lives::Lives;
use super::message::digest;
use super::report::{Faults, Report, Times};
use super::role::Role;
use super::sightings::{Count, Sightings, Whose};
use super::stage::Stage;
use super::supervise::Deeds;
use crate::error::Result;
use selvedge_fabric::frame::Flags;
use selvedge_journal::{JournalReader, Verdict, VerifyOptions, verify};
use std::collections::{HashMap, HashSet};

/// Adds up the torture. What is wrong is also said in words, into `findings`.
pub fn account(stage: &Stage, deeds: &Deeds, findings: &mut Vec<String>) -> Result<Report> {
    let lives = Lives::open(&stage.lives())?;
    let epochs = Epochs::open(&stage.epochs())?;
    let truth = Sightings::open(&stage.sightings(Role::Audit))?;
    let mut report = Report {
        kills: deeds.kills,
        freezes: deeds.freezes,
        by_role: deeds
            .by_role
            .iter()
            .map(|(&role, &(kills, freezes))| (role, Faults { kills, freezes }))
            .collect(),
        ..Report::default()
    };
    let end = truth.count(Count::Next);
    account_for_producers(&truth, end, deeds, &lives, &mut report, findings);
    for role in [Role::Audit, Role::Gating, Role::Observing, Role::Holding] {
        let seen = Sightings::open(&stage.sightings(role))?;
        account_for_reader(role, &seen, &truth, end, &mut report, findings);
    }
    account_for_journal(stage, &truth, end, &mut report, findings)?;
    report.takeover_ms = Times::of(
        deeds
            .falls
            .iter()
            .filter_map(|fall| Some(epochs.first_after(fall.epoch)?.saturating_sub(fall.at_ns)))
            .collect(),
    );
    report.recovery_ms = Times::of(
        deeds
            .started_ns
            .iter()
            .enumerate()
            .filter_map(|(life, started)| {
                let working = lives.life(life as u64).working_since();
                (working > 0).then(|| working.saturating_sub(*started))
            })
            .collect(),
    );
    Ok(report)
}

/// Each producer's messages in the stream, in its order.
fn account_for_producers(
    truth: &Sightings,
    end: u64,
    deeds: &Deeds,
    lives: &Lives,
    report: &mut Report,
    findings: &mut Vec<String>,
) {
    let mut producer_of: HashMap<u64, usize> = HashMap::new();
    for (producer, its_lives) in deeds.producers.iter().enumerate() {
        producer_of.extend(its_lives.iter().map(|&life| (life, producer)));
    }
    let mut next = vec![1u64; deeds.producers.len()];
    let mut skipped: HashSet<(usize, u64)> = HashSet::new();
    let mut wrong = |count: &mut u64, by: u64, text: String| {
        *count += by;
        if findings.len() < 50 {
            findings.push(text);
        }
    };
    for sequence in 1..end {
        let Some(sighting) = truth.sighting(sequence) else {
            wrong(
                &mut report.lost,
                1,
                format!("the audit was never handed {sequence}"),
            );
            continue;
        };
        let (life, number) = match sighting.whose {
            Whose::System => continue,
            Whose::Rubbish => {
                wrong(
                    &mut report.zombie_frames_accepted,
                    1,
                    format!("{sequence} holds what nobody sent"),
                );
                continue;
            }
            Whose::Message {
                life,
                source_sequence,
            } => (life, source_sequence),
        };
        report.messages += 1;
        let commits = lives.life(life).commits();
        let Some(&producer) = producer_of
            .get(&life)
            .filter(|_| commits.first > 0 && (commits.first..=commits.intent).contains(&number))
        else {
            wrong(
                &mut report.zombie_frames_accepted,
                1,
                format!(
                    "{sequence} holds message {number} of life {life}, which never committed it: {commits:?}"
                ),
            );
            continue;
        };
        if number == next[producer] {
            next[producer] += 1;
        } else if number > next[producer] {
            wrong(
                &mut report.lost,
                number - next[producer],
                format!(
                    "{sequence} holds message {number} of producer {producer}, {} was to come",
                    next[producer]
                ),
            );
            skipped.extend((next[producer]..number).map(|number| (producer, number)));
            next[producer] = number + 1;
        } else if skipped.remove(&(producer, number)) {
            report.lost -= 1;
            wrong(
                &mut report.reordered,
                1,
                format!(
                    "{sequence} holds message {number} of producer {producer}, after a later one"
                ),
            );
        } else {
            wrong(
                &mut report.duplicated,
                1,
                format!("{sequence} holds message {number} of producer {producer} again"),
            );
        }
    }
    for (producer, its_lives) in deeds.producers.iter().enumerate() {
        let mut reached = 0;
        for &life in its_lives {
            let commits = lives.life(life).commits();
            if commits.first == 0 {
                continue;
            }
            // A later life was told where the earlier ended.
            if commits.first <= reached {
                wrong(
                    &mut report.lost,
                    reached + 1 - commits.first,
                    format!(
                        "life {life} of producer {producer} began at {} although {reached} was committed",
                        commits.first
                    ),
                );
            }
            reached = reached.max(commits.committed);
        }
        if next[producer] <= reached {
            wrong(
                &mut report.lost,
                reached + 1 - next[producer],
                format!(
                    "producer {producer} committed {reached}, the stream ends at {}",
                    next[producer] - 1
                ),
            );
        }
    }
}

/// Whatever a reader was handed is part of the one stream; who held it missed nothing.
fn account_for_reader(
    role: Role,
    seen: &Sightings,
    truth: &Sightings,
    end: u64,
    report: &mut Report,
    findings: &mut Vec<String>,
) {
    let (mut other, mut frames) = (0, 0);
    for sequence in 1..seen.count(Count::Next).max(end) {
        let Some(sighting) = seen.sighting(sequence) else {
            continue;
        };
        frames += 1;
        if truth
            .sighting(sequence)
            .is_none_or(|true_one| true_one.digest != sighting.digest)
        {
            other += 1;
        }
    }
    report.zombie_frames_accepted += other + seen.count(Count::Conflicts);
    report.lost += seen.count(Count::Gaps) + seen.count(Count::Beyond);
    report.duplicated += seen.count(Count::Repeats);
    let wrong = other
        + seen.count(Count::Conflicts)
        + seen.count(Count::Gaps)
        + seen.count(Count::Beyond)
        + seen.count(Count::Repeats);
    if wrong > 0 {
        findings.push(format!(
            "{}: {frames} frames, {other} not of the stream, {} changed, {} left out, {} again, {} not recorded",
            role.name(),
            seen.count(Count::Conflicts),
            seen.count(Count::Gaps),
            seen.count(Count::Repeats),
            seen.count(Count::Beyond),
        ));
    }
}

/// The journal holds the stream, frame for frame, and its own checks agree.
fn account_for_journal(
    stage: &Stage,
    truth: &Sightings,
    end: u64,
    report: &mut Report,
    findings: &mut Vec<String>,
) -> Result<()> {
    let checked = verify(&stage.journal(), &VerifyOptions::default(), &mut |_| {})?;
    if checked.verdict != Verdict::Sealed {
        findings.push(format!("the journal is {:?}", checked.verdict));
        report.lost += 1;
    }
    let mut reader = JournalReader::open(&stage.journal())?;
    let mut next = reader.first_sequence();
    let mut other = 0;
    while let Some((header, payload)) = reader.next()? {
        let found = digest(&header.with_flags(Flags::NONE), payload);
        if truth
            .sighting(header.sequence())
            .is_none_or(|sighting| sighting.digest != found)
        {
            other += 1;
        }
        next = header.sequence() + 1;
    }
    report.zombie_frames_accepted += other;
    let missing = end.saturating_sub(next) + reader.first_sequence().saturating_sub(1);
    report.lost += missing;
    if other + missing > 0 {
        findings.push(format!(
            "the journal ends at {next} of {end}, begins at {}, {other} frames are not of the stream",
            reader.first_sequence()
        ));
    }
    Ok(())
}
