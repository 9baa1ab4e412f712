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
#[command(after_help = "\
Examples:
  selvedge journal record trading /var/lib/selvedge/trading
  selvedge journal verify /var/lib/selvedge/trading
  selvedge journal query /var/lib/selvedge/trading --type quote --limit 10")]
pub struct JournalArgs {
    #[command(subcommand)]
    command: JournalCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum JournalCommand {
    /// Write the stream of a fabric into a directory, until the stream ends
    #[command(after_help = "\
Examples:
  selvedge journal record trading /var/lib/selvedge/trading
  selvedge journal record trading DIR --sync-ms 1 --reserve-mib 1024 --core 4
  selvedge journal record trading DIR --key seal.key      with signed seals")]
    Record(record::RecordArgs),
    /// Check every byte
    #[command(after_help = "\
Examples:
  selvedge journal verify DIR
  selvedge journal verify DIR --public-key seal.key.pub")]
    Verify(verify::VerifyArgs),
    /// One hash over the frames: the same for two recordings of the same stream
    #[command(after_help = "\
Examples:
  selvedge journal digest DIR
  selvedge journal digest DIR --from seq:1 --to seq:1000")]
    Digest(digest::DigestArgs),
    /// One hash over the state that the frames build up
    #[command(after_help = "\
Examples:
  selvedge journal state-hash DIR
  selvedge journal state-hash DIR --to seq:1000")]
    StateHash(digest::DigestArgs),
    /// Find messages, decoded by the field tables in the journal
    #[command(after_help = "\
Examples:
  selvedge journal query DIR --type quote --limit 10
  selvedge journal query DIR --where 'price >= 585.00' --source feed
  selvedge journal query DIR --from seq:1000 --to seq:2000")]
    Query(select::SelectArgs),
    /// Write messages out as CSV or JSON Lines
    #[command(after_help = "\
Examples:
  selvedge journal export DIR --type quote --format csv --output quotes.csv
  selvedge journal export DIR --source feed")]
    Export(select::ExportArgs),
    /// Print messages for people
    #[command(after_help = "\
Examples:
  selvedge journal dump DIR --limit 20
  selvedge journal dump DIR --from seq:1000 --to seq:1000")]
    Dump(select::SelectArgs),
    /// Segments, ranges, rates, gaps, message types, records
    #[command(after_help = "\
Examples:
  selvedge journal info DIR
  selvedge journal info DIR --full")]
    Info(info::InfoArgs),
    /// Make a key that signs seals
    #[command(after_help = "\
Examples:
  selvedge journal keygen seal.key")]
    Keygen(proof::KeygenArgs),
    /// Write a proof that one message is in the sealed journal
    #[command(after_help = "\
Examples:
  selvedge journal prove DIR --sequence 1234 --output 1234.proof")]
    Prove(proof::ProveArgs),
    /// Check a proof, without the journal
    #[command(after_help = "\
Examples:
  selvedge journal check-proof 1234.proof --public-key seal.key.pub")]
    CheckProof(proof::CheckProofArgs),
    /// Delete old segments, never what is not sealed and durable
    #[command(after_help = "\
Examples:
  selvedge journal retain DIR --max-age 30d --dry-run
  selvedge journal retain DIR --max-bytes 500G --fabric trading")]
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
