//! The 32-byte header of a frame in the sequenced stream and in the journal.

/// Bytes of a frame header: four 64-bit words.
pub const FRAME_HEADER_BYTES: usize = 32;

/// The highest sequence and the highest source sequence: 48 bits.
///
/// At 100 million messages a second a stream reaches it after 32 days, at 1 million a second
/// after 8.9 years. The sequencer stops with an error before it would wrap.
pub const MAX_SEQUENCE: u64 = (1 << 48) - 1;

/// The highest epoch tag in a publication word: the low 16 bits of the epoch.
pub const MAX_EPOCH_TAG: u64 = (1 << 16) - 1;

/// The longest payload a header can describe: 24 bits of length, 16 MiB − 1.
///
/// The limit of a particular fabric is lower: one eighth of its payload ring.
pub const MAX_PAYLOAD_BYTES: usize = (1 << 24) - 1;

/// Identifies a message type within a fabric, like the template id of SBE.
///
/// `0` is no type. `1..=0xEFFF` are the application's; from `0xF000` on they belong to the fabric
/// itself (see [`crate::frame::system`]).
pub type MessageType = u16;

/// Identifies a source (a named producer) within a fabric. `0` is the sequencer itself.
pub type SourceId = u16;

/// Identifies a topic within a fabric. `0` is the default topic.
pub type TopicId = u16;

/// Properties of one frame, eight bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Flags(u8);

impl Flags {
    /// No property set.
    pub const NONE: Flags = Flags(0);
    /// The payload lies in the companion payload ring; the slot holds its position there.
    ///
    /// A property of the frame's place in shared memory: the journal clears it, because there
    /// every payload follows its header.
    pub const EXTERNAL: Flags = Flags(1);

    /// The flags with exactly these bits.
    pub const fn from_bits(bits: u8) -> Self {
        Flags(bits)
    }

    /// The eight bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The header of a frame, as the four little-endian words that lie in memory and on disk.
///
/// | bytes | field | unit |
/// |---|---|---|
/// | 0..6 | sequence: place in the total order, from 1 | |
/// | 6..8 | epoch tag: the low 16 bits of the sequencer epoch that published it | |
/// | 8..16 | time stamp, taken by the sequencer, never decreasing | UTC nanoseconds |
/// | 16..22 | source sequence: place among its source's messages, from 1 | |
/// | 22..24 | source | |
/// | 24..27 | length of the payload | bytes |
/// | 27 | flags | |
/// | 28..30 | message type | |
/// | 30..32 | topic | |
///
/// Word 0 is the publication word: the sequencer stores it last, with release, and readers poll
/// it (see the `protocol` module).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FrameHeader {
    words: [u64; 4],
}

impl FrameHeader {
    /// A header from its fields. Fields wider than their place are cut to it.
    pub const fn new(
        epoch: u64,
        sequence: u64,
        timestamp: u64,
        source: SourceId,
        source_sequence: u64,
        descriptor: u64,
    ) -> Self {
        FrameHeader {
            words: [
                Self::publication_word(epoch, sequence),
                timestamp,
                Self::source_word(source, source_sequence),
                descriptor,
            ],
        }
    }

    /// The word that publishes `sequence` in `epoch`.
    #[inline(always)]
    pub const fn publication_word(epoch: u64, sequence: u64) -> u64 {
        (epoch & MAX_EPOCH_TAG) << 48 | (sequence & MAX_SEQUENCE)
    }

    /// The word that says whose message it is and which of that source's messages.
    #[inline(always)]
    pub const fn source_word(source: SourceId, source_sequence: u64) -> u64 {
        (source as u64) << 48 | (source_sequence & MAX_SEQUENCE)
    }

    /// The word that describes the payload. Ingress slots carry the same word.
    #[inline(always)]
    pub const fn descriptor_word(
        message_type: MessageType,
        topic: TopicId,
        length: usize,
        flags: Flags,
    ) -> u64 {
        (length & MAX_PAYLOAD_BYTES) as u64
            | (flags.0 as u64) << 24
            | (message_type as u64) << 32
            | (topic as u64) << 48
    }

    /// The header that these four words are. Every value is a header; whether it makes sense is
    /// for the reader to check.
    #[inline(always)]
    pub const fn from_words(words: [u64; 4]) -> Self {
        FrameHeader { words }
    }

    /// The four words.
    #[inline(always)]
    pub const fn words(&self) -> [u64; 4] {
        self.words
    }

    /// The header that these bytes are.
    pub fn from_bytes(bytes: &[u8; FRAME_HEADER_BYTES]) -> Self {
        let mut words = [0; 4];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
        }
        FrameHeader { words }
    }

    /// The bytes, as on disk.
    pub fn to_bytes(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Place in the total order, from 1, without gaps.
    #[inline(always)]
    pub const fn sequence(&self) -> u64 {
        self.words[0] & MAX_SEQUENCE
    }

    /// The low 16 bits of the sequencer epoch that published the frame.
    #[inline(always)]
    pub const fn epoch_tag(&self) -> u64 {
        self.words[0] >> 48
    }

    /// When the sequencer took the message: UTC nanoseconds, never decreasing along the stream.
    #[inline(always)]
    pub const fn timestamp(&self) -> u64 {
        self.words[1]
    }

    /// The producer the message came from.
    #[inline(always)]
    pub const fn source(&self) -> SourceId {
        (self.words[2] >> 48) as SourceId
    }

    /// Place among the messages of its source, from 1, without gaps.
    #[inline(always)]
    pub const fn source_sequence(&self) -> u64 {
        self.words[2] & MAX_SEQUENCE
    }

    /// The word with length, flags, type and topic.
    #[inline(always)]
    pub const fn descriptor(&self) -> u64 {
        self.words[3]
    }

    /// Bytes of payload.
    #[inline(always)]
    #[allow(clippy::len_without_is_empty)] // A length of the payload, not of a collection.
    pub const fn length(&self) -> usize {
        self.words[3] as usize & MAX_PAYLOAD_BYTES
    }

    /// The flags.
    #[inline(always)]
    pub const fn flags(&self) -> Flags {
        Flags((self.words[3] >> 24) as u8)
    }

    /// What the payload is.
    #[inline(always)]
    pub const fn message_type(&self) -> MessageType {
        (self.words[3] >> 32) as MessageType
    }

    /// What the message is about, for filtering.
    #[inline(always)]
    pub const fn topic(&self) -> TopicId {
        (self.words[3] >> 48) as TopicId
    }

    /// The same header with other flags.
    pub const fn with_flags(mut self, flags: Flags) -> Self {
        self.words[3] = self.words[3] & !(0xFF << 24) | (flags.0 as u64) << 24;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_own_bits() {
        let descriptor =
            FrameHeader::descriptor_word(0xF123, 0x8765, MAX_PAYLOAD_BYTES, Flags::EXTERNAL);
        let header = FrameHeader::new(
            0x1_2345,
            MAX_SEQUENCE,
            u64::MAX - 1,
            0xFEDC,
            MAX_SEQUENCE - 7,
            descriptor,
        );
        assert_eq!(header.epoch_tag(), 0x2345);
        assert_eq!(header.sequence(), MAX_SEQUENCE);
        assert_eq!(header.timestamp(), u64::MAX - 1);
        assert_eq!(header.source(), 0xFEDC);
        assert_eq!(header.source_sequence(), MAX_SEQUENCE - 7);
        assert_eq!(header.length(), MAX_PAYLOAD_BYTES);
        assert_eq!(header.flags(), Flags::EXTERNAL);
        assert_eq!(header.message_type(), 0xF123);
        assert_eq!(header.topic(), 0x8765);
        assert_eq!(header.with_flags(Flags::NONE).flags(), Flags::NONE);
        assert_eq!(header.with_flags(Flags::NONE).length(), MAX_PAYLOAD_BYTES);
    }

    #[test]
    fn bytes_are_as_documented() {
        let descriptor = FrameHeader::descriptor_word(0x0B0A, 0x0D0C, 0x070809, Flags(1));
        let header = FrameHeader::new(0x0201, 3, 4, 5, 6, descriptor);
        let bytes = header.to_bytes();
        assert_eq!(bytes[0..8], [3, 0, 0, 0, 0, 0, 0x01, 0x02]);
        assert_eq!(bytes[8..16], [4, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[16..24], [6, 0, 0, 0, 0, 0, 5, 0]);
        assert_eq!(bytes[24..32], [9, 8, 7, 1, 0x0A, 0x0B, 0x0C, 0x0D]);
        assert_eq!(FrameHeader::from_bytes(&bytes), header);
    }
}
