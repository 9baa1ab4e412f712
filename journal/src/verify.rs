//! Checking every byte of a journal.

use crate::ahead::Checkers;
use crate::dictionary::Dictionary;
use crate::error::{JournalError, io_error};
use crate::fault::{BlockFault, SegmentFault};
use crate::format::{
    Activity, BlockHeader, BlockKind, ClockRecord, GapRecord, Hash, RecoveryRecord, Seal,
    SegmentHeader, SegmentName, UNSIGNED,
};
use crate::keys::{PublicKey, SignatureState, check_signature};
use crate::recovery::walk;
use crate::segment::{Chain, SegmentReader, Step, Tally, decode_index};
use crate::sources::SourcePositions;
use crate::storage::{DirectoryStorage, Storage};
use crate::tail::{TailState, TornTail, examine, last_used_byte, resynchronise};
use std::path::Path;
use zerocopy::FromBytes;

/// The most places of damage that a report names; more are only counted.
const MAX_DAMAGE: usize = 1000;

/// What to check besides everything that the journal says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerifyOptions {
    /// Computes every block's BLAKE3 hash. Without it only CRCs and structure are checked, which
    /// finds accidents but no forgery.
    pub check_hashes: bool,
    /// Computes the digest over all frames.
    pub digest: bool,
    /// The journal may begin after segment 1: older segments were archived.
    pub allow_missing_front: bool,
    /// The head hash that the journal must have, kept elsewhere: the only way to notice that
    /// whole segments were taken off its end.
    pub expected_head: Option<Hash>,
    /// The key that must have signed every seal.
    pub public_key: Option<PublicKey>,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        VerifyOptions {
            check_hashes: true,
            digest: true,
            allow_missing_front: false,
            expected_head: None,
            public_key: None,
        }
    }
}

/// The judgement.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// Every byte is right, and the last segment is sealed.
    Sealed,
    /// Every byte is right; the last segment is not sealed.
    Open,
    /// Right up to a torn tail: what a crash leaves. Opening the journal for writing cuts it.
    TornTail,
    /// Something is wrong that a crash does not explain.
    Damaged,
}

/// One place where the journal is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// The segment's file.
    pub file: String,
    /// The segment's number, as its name says.
    pub segment: u64,
    /// Number of the block; `None` when the segment as a whole is concerned.
    pub block: Option<u64>,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// The first sequence concerned.
    pub first_sequence: u64,
    /// The last sequence concerned; `None` when what follows cannot be read either.
    pub last_sequence: Option<u64>,
    /// What is wrong.
    pub problem: String,
}

/// How far a verification has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Bytes checked.
    pub bytes: u64,
    /// Bytes of all segments.
    pub total_bytes: u64,
    /// Frames checked.
    pub frames: u64,
    /// Number of the segment being checked.
    pub segment: u64,
}

/// What a verification found.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// The judgement.
    pub verdict: Verdict,
    /// Segment files.
    pub segments: u64,
    /// How many of them are sealed.
    pub sealed_segments: u64,
    /// Whole blocks.
    pub blocks: u64,
    /// Frames in them.
    pub frames: u64,
    /// Bytes of all segment files.
    pub bytes: u64,
    /// Sequence of the first frame, 0 for none.
    pub first_sequence: u64,
    /// Sequence of the last frame, 0 for none.
    pub last_sequence: u64,
    /// Time stamp of the first frame, UTC nanoseconds.
    pub first_timestamp: u64,
    /// Time stamp of the last frame.
    pub last_timestamp: u64,
    /// Hash of the last whole block: it stands for everything before it.
    pub head_hash: Hash,
    /// BLAKE3 over all frames, as [`Digest`](crate::Digest) defines it; `None` when not asked
    /// for, or when frames are damaged.
    pub digest: Option<Hash>,
    /// Every place of damage, up to 1000.
    pub damage: Vec<Damage>,
    /// Places of damage beyond those.
    pub more_damage: u64,
    /// The torn tail, if any.
    pub torn_tail: Option<TornTail>,
    /// What earlier recoveries have cut.
    pub recoveries: Vec<RecoveryRecord>,
    /// Frames that the journal was told to leave out, up to 1000 ranges.
    pub gaps: Vec<GapRecord>,
    /// Sealed segments whose seal is signed.
    pub signed_segments: u64,
    /// Clock records.
    pub clock_records: u64,
    /// Entries of who did what.
    pub activities: u64,
    /// Stands for all sealed segments; zeros for none.
    pub chained_root: Hash,
}

/// Checks the whole journal in `directory`; `progress` is called every few blocks.
///
/// # Errors
/// [`JournalError::Empty`], and what the host says when a file cannot be read. Anything wrong
/// with the journal's bytes is not an error but in the report.
pub fn verify(
    directory: &Path,
    options: &VerifyOptions,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Report, JournalError> {
    verify_in(&DirectoryStorage::new(directory), options, progress)
}

/// As [`verify()`], for any storage.
///
/// # Errors
/// As [`verify()`].
pub fn verify_in(
    storage: &dyn Storage,
    options: &VerifyOptions,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Report, JournalError> {
    let directory = storage.describe();
    let mut names: Vec<SegmentName> = storage
        .list()
        .map_err(io_error("list", &directory))?
        .iter()
        .filter_map(|name| SegmentName::parse(name))
        .collect();
    names.sort_unstable();
    let Some(first) = names.first() else {
        return Err(JournalError::Empty { directory });
    };
    let mut total_bytes = 0;
    for name in &names {
        let file = name.to_string();
        let opened = storage
            .open(&file, false)
            .map_err(io_error("open", &file))?;
        total_bytes += opened.size().map_err(io_error("ask the size of", &file))?;
    }
    let mut verifier = Verifier {
        storage,
        options,
        progress,
        // Without hashes there is too little to do for other threads.
        checkers: options.check_hashes.then(Checkers::default),
        hasher: options.digest.then(blake3::Hasher::new),
        before: None,
        root: None,
        position: Progress {
            bytes: 0,
            total_bytes,
            frames: 0,
            segment: first.number,
        },
        checked_bytes: 0,
        report: Report {
            verdict: Verdict::Sealed,
            segments: names.len() as u64,
            sealed_segments: 0,
            blocks: 0,
            frames: 0,
            bytes: total_bytes,
            first_sequence: 0,
            last_sequence: 0,
            first_timestamp: 0,
            last_timestamp: 0,
            head_hash: [0; 32],
            digest: None,
            damage: Vec::new(),
            more_damage: 0,
            torn_tail: None,
            recoveries: Vec::new(),
            gaps: Vec::new(),
            signed_segments: 0,
            clock_records: 0,
            activities: 0,
            chained_root: [0; 32],
        },
    };
    for (place, name) in names.iter().enumerate() {
        verifier.segment(*name, place + 1 == names.len())?;
    }
    verifier.conclude()
}

struct Verifier<'a> {
    storage: &'a dyn Storage,
    options: &'a VerifyOptions,
    progress: &'a mut dyn FnMut(&Progress),
    checkers: Option<Checkers>,
    hasher: Option<blake3::Hasher>,
    /// The segment before, and where its chain ended.
    before: Option<(SegmentHeader, Chain)>,
    /// Chained root of the segment before, where that is known.
    root: Option<Hash>,
    position: Progress,
    checked_bytes: u64,
    report: Report,
}

impl Verifier<'_> {
    fn segment(&mut self, name: SegmentName, last: bool) -> Result<(), JournalError> {
        self.position.segment = name.number;
        let opened = SegmentReader::open(self.storage, name, self.options.check_hashes);
        let mut segment = match opened {
            Ok(segment) => segment,
            Err(JournalError::Segment { fault, .. }) => {
                self.damage(name, None, 0, name.first_sequence, None, fault.to_string());
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let follows = match &self.before {
            Some((header, _)) if header.segment_number == name.number => {
                Err(SegmentFault::Duplicate)
            }
            Some((header, chain)) => segment.check_follows(header, chain),
            None if name.number != 1 && !self.options.allow_missing_front => {
                Err(SegmentFault::Missing { expected: 1 })
            }
            None if name.number == 1 && segment.header.previous_hash != [0; 32] => {
                Err(SegmentFault::Chain)
            }
            None if name.number == 1 && segment.header.first_block != 0 => {
                Err(SegmentFault::Misplaced {
                    what: "first block",
                    expected: 0,
                    found: segment.header.first_block,
                })
            }
            None => Ok(()),
        };
        if let Err(fault) = follows {
            self.root = None;
            let first = match &self.before {
                Some((_, chain)) => chain.sequence.min(name.first_sequence),
                None => 1,
            };
            let missing = matches!(fault, SegmentFault::Missing { .. });
            let last = missing.then(|| name.first_sequence.saturating_sub(1));
            self.damage(name, None, 0, first, last, fault.to_string());
        }
        if let Some(checkers) = &self.checkers {
            segment.check_ahead(checkers);
        }
        let sealed = self.blocks(&mut segment, last)?;
        self.report.sealed_segments += u64::from(sealed);
        self.report.head_hash = segment.chain.hash;
        self.before = Some((segment.header, segment.chain));
        self.checked_bytes += segment.size()?;
        self.position.bytes = self.checked_bytes;
        (self.progress)(&self.position);
        Ok(())
    }

    /// Checks the blocks of a segment; true when it is sealed.
    fn blocks(&mut self, segment: &mut SegmentReader, last: bool) -> Result<bool, JournalError> {
        let mut tally = Some(Tally::default());
        let mut dictionary = Dictionary::default();
        let mut index_offset = None;
        let mut count = 0_u64;
        loop {
            let before = segment.chain;
            match segment.next_block()? {
                Step::Block(block) => {
                    count += 1;
                    self.report.blocks += 1;
                    let checked = self.block(
                        segment,
                        &block,
                        &mut tally,
                        &mut dictionary,
                        &mut index_offset,
                    );
                    if let Err(fault) = checked {
                        self.damage(
                            segment.name,
                            Some(block.block_number),
                            block.offset,
                            block.first_sequence,
                            Some(block.last_sequence),
                            fault.to_string(),
                        );
                    }
                    if count == 1 && block.kind != BlockKind::Dictionary as u16 {
                        self.damage(
                            segment.name,
                            Some(block.block_number),
                            block.offset,
                            block.first_sequence,
                            Some(block.last_sequence),
                            "the segment does not begin with a Dictionary block".to_owned(),
                        );
                    }
                    if block.kind == BlockKind::Seal as u16 {
                        if last_used_byte(segment, segment.offset)? != segment.offset {
                            self.at_next_block(
                                segment,
                                &segment.chain,
                                None,
                                BlockFault::AfterSeal,
                            );
                        }
                        return Ok(true);
                    }
                    self.position.bytes = self.checked_bytes + segment.offset;
                    self.position.frames = self.report.frames;
                    if self.report.blocks.is_multiple_of(16) {
                        (self.progress)(&self.position);
                    }
                }
                Step::End(fault) => {
                    if last && count > 0 {
                        match examine(segment, fault)? {
                            TailState::Clean => {
                                self.report.verdict = self.report.verdict.max(Verdict::Open);
                                return Ok(false);
                            }
                            TailState::Torn(torn) => {
                                self.report.verdict = self.report.verdict.max(Verdict::TornTail);
                                self.report.torn_tail = Some(torn);
                                return Ok(false);
                            }
                            TailState::Damaged => {}
                        }
                    }
                    // Index and seal cannot be checked against blocks that are not there.
                    tally = None;
                    self.root = None;
                    self.hasher = None;
                    let broken_at = segment.offset;
                    match resynchronise(segment)? {
                        Some(next) => {
                            let last = next.first_sequence.saturating_sub(1);
                            self.damage(
                                segment.name,
                                Some(before.block_number),
                                broken_at,
                                before.sequence,
                                Some(last.max(before.sequence)),
                                fault.to_string(),
                            );
                        }
                        None => {
                            let fault = match fault {
                                BlockFault::Nothing => BlockFault::NotSealed,
                                fault => fault,
                            };
                            self.at_next_block(segment, &before, None, fault);
                            return Ok(false);
                        }
                    }
                }
            }
        }
    }

    /// Checks what is inside a whole block.
    fn block(
        &mut self,
        segment: &SegmentReader,
        block: &BlockHeader,
        tally: &mut Option<Tally>,
        dictionary: &mut Dictionary,
        index_offset: &mut Option<u64>,
    ) -> Result<(), BlockFault> {
        let payload = segment.payload();
        match BlockKind::from_code(block.kind) {
            Some(BlockKind::Frames) => {
                if self.report.frames == 0 {
                    self.report.first_sequence = block.first_sequence;
                    self.report.first_timestamp = block.first_timestamp;
                }
                self.report.frames += u64::from(block.frame_count);
                self.report.last_sequence = block.last_sequence;
                self.report.last_timestamp = block.last_timestamp;
                if let Some(hasher) = &mut self.hasher {
                    hasher.update(payload);
                }
                if !segment.frames_checked() {
                    walk(block, payload, |_, _| ())?;
                }
            }
            Some(BlockKind::Dictionary) => {
                dictionary.decode(payload).map_err(BlockFault::Payload)?;
            }
            Some(BlockKind::Snapshot) => {
                SourcePositions::check(payload).map_err(BlockFault::Payload)?;
            }
            Some(BlockKind::Recovery) => {
                let record = RecoveryRecord::read_from_bytes(payload)
                    .map_err(|_| BlockFault::Payload("the recovery record has another length"))?;
                if self.report.recoveries.len() < MAX_DAMAGE {
                    self.report.recoveries.push(record);
                }
            }
            Some(BlockKind::Index) => {
                let index = decode_index(payload)?;
                *index_offset = Some(block.offset);
                if let Some(tally) = tally
                    && index != tally.index
                {
                    return Err(BlockFault::Payload("the index does not match the blocks"));
                }
            }
            Some(BlockKind::Seal) => {
                let seal = Seal::read_from_bytes(payload)
                    .map_err(|_| BlockFault::Payload("the seal has another length"))?;
                if let Some(tally) = tally {
                    let unsigned = Seal {
                        signature_algorithm: UNSIGNED,
                        public_key: [0; 32],
                        signature: [0; 64],
                        ..seal
                    };
                    if Some(seal.index_offset) != *index_offset
                        || unsigned
                            != tally.seal(&segment.header, seal.index_offset, &seal.previous_root)
                    {
                        return Err(BlockFault::Payload("the seal does not match the blocks"));
                    }
                }
                return self.seal(segment, &seal);
            }
            Some(BlockKind::Clock) => {
                ClockRecord::read_from_bytes(payload)
                    .map_err(|_| BlockFault::Payload("the clock record has another length"))?;
                self.report.clock_records += 1;
            }
            Some(BlockKind::Activity) => {
                let entries = Activity::decode_all(payload).map_err(BlockFault::Payload)?;
                self.report.activities += entries.len() as u64;
            }
            Some(BlockKind::Gap) => {
                let record = GapRecord::read_from_bytes(payload)
                    .map_err(|_| BlockFault::Payload("the gap record has another length"))?;
                if (record.first_sequence, record.last_sequence)
                    != (block.first_sequence, block.last_sequence)
                {
                    return Err(BlockFault::Payload("gap record and block header differ"));
                }
                if self.report.gaps.len() < MAX_DAMAGE {
                    self.report.gaps.push(record);
                }
            }
            None => {}
        }
        let full = tally.as_mut().is_some_and(|tally| !tally.add(block));
        if full {
            *tally = None;
            return Err(BlockFault::Payload("the segment has too many blocks"));
        }
        Ok(())
    }

    /// Checks what a seal says beyond its own segment: the roots before it, and who signed it.
    fn seal(&mut self, segment: &SegmentReader, seal: &Seal) -> Result<(), BlockFault> {
        let header = &segment.header;
        let expected = match self.root.replace(seal.chained_root) {
            None if header.segment_number == 1 => Some([0; 32]),
            before => before,
        };
        self.report.chained_root = seal.chained_root;
        if expected.is_some_and(|root| root != seal.previous_root) {
            return Err(BlockFault::Payload("the chain of roots is broken"));
        }
        match check_signature(seal, header.fabric_id, header.segment_number) {
            SignatureState::Invalid => {
                return Err(BlockFault::Payload("the seal's signature is wrong"));
            }
            SignatureState::Unsigned if self.options.public_key.is_some() => {
                return Err(BlockFault::Payload("the seal is not signed"));
            }
            SignatureState::Valid(key) => {
                self.report.signed_segments += 1;
                if self
                    .options
                    .public_key
                    .is_some_and(|expected| expected != key)
                {
                    return Err(BlockFault::Payload("the seal is signed by another key"));
                }
            }
            SignatureState::Unsigned => {}
        }
        Ok(())
    }

    fn at_next_block(
        &mut self,
        segment: &SegmentReader,
        chain: &Chain,
        last_sequence: Option<u64>,
        fault: BlockFault,
    ) {
        self.damage(
            segment.name,
            Some(chain.block_number),
            segment.offset,
            chain.sequence,
            last_sequence,
            fault.to_string(),
        );
    }

    fn damage(
        &mut self,
        name: SegmentName,
        block: Option<u64>,
        offset: u64,
        first_sequence: u64,
        last_sequence: Option<u64>,
        problem: String,
    ) {
        self.report.verdict = Verdict::Damaged;
        self.hasher = None;
        if self.report.damage.len() >= MAX_DAMAGE {
            self.report.more_damage += 1;
            return;
        }
        self.report.damage.push(Damage {
            file: name.to_string(),
            segment: name.number,
            block,
            offset,
            first_sequence,
            last_sequence,
            problem,
        });
    }

    fn conclude(mut self) -> Result<Report, JournalError> {
        if let Some(expected) = self.options.expected_head
            && expected != self.report.head_hash
        {
            let name = SegmentName {
                number: self.position.segment,
                first_sequence: self.report.last_sequence,
            };
            let problem = "the head hash is not the expected one: segments were taken off the \
                               end or the journal was rewritten";
            let next = self.report.last_sequence.saturating_add(1);
            self.damage(name, None, 0, next, None, problem.to_owned());
        }
        self.report.digest = self
            .hasher
            .take()
            .map(|hasher| *hasher.finalize().as_bytes());
        self.position.frames = self.report.frames;
        (self.progress)(&self.position);
        Ok(self.report)
    }
}
