//! `journal`: record, verify, compare, prove, find, take out, retire.

mod activities;
mod digest;
mod info;
mod proof;
mod range;
mod record;
mod replay;
mod retain;
mod row;
mod select;
mod verify;

pub use replay::{ReplayArgs, run as run_replay};

use crate::error::Result;
use clap::{Args, Subcommand};

/// Options of `journal`.
#[derive(Args, Clone, Debug)]
pub struct JournalArgs {
    #[command(subcommand)]
    command: JournalCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum JournalCommand {
    /// Write the stream of a fabric into a directory, until the stream ends
    Record(record::RecordArgs),
    /// Check every byte
    Verify(verify::VerifyArgs),
    /// One hash over the frames: the same for two recordings of the same stream
    Digest(digest::DigestArgs),
    /// One hash over the state that the frames build up
    StateHash(digest::DigestArgs),
    /// Find messages, decoded by the field tables in the journal
    Query(select::SelectArgs),
    /// Write messages out as CSV or JSON Lines
    Export(select::ExportArgs),
    /// Print messages for people
    Dump(select::SelectArgs),
    /// Segments, ranges, rates, gaps, message types, records
    Info(info::InfoArgs),
    /// Make a key that signs seals
    Keygen(proof::KeygenArgs),
    /// Write a proof that one message is in the sealed journal
    Prove(proof::ProveArgs),
    /// Check a proof, without the journal
    CheckProof(proof::CheckProofArgs),
    /// Delete old segments, never what is not sealed and durable
    Retain(retain::RetainArgs),
}

/// Runs a `journal` command.
pub fn run(args: &JournalArgs) -> Result<()> {
    match &args.command {
        JournalCommand::Record(args) => record::run(args),
        JournalCommand::Verify(args) => verify::run(args),
        JournalCommand::Digest(args) => digest::run(args),
        JournalCommand::StateHash(args) => digest::run_state(args),
        JournalCommand::Query(args) => select::query(args),
        JournalCommand::Export(args) => select::export(args),
        JournalCommand::Dump(args) => select::dump(args),
        JournalCommand::Info(args) => info::run(args),
        JournalCommand::Keygen(args) => proof::keygen(args),
        JournalCommand::Prove(args) => proof::prove(args),
        JournalCommand::CheckProof(args) => proof::check(args),
        JournalCommand::Retain(args) => retain::run(args),
    }
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
