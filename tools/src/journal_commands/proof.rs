//! `journal keygen`, `journal prove`, `journal check-proof`.

use super::hex;
use crate::error::{Result, ToolError};
use clap::Args;
use selvedge_journal::{
    MAX_PROOF_BYTES, PublicKey, SignatureState, Signer, check_proof, prove as make_proof,
};
use selvedge_query::UtcTime;
use std::io::Read;
use std::path::PathBuf;

/// Options of `journal keygen`.
#[derive(Args, Clone, Debug)]
pub struct KeygenArgs {
    /// Where the secret key goes; the public key goes beside it, with `.pub` behind.
    file: PathBuf,
}

/// Options of `journal prove`.
#[derive(Args, Clone, Debug)]
pub struct ProveArgs {
    /// The journal's directory.
    directory: PathBuf,
    /// The message.
    #[arg(long)]
    sequence: u64,
    /// Where the proof goes.
    #[arg(long)]
    output: PathBuf,
}

/// Options of `journal check-proof`.
#[derive(Args, Clone, Debug)]
pub struct CheckProofArgs {
    /// The proof.
    file: PathBuf,
    /// The key that must have signed the root.
    #[arg(long)]
    public_key: Option<PathBuf>,
}

pub(super) fn keygen(args: &KeygenArgs) -> Result<()> {
    let signer = Signer::generate()?;
    signer.save(&args.file)?;
    println!("public key {}", signer.public_key());
    println!(
        "secret key in {}: keep it; whoever has it can sign",
        args.file.display()
    );
    Ok(())
}

pub(super) fn prove(args: &ProveArgs) -> Result<()> {
    let proof = make_proof(&args.directory, args.sequence)?;
    std::fs::write(&args.output, &proof)
        .map_err(ToolError::host(format!("write {}", args.output.display())))?;
    println!("{} bytes in {}", proof.len(), args.output.display());
    Ok(())
}

pub(super) fn check(args: &CheckProofArgs) -> Result<()> {
    let mut proof = Vec::new();
    std::fs::File::open(&args.file)
        .and_then(|file| {
            file.take(MAX_PROOF_BYTES as u64 + 1)
                .read_to_end(&mut proof)
        })
        .map_err(ToolError::host(format!("read {}", args.file.display())))?;
    let key = args
        .public_key
        .as_deref()
        .map(PublicKey::load)
        .transpose()?;
    let proven = check_proof(&proof, key.as_ref())?;
    println!(
        "message {} of fabric {:032x}, stamped {}, type {:#06x}, source {} number {}",
        proven.header.sequence(),
        proven.fabric_id,
        UtcTime(proven.header.timestamp()),
        proven.header.message_type(),
        proven.header.source(),
        proven.header.source_sequence()
    );
    println!("payload {}", hex(&proven.payload));
    println!("is in segment {}", proven.segment_number);
    println!("under root {}", hex(&proven.chained_root));
    match proven.signature {
        SignatureState::Valid(signer) if key.is_some() => println!("signed by {signer}"),
        SignatureState::Valid(signer) => {
            println!("signed by {signer}; compare that key, or give it with --public-key");
        }
        _ => println!("not signed: compare the root with one that you know from elsewhere"),
    }
    Ok(())
}
