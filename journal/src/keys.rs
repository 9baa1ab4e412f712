//! Keys that sign the seals of segments: Ed25519.

use crate::error::{JournalError, io_error};
use crate::format::{ED25519, Seal, SegmentHeader, UNSIGNED};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

const SECRET: &str = "selvedge-ed25519-secret-key";
const PUBLIC: &str = "selvedge-ed25519-public-key";

/// The longest key file.
const MAX_FILE_BYTES: u64 = 1024;

/// A secret key that signs seals.
#[derive(Clone)]
pub struct Signer {
    key: Arc<SigningKey>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Signer({})", self.public_key())
    }
}

/// A public key that checks seals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicKey {
    bytes: [u8; 32],
}

impl fmt::Display for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes
            .iter()
            .try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// What a seal's signature is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignatureState {
    /// There is none.
    Unsigned,
    /// It is right, by this key.
    Valid(PublicKey),
    /// It is wrong.
    Invalid,
}

impl Signer {
    /// A new key, from the host's random numbers.
    ///
    /// # Errors
    /// What the host says.
    pub fn generate() -> Result<Self, JournalError> {
        let mut secret = [0; 32];
        let source = "/dev/urandom";
        std::fs::File::open(source)
            .and_then(|mut file| file.read_exact(&mut secret))
            .map_err(io_error("read", source))?;
        Ok(Self::from_secret(&secret))
    }

    fn from_secret(secret: &[u8; 32]) -> Self {
        Signer {
            key: Arc::new(SigningKey::from_bytes(secret)),
        }
    }

    /// The key in the file at `path`.
    ///
    /// # Errors
    /// [`JournalError::KeyFile`] when it is not one, and what the host says.
    pub fn load(path: &Path) -> Result<Self, JournalError> {
        Ok(Self::from_secret(&read_key(path, SECRET)?))
    }

    /// Writes the secret key to a new file at `path`, for its owner alone, and the public key
    /// beside it, `path` with `.pub` behind.
    ///
    /// # Errors
    /// What the host says; a file that is there is left alone.
    pub fn save(&self, path: &Path) -> Result<(), JournalError> {
        let mut public = path.as_os_str().to_owned();
        public.push(".pub");
        write_key(path, SECRET, &self.key.to_bytes(), 0o600)?;
        write_key(Path::new(&public), PUBLIC, &self.public_key().bytes, 0o644)
    }

    /// The public key.
    pub fn public_key(&self) -> PublicKey {
        PublicKey {
            bytes: self.key.verifying_key().to_bytes(),
        }
    }

    /// Signs the seal of the segment with this header.
    pub(crate) fn sign(&self, seal: &mut Seal, header: &SegmentHeader) {
        seal.signature_algorithm = ED25519;
        seal.public_key = self.public_key().bytes;
        seal.signature = self.key.sign(&seal.signed_message_in(header)).to_bytes();
    }
}

impl PublicKey {
    /// The key in the file at `path`.
    ///
    /// # Errors
    /// [`JournalError::KeyFile`] when it is not one, and what the host says.
    pub fn load(path: &Path) -> Result<Self, JournalError> {
        Ok(PublicKey {
            bytes: read_key(path, PUBLIC)?,
        })
    }
}

/// What the signature of a seal is worth.
pub fn check_signature(seal: &Seal, fabric_id: [u8; 16], segment_number: u64) -> SignatureState {
    // What the signature does not cover must be what it is in every seal.
    if seal.reserved_end != [0; 56] {
        return SignatureState::Invalid;
    }
    if seal.signature_algorithm == UNSIGNED {
        let empty = seal.public_key == [0; 32] && seal.signature == [0; 64];
        return match empty {
            true => SignatureState::Unsigned,
            false => SignatureState::Invalid,
        };
    }
    let valid = seal.signature_algorithm == ED25519
        && VerifyingKey::from_bytes(&seal.public_key).is_ok_and(|key| {
            key.verify_strict(
                &seal.signed_message(fabric_id, segment_number),
                &Signature::from_bytes(&seal.signature),
            )
            .is_ok()
        });
    match valid {
        true => SignatureState::Valid(PublicKey {
            bytes: seal.public_key,
        }),
        false => SignatureState::Invalid,
    }
}

fn write_key(path: &Path, what: &str, key: &[u8; 32], mode: u32) -> Result<(), JournalError> {
    let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = path.display().to_string();
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(io_error("create", &name))?;
    writeln!(file, "{what} {digits}")
        .and_then(|()| file.sync_all())
        .map_err(io_error("write", &name))
}

fn read_key(path: &Path, what: &'static str) -> Result<[u8; 32], JournalError> {
    let name = path.display().to_string();
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut text))
        .map_err(io_error("read", &name))?;
    let digits = text
        .trim()
        .strip_prefix(what)
        .map(str::trim)
        .and_then(parse_hash);
    digits.ok_or(JournalError::KeyFile {
        file: name,
        expected: what,
    })
}

/// The 32 bytes that these 64 hexadecimal digits are.
pub fn parse_hash(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = [pair.first()?, pair.get(1)?].map(|digit| (*digit as char).to_digit(16));
        *byte = (high? << 4 | low?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::JournalIdentity;
    use zerocopy::FromZeros;

    #[test]
    fn a_signature_holds_for_its_seal_alone() {
        let identity = JournalIdentity::new("x", 9, 1).unwrap();
        let header = SegmentHeader::new(&identity, 64);
        let signer = Signer::generate().unwrap();
        let mut seal = Seal::new_zeroed();
        let state = |seal: &Seal| check_signature(seal, header.fabric_id, header.segment_number);
        assert_eq!(state(&seal), SignatureState::Unsigned);
        signer.sign(&mut seal, &header);
        assert_eq!(state(&seal), SignatureState::Valid(signer.public_key()));
        assert_eq!(
            check_signature(&seal, header.fabric_id, 1),
            SignatureState::Invalid
        );
        let mut other = seal;
        other.frame_count += 1;
        assert_eq!(state(&other), SignatureState::Invalid);
        other = seal;
        other.signature_algorithm = UNSIGNED;
        assert_eq!(state(&other), SignatureState::Invalid);
    }

    #[test]
    fn keys_survive_their_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let signer = Signer::generate().unwrap();
        signer.save(&path).unwrap();
        assert!(signer.save(&path).is_err(), "an existing key is kept");
        let public = directory.path().join("key.pub");
        assert_eq!(
            Signer::load(&path).unwrap().public_key(),
            PublicKey::load(&public).unwrap()
        );
        assert!(PublicKey::load(&path).is_err());
        assert!(Signer::load(&public).is_err());
    }
}
