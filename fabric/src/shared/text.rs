//! Text in shared memory: bytes as words, and cut to what fits.

/// `bytes` as words, least significant byte first, the last filled up with zeros.
pub fn words_of(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    })
}

/// The front of `text` that has at most `bytes` bytes and is whole characters.
pub fn cut_text(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters_and_filled_up_with_zeros() {
        assert_eq!(cut_text("naïve", 3), "na");
        assert_eq!(cut_text("naïve", 4), "naï");
        assert_eq!(cut_text("short", 99), "short");
        let words: Vec<u64> = words_of(b"12345678a").collect();
        assert_eq!(words, [u64::from_le_bytes(*b"12345678"), u64::from(b'a')]);
        assert_eq!(words_of(b"").count(), 0);
    }
}
