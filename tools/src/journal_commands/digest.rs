//! `journal digest` and `journal state-hash`.

use super::hex;
use super::range::{Bound, RangeArgs};
use crate::error::Result;
use clap::Args;
use selvedge_journal::{FrameCounts, StateMachine, digest};
use std::path::PathBuf;

/// Options of `journal digest` and `journal state-hash`.
#[derive(Args, Clone, Debug)]
pub struct DigestArgs {
    /// The journal's directory.
    directory: PathBuf,
    #[command(flatten)]
    range: RangeArgs,
}

pub(super) fn run(args: &DigestArgs) -> Result<()> {
    let mut range = args.range.open(&args.directory, false)?;
    let from = match args.range.from {
        None => None,
        // The first frame of a time range says its sequence.
        Some(_) => range.reader.next()?.map(|(header, _)| header.sequence()),
    };
    let to = match range.to {
        None => None,
        Some(Bound::Sequence(last)) => Some(last),
        Some(Bound::Time(time)) => {
            range.reader.seek_time(time)?;
            let first_behind = range.reader.next()?.map(|(header, _)| header.sequence());
            first_behind.map(|sequence| sequence.saturating_sub(1))
        }
    };
    let digest = digest(&args.directory, from, to)?;
    println!(
        "{}  {} to {}",
        hex(&digest.hash),
        digest.first_sequence,
        digest.last_sequence
    );
    Ok(())
}

pub(super) fn run_state(args: &DigestArgs) -> Result<()> {
    let mut range = args.range.open(&args.directory, false)?;
    let mut state = FrameCounts::default();
    let (mut first, mut last) = (0, 0);
    while let Some((header, payload)) = range.reader.next()? {
        let sequence = header.sequence();
        if range
            .to
            .is_some_and(|to| to.is_behind(sequence, header.timestamp()))
        {
            break;
        }
        first = if first == 0 { sequence } else { first };
        last = sequence;
        state.apply(&header, payload);
    }
    println!("{}  {first} to {last}", hex(&state.hash()));
    Ok(())
}
