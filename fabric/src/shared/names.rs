//! Names of fabrics, sources and consumers.

use crate::error::{FabricError, Result};
use crate::frame::system::MAX_NAME_BYTES;

/// Words that a name takes in a record.
pub const NAME_WORDS: usize = MAX_NAME_BYTES / 8;

/// Checks a name: it becomes a file name and goes into fixed fields.
pub fn check_name(role: &'static str, name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty()
        || name.len() > MAX_NAME_BYTES
        || name.starts_with('.')
        || !name.bytes().all(allowed)
    {
        return Err(FabricError::BadName {
            role,
            name: name.to_owned(),
        });
    }
    Ok(())
}

/// The name as words, padded with zeros.
pub fn name_to_words(name: &str) -> [u64; NAME_WORDS] {
    let mut bytes = [0; MAX_NAME_BYTES];
    let length = name.len().min(MAX_NAME_BYTES);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    let mut words = [0; NAME_WORDS];
    for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*chunk);
    }
    words
}

/// The name in these words, up to the first zero. Bytes that are no name are shown as `?`.
pub fn name_from_words(words: &[u64]) -> String {
    words
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .take_while(|&byte| byte != 0)
        .map(|byte| {
            if byte.is_ascii_graphic() {
                byte as char
            } else {
                '?'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_their_directory_are_refused() {
        for bad in ["", ".", "..", ".hidden", "a/b", "a b", "ä", &"x".repeat(49)] {
            assert!(check_name("source", bad).is_err(), "{bad:?}");
        }
        for good in ["feed", "feed-A_1.x", &"x".repeat(48)] {
            assert!(check_name("source", good).is_ok(), "{good:?}");
            assert_eq!(name_from_words(&name_to_words(good)), *good);
        }
    }
}
