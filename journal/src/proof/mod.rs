//! Proving that one message is in a sealed journal, to somebody who does not have the journal.
//!
//! A proof holds the few kilobytes of the message's block that are needed to find it, the hashes
//! beside them in BLAKE3's own tree up to the block's hash, the hashes beside that in the
//! segment's Merkle tree up to its root, and the seal with root and signature. `FORMAT.md`
//! describes every byte.

mod block_part;
mod check;
mod file;
mod make;
mod path;

pub use check::{ProvenMessage, check_proof};
pub use file::{MAX_PROOF_BYTES, PROOF_MAGIC};
pub use make::{prove, prove_in};
