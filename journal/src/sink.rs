//! Puts finished blocks on disk, in order, segment after segment.

use crate::block::{BlockBuffer, BlockPlace};
use crate::config::{JournalConfig, SyncPolicy};
use crate::dictionary::Dictionary;
use crate::error::{JournalError, io_error};
use crate::fault::SegmentFault;
use crate::format::{
    BlockHeader, BlockKind, RecoveryRecord, SEAL_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader,
    SegmentName, TEMPORARY_NAME, block_bytes_on_disk,
};
use crate::identity::JournalIdentity;
use crate::positions::JournalPositions;
use crate::recovery::{LastSegment, walk};
use crate::segment::{Chain, SegmentReader, Tally, list_segments};
use crate::sources::SourcePositions;
use crate::storage::{Storage, StorageFile, write_all};
use crate::tail::{Tail, TornTail};
use std::any::Any;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zerocopy::IntoBytes;

/// The writing end of a journal directory.
pub(crate) struct Sink {
    storage: Arc<dyn Storage>,
    config: JournalConfig,
    identity: JournalIdentity,
    positions: JournalPositions,
    /// `None` between a seal and the next block.
    segment: Option<OpenSegment>,
    next_segment: u64,
    chain: Chain,
    /// Blocks with a number below this are durable.
    durable_blocks: u64,
    dictionary: Dictionary,
    /// What frames have added since the last Dictionary block.
    news: Option<Dictionary>,
    sources: SourcePositions,
    /// Holds blocks without frames.
    scratch: BlockBuffer,
    payload: Vec<u8>,
    unsynced_bytes: u64,
    last_sync: Instant,
    sync_failed: bool,
    _lock: Box<dyn Any + Send>,
}

struct OpenSegment {
    file: Box<dyn StorageFile>,
    name: String,
    header: SegmentHeader,
    offset: u64,
    tally: Tally,
}

impl Sink {
    /// Opens the directory for writing: begins a journal, or goes on with the one that is there
    /// after cutting a torn tail.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        identity: &JournalIdentity,
        start_sequence: u64,
        dictionary: &Dictionary,
        config: &JournalConfig,
    ) -> Result<Self, JournalError> {
        let directory = storage.describe();
        let lock = storage.lock().map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => JournalError::InUse {
                directory: directory.clone(),
            },
            _ => io_error("lock", &directory)(source),
        })?;
        let names = storage.list().map_err(io_error("list", &directory))?;
        if names.iter().any(|name| name == TEMPORARY_NAME) {
            storage
                .remove(TEMPORARY_NAME)
                .map_err(io_error("remove", TEMPORARY_NAME))?;
        }
        let mut sink = Sink {
            storage,
            config: config.clone(),
            identity: identity.clone(),
            positions: JournalPositions::new(start_sequence.saturating_sub(1)),
            segment: None,
            next_segment: 1,
            chain: Chain {
                block_number: 0,
                hash: [0; 32],
                sequence: start_sequence,
                timestamp: 0,
            },
            durable_blocks: 0,
            dictionary: Dictionary::default(),
            news: None,
            sources: SourcePositions::new(),
            scratch: BlockBuffer::new(4096),
            payload: Vec::new(),
            unsynced_bytes: 0,
            last_sync: Instant::now(),
            sync_failed: false,
            _lock: lock,
        };
        match LastSegment::read(&*sink.storage)? {
            None => {
                sink.dictionary.merge(dictionary);
                sink.create_segment()?;
            }
            Some(last) => sink.go_on(last, dictionary)?,
        }
        Ok(sink)
    }

    fn go_on(&mut self, last: LastSegment, dictionary: &Dictionary) -> Result<(), JournalError> {
        let found = last.identity()?;
        let file = last.segment.file_name.clone();
        if found.fabric_id != self.identity.fabric_id {
            return Err(JournalError::OtherFabric {
                file,
                found_name: found.fabric_name().to_owned(),
                found_id: found.fabric_id,
                expected_id: self.identity.fabric_id,
            });
        }
        if found.life > self.identity.life {
            return Err(JournalError::OlderLife {
                file,
                found: found.life,
                given: self.identity.life,
            });
        }
        let LastSegment {
            mut segment,
            tail,
            tally,
            dictionary: known,
            sources,
            ..
        } = last;
        self.chain = segment.chain;
        self.next_segment = segment.name.number + 1;
        self.dictionary = known;
        self.dictionary.merge(dictionary);
        self.sources = sources;
        let torn = match &tail {
            Tail::Sealed => {
                // Its writer may have died between the seal and its sync.
                let opened = self.storage.open(&file, true).and_then(|seal| seal.sync());
                opened.map_err(io_error("sync", &file))?;
                None
            }
            Tail::Open => Some(None),
            Tail::Torn(torn) => Some(Some(torn)),
        };
        if let Some(torn) = torn {
            self.reopen_segment(&mut segment, torn, tally)?;
            if found.life < self.identity.life {
                self.seal()?;
            }
        }
        let sequence = self.chain.sequence.saturating_sub(1);
        self.durable_blocks = self.chain.block_number;
        self.positions = JournalPositions::new(sequence);
        Ok(())
    }

    /// Cuts the segment behind its last whole block, notes that in it, and goes on there.
    fn reopen_segment(
        &mut self,
        segment: &mut SegmentReader,
        torn: Option<&TornTail>,
        tally: Tally,
    ) -> Result<(), JournalError> {
        let name = segment.file_name.clone();
        let record = RecoveryRecord {
            segment_number: segment.name.number,
            cut_offset: segment.offset,
            cut_bytes: torn.map_or(0, |torn| torn.bytes),
            cut_blocks: torn.map_or(0, |torn| torn.whole_blocks),
            recovered_at: (self.config.clock)(),
            last_sequence: segment.chain.sequence.saturating_sub(1),
            cut_hash: hash_range(segment, torn.map_or(0, |torn| torn.bytes))?,
            reserved: [0; 48],
        };
        let file = self
            .storage
            .open(&name, true)
            .map_err(io_error("open", &name))?;
        file.resize(segment.offset)
            .map_err(io_error("cut the torn tail of", &name))?;
        // From here on whatever is behind the last whole block is durably gone, and what is in
        // front of it durably there: it may never have been synced by the writer that died.
        file.sync().map_err(io_error("sync", &name))?;
        file.resize(self.config.segment_bytes.max(segment.offset))
            .map_err(io_error("reserve space for", &name))?;
        self.durable_blocks = self.chain.block_number;
        self.segment = Some(OpenSegment {
            file,
            name,
            header: segment.header,
            offset: segment.offset,
            tally,
        });
        self.put_payload(BlockKind::Recovery, record.as_bytes())?;
        self.put_dictionary(None)?;
        self.put_snapshot()?;
        self.sync()
    }

    pub(crate) fn positions(&self) -> JournalPositions {
        self.positions.clone()
    }

    pub(crate) fn next_sequence(&self) -> u64 {
        self.chain.sequence
    }

    pub(crate) fn last_timestamp(&self) -> u64 {
        self.chain.timestamp
    }

    pub(crate) fn head_hash(&self) -> [u8; 32] {
        self.chain.hash
    }

    /// Writes a block of frames that follows on the last. After an error nothing has moved, and
    /// the same block can be given again.
    pub(crate) fn write_frames(&mut self, block: &mut BlockBuffer) -> Result<(), JournalError> {
        self.check_sync()?;
        self.put_news()?;
        let bytes =
            block_bytes_on_disk(block.payload_bytes(), self.config.block_alignment as usize) as u64;
        let full = self.segment.as_ref().is_some_and(|segment| {
            segment.tally.frames > 0
                && (segment.offset + bytes > self.config.segment_bytes || !segment.tally.has_room())
        });
        if full {
            self.seal()?;
        }
        if self.segment.is_none() {
            self.create_segment()?;
        }
        let header = self.put(block, BlockKind::Frames)?;
        let (sources, dictionary, news) = (&mut self.sources, &mut self.dictionary, &mut self.news);
        let walked = walk(&header, block.payload(), |header, payload| {
            sources.learn(header, payload);
            if let Some(added) = Dictionary::from_frame(header, payload) {
                dictionary.merge(&added);
                news.get_or_insert_default().merge(&added);
            }
        });
        debug_assert_eq!(walked, Ok(()));
        self.positions.set_recorded(header.last_sequence);
        Ok(())
    }

    /// Syncs if the policy asks for it now.
    pub(crate) fn sync_if_due(&mut self) -> Result<(), JournalError> {
        let due = match self.config.sync {
            _ if self.unsynced_bytes == 0 => false,
            SyncPolicy::EveryBlock => true,
            SyncPolicy::EveryBytes(bytes) => self.unsynced_bytes >= bytes,
            SyncPolicy::EveryInterval(interval) => self.last_sync.elapsed() >= interval,
            SyncPolicy::OnlyAtClose => false,
        };
        if due { self.sync() } else { Ok(()) }
    }

    /// How long until a sync is due by time; `None` when none is.
    pub(crate) fn next_sync(&self) -> Option<Duration> {
        match self.config.sync {
            SyncPolicy::EveryInterval(interval) if self.unsynced_bytes > 0 => {
                Some(interval.saturating_sub(self.last_sync.elapsed()))
            }
            _ => None,
        }
    }

    /// Makes everything written durable.
    pub(crate) fn sync(&mut self) -> Result<(), JournalError> {
        self.check_sync()?;
        if let Some(segment) = &self.segment
            && let Err(source) = segment.file.sync()
        {
            // The kernel may have dropped the pages: a later success would prove nothing.
            self.sync_failed = true;
            return Err(io_error("sync", &segment.name)(source));
        }
        self.unsynced_bytes = 0;
        self.last_sync = Instant::now();
        self.durable_blocks = self.chain.block_number;
        self.positions
            .set_durable(self.chain.sequence.saturating_sub(1));
        Ok(())
    }

    fn check_sync(&self) -> Result<(), JournalError> {
        if self.sync_failed {
            let source = io::Error::other(
                "an earlier sync failed; what followed `durable` must be written again",
            );
            return Err(io_error(
                "go on after the sync of",
                &self.storage.describe(),
            )(source));
        }
        Ok(())
    }

    /// Closes the segment with index and seal, durably. Without an open segment, nothing.
    pub(crate) fn seal(&mut self) -> Result<(), JournalError> {
        self.check_sync()?;
        self.put_news()?;
        let Some(segment) = &self.segment else {
            return Ok(());
        };
        let index_offset = segment.offset;
        let index = segment.tally.index.as_bytes().to_vec();
        self.put_payload(BlockKind::Index, &index)?;
        let Some(segment) = &self.segment else {
            return Ok(());
        };
        let seal_bytes =
            block_bytes_on_disk(SEAL_BYTES, segment.header.block_alignment as usize) as u64;
        segment
            .file
            .resize(segment.offset + seal_bytes)
            .map_err(io_error("resize", &segment.name))?;
        let seal = segment.tally.seal(&segment.header, index_offset);
        // The seal then states that everything before it is durable.
        self.sync()?;
        self.put_payload(BlockKind::Seal, seal.as_bytes())?;
        self.sync()?;
        self.segment = None;
        Ok(())
    }

    /// Begins the next segment: under a temporary name until header and dictionary are durable.
    fn create_segment(&mut self) -> Result<(), JournalError> {
        let before = (self.chain, self.unsynced_bytes, self.durable_blocks);
        let created = self.try_create_segment();
        if created.is_err() {
            self.segment = None;
            (self.chain, self.unsynced_bytes, self.durable_blocks) = before;
        }
        created
    }

    fn try_create_segment(&mut self) -> Result<(), JournalError> {
        let mut header = SegmentHeader::new(&self.identity, self.config.block_alignment);
        header.segment_number = self.next_segment;
        header.first_sequence = self.chain.sequence;
        header.created = (self.config.clock)();
        header.first_block = self.chain.block_number;
        header.previous_hash = self.chain.hash;
        header.seal_crc();
        let name = SegmentName {
            number: self.next_segment,
            first_sequence: self.chain.sequence,
        }
        .to_string();
        if name.len() != SEGMENT_NAME_BYTES {
            return Err(JournalError::Segment {
                file: name,
                fault: SegmentFault::Range,
            });
        }
        let file = self
            .storage
            .create(TEMPORARY_NAME, self.config.segment_bytes)
            .map_err(io_error("create and reserve space for", &name))?;
        write_all(&*file, header.as_bytes(), 0).map_err(io_error("write to", &name))?;
        self.chain.hash = header.hash();
        self.segment = Some(OpenSegment {
            file,
            name: name.clone(),
            header,
            offset: SEGMENT_HEADER_BYTES as u64,
            tally: Tally::with_capacity(self.config.segment_bytes, self.config.block_bytes),
        });
        self.put_dictionary(None)?;
        self.put_snapshot()?;
        self.sync()?;
        selvedge_fabric::crash_point!("journal.segment_made");
        self.storage
            .rename(TEMPORARY_NAME, &name)
            .map_err(io_error("name", &name))?;
        let directory = self.storage.describe();
        self.storage.sync_directory().map_err(|source| {
            self.sync_failed = true;
            io_error("sync", &directory)(source)
        })?;
        selvedge_fabric::crash_point!("journal.segment_named");
        self.next_segment += 1;
        Ok(())
    }

    fn put_news(&mut self) -> Result<(), JournalError> {
        match self.news.take() {
            None => Ok(()),
            // The next segment begins with the whole dictionary.
            Some(_) if self.segment.is_none() => Ok(()),
            Some(news) => {
                let put = self.put_dictionary(Some(&news));
                if put.is_err() {
                    self.news = Some(news);
                }
                put
            }
        }
    }

    /// Writes a Dictionary block: of these entries, or of all.
    fn put_dictionary(&mut self, entries: Option<&Dictionary>) -> Result<(), JournalError> {
        let mut payload = std::mem::take(&mut self.payload);
        payload.clear();
        entries.unwrap_or(&self.dictionary).encode(&mut payload);
        let put = self.put_payload(BlockKind::Dictionary, &payload);
        self.payload = payload;
        put
    }

    fn put_snapshot(&mut self) -> Result<(), JournalError> {
        let mut payload = std::mem::take(&mut self.payload);
        payload.clear();
        self.sources.encode(&mut payload);
        let put = self.put_payload(BlockKind::Snapshot, &payload);
        self.payload = payload;
        put
    }

    /// Writes a block without frames.
    fn put_payload(&mut self, kind: BlockKind, payload: &[u8]) -> Result<(), JournalError> {
        let mut scratch = std::mem::replace(&mut self.scratch, BlockBuffer::new(0));
        scratch.set_payload(payload, self.chain.sequence, self.chain.timestamp);
        let put = self.put(&mut scratch, kind);
        self.scratch = scratch;
        put.map(|_| ())
    }

    /// Closes a block for its place, writes it, and moves on behind it.
    fn put(
        &mut self,
        block: &mut BlockBuffer,
        kind: BlockKind,
    ) -> Result<BlockHeader, JournalError> {
        let Some(segment) = &mut self.segment else {
            return Err(JournalError::HelperGone);
        };
        let (header, bytes) = block.close(&BlockPlace {
            kind,
            block_number: self.chain.block_number,
            segment_number: segment.header.segment_number,
            offset: segment.offset,
            durable_blocks: self.durable_blocks,
            previous_hash: self.chain.hash,
            alignment: segment.header.block_alignment as usize,
        });
        selvedge_fabric::crash_point!("journal.block");
        write_all(&*segment.file, bytes, segment.offset)
            .map_err(io_error("write to", &segment.name))?;
        segment.offset += bytes.len() as u64;
        self.unsynced_bytes += bytes.len() as u64;
        if kind != BlockKind::Seal {
            segment.tally.add(&header);
        }
        self.chain.advance(&header);
        Ok(header)
    }

    /// Segments in the directory.
    pub(crate) fn segments(&self) -> Result<u64, JournalError> {
        Ok(list_segments(&*self.storage)?.len() as u64)
    }

    pub(crate) fn into_state(self) -> (JournalIdentity, Dictionary, SourcePositions) {
        (self.identity, self.dictionary, self.sources)
    }
}

/// Bytes of a segment's name: numbers beyond their digits would not be found again.
const SEGMENT_NAME_BYTES: usize = 10 + 1 + 15 + 8;

/// BLAKE3 of the `bytes` bytes from the segment's next block on.
fn hash_range(segment: &mut SegmentReader, bytes: u64) -> Result<[u8; 32], JournalError> {
    let mut hasher = blake3::Hasher::new();
    let end = segment.offset + bytes;
    let mut at = segment.offset;
    while at < end {
        let found = segment.bytes_at(at, 1)?;
        let take = (found.len() as u64).min(end - at);
        if take == 0 {
            break;
        }
        hasher.update(found.get(..take as usize).unwrap_or_default());
        at += take;
    }
    Ok(*hasher.finalize().as_bytes())
}
