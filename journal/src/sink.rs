//! Puts finished blocks on disk, in order, segment after segment.

use crate::block::{BlockBuffer, BlockPlace};
use crate::config::{JournalConfig, SyncPolicy};
use crate::dictionary::Dictionary;
use crate::error::{JournalError, io_error};
use crate::fault::SegmentFault;
use crate::format::{
    BlockHeader, BlockKind, GapRecord, Hash, RecoveryRecord, SEAL_BYTES, SEGMENT_HEADER_BYTES,
    SegmentHeader, SegmentName, TEMPORARY_NAME, block_bytes_on_disk,
};
use crate::identity::JournalIdentity;
use crate::positions::{AlarmState, JournalPositions};
use crate::recovery::{LastSegment, walk};
use crate::roll::{ROLL_GRACE_NS, Roll};
use crate::segment::{Chain, SegmentReader, Tally, list_segments};
use crate::segment_index::{forget, is_unfinished};
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
    /// Chained root of the last sealed segment.
    chained_root: Hash,
    /// The next segment's file, made ahead.
    prepared: Option<Box<dyn StorageFile>>,
    /// Holds blocks without frames.
    scratch: BlockBuffer,
    payload: Vec<u8>,
    unsynced_bytes: u64,
    last_sync: Instant,
    sync_failed: bool,
    _lock: Box<dyn Any + Send>,
}

struct OpenSegment {
    file: Arc<dyn StorageFile>,
    name: String,
    header: SegmentHeader,
    offset: u64,
    tally: Tally,
    /// What the host's clock said when the last block of frames was put in.
    frames_at: u64,
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
        positions: JournalPositions,
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
        for name in names.iter().filter(|name| is_unfinished(name)) {
            // Who writes an index looks first whether there is a writer: this one was killed over it,
            // or finds its file gone when it names it. One that comes later harms nobody.
            let _ = storage.remove(name);
        }
        let mut sink = Sink {
            storage,
            config: config.clone(),
            identity: identity.clone(),
            positions,
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
            chained_root: [0; 32],
            prepared: None,
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
                sink.positions.set_recorded(start_sequence - 1);
                sink.positions.set_durable(start_sequence - 1);
            }
            Some(last) => sink.go_on(last, dictionary)?,
        }
        Ok(sink)
    }

    /// After an error: reads from the disk where the journal ends, cuts what is incomplete, and
    /// goes on there. After a failed sync nothing counts that was not durable before it.
    ///
    /// Lowers `held` to the number of the block behind what the disk holds, before anything is
    /// written there: where this fails and is tried again, blocks of its own may lie there by then.
    pub(crate) fn reopen(&mut self, held: &mut u64) -> Result<(), JournalError> {
        let limit = if self.sync_failed {
            self.durable_blocks
        } else {
            u64::MAX
        };
        self.segment = None;
        self.prepared = None;
        self.news = None;
        let found = LastSegment::read_up_to(&*self.storage, limit)?;
        let Some(last) = found else {
            return Err(JournalError::Empty {
                directory: self.storage.describe(),
            });
        };
        *held = last.segment.chain.block_number.min(*held);
        let known = self.dictionary.clone();
        let failed = std::mem::take(&mut self.sync_failed);
        let recorded = self.positions.recorded();
        let went_on = self.go_on(last, &known);
        // What was recorded and is cut here still lies in staging, and comes again from there.
        if self.positions.recorded() < recorded {
            self.positions.set_recorded(recorded);
        }
        self.sync_failed |= failed && went_on.is_err();
        went_on
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
            chained_root,
            ..
        } = last;
        self.chained_root = chained_root;
        self.chain = segment.chain;
        self.next_segment = segment.name.number + 1;
        self.dictionary = known;
        self.dictionary.merge(dictionary);
        self.sources = sources;
        // Its writer may have died, or this one have met an error, between naming the segment and
        // making the name durable.
        self.sync_names()?;
        let torn = match &tail {
            Tail::Sealed => {
                // Its writer may have died between the seal and its sync.
                let opened = self.storage.open(&file, true).and_then(|seal| seal.sync());
                opened
                    .map_err(io_error("sync", &file))
                    .inspect_err(|_| self.sync_failed = true)?;
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
        self.positions.set_recorded(sequence);
        self.positions.set_durable(sequence);
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
        forget(&*self.storage, segment.name);
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
        // front of it durably there: it may never have been synced by the writer that died. Where
        // that fails, what was read from the cache just now may never come to the disk.
        file.sync()
            .map_err(io_error("sync", &name))
            .inspect_err(|_| self.sync_failed = true)?;
        file.resize(self.config.segment_bytes.max(segment.offset))
            .map_err(io_error("reserve space for", &name))?;
        self.durable_blocks = self.chain.block_number;
        self.segment = Some(OpenSegment {
            file: file.into(),
            name,
            header: segment.header,
            offset: segment.offset,
            tally,
            frames_at: (self.config.clock)(),
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
        if self.is_full(block) {
            self.seal()?;
        }
        self.begin_block()?;
        self.check_order(block)?;
        let header = self.put(block, BlockKind::Frames)?;
        self.learn(&header, block);
        self.positions.set_recorded(header.last_sequence);
        Ok(())
    }

    /// Frames follow on those before, or a journal would be written that has a hole.
    fn check_order(&self, block: &BlockBuffer) -> Result<(), JournalError> {
        let expected = self.chain.sequence;
        match block.first_sequence == expected {
            true => Ok(()),
            false => Err(JournalError::OutOfSequence {
                expected,
                found: block.first_sequence,
            }),
        }
    }

    /// Whether the open segment must be sealed before this block.
    pub(crate) fn is_full(&self, block: &BlockBuffer) -> bool {
        let bytes =
            block_bytes_on_disk(block.payload_bytes(), self.config.block_alignment as usize) as u64;
        self.segment.as_ref().is_some_and(|segment| {
            segment.tally.frames > 0
                && (segment.offset + bytes > self.config.segment_bytes
                    || !segment.tally.has_room()
                    || block.first_timestamp >= self.end_of_period(segment))
        })
    }

    /// Where the period of the segment's first frame ends.
    fn end_of_period(&self, segment: &OpenSegment) -> u64 {
        Roll::new(self.config.roll_every).end_of_period(segment.tally.first_timestamp)
    }

    /// How long until the open segment must be sealed even if no frame comes; `None` for not at
    /// all. What time the fabric has now follows from its last frame and the host's clock since.
    pub(crate) fn until_overdue(&self) -> Option<Duration> {
        if !Roll::new(self.config.roll_every).is_on() {
            return None;
        }
        let segment = self.segment.as_ref().filter(|open| open.tally.frames > 0)?;
        let since = (self.config.clock)().saturating_sub(segment.frames_at);
        let now = segment.tally.last_timestamp.saturating_add(since);
        let end = self.end_of_period(segment).saturating_add(ROLL_GRACE_NS);
        Some(Duration::from_nanos(end.saturating_sub(now)))
    }

    /// Makes sure of an open segment in which a block of frames or a record may follow.
    pub(crate) fn begin_block(&mut self) -> Result<(), JournalError> {
        self.check_sync()?;
        self.put_news()?;
        if self.segment.is_none() {
            self.create_segment()?;
        }
        Ok(())
    }

    /// Gives a block of frames its place, as if it were written; the caller writes the bytes to
    /// the file at that offset, and opens the sink again if that fails.
    pub(crate) fn place_frames(
        &mut self,
        block: &mut BlockBuffer,
    ) -> Result<PlacedBlock, JournalError> {
        self.begin_block()?;
        self.check_order(block)?;
        let (header, file, offset) = self.place(block, BlockKind::Frames)?;
        self.learn(&header, block);
        Ok(PlacedBlock {
            header,
            file,
            offset,
            alignment: self.config.block_alignment as usize,
        })
    }

    fn learn(&mut self, header: &BlockHeader, block: &BlockBuffer) {
        let teaches = |message_type| self.dictionary.is_directory(message_type);
        if let Some(sources) = block.contents().plain(teaches) {
            for &(source, last) in sources {
                self.sources.set(source, last);
            }
            return;
        }
        let (sources, dictionary, news) = (&mut self.sources, &mut self.dictionary, &mut self.news);
        let walked = walk(header, block.payload(), |header, payload| {
            sources.learn(header, payload);
            if let Some(added) = dictionary.news_in(header, payload) {
                dictionary.merge(&added);
                news.get_or_insert_default().merge(&added);
            }
        });
        debug_assert_eq!(walked, Ok(()));
    }

    /// Writes a block that is about the stream but holds no frames: clock, activity.
    pub(crate) fn put_record(
        &mut self,
        kind: BlockKind,
        payload: &[u8],
    ) -> Result<(), JournalError> {
        self.begin_block()?;
        self.put_payload(kind, payload)
    }

    /// The number of the block that comes next.
    pub(crate) fn next_block(&self) -> u64 {
        self.chain.block_number
    }

    /// Leaves out the frames up to `last_sequence`, and says so, durably. After an error it may be
    /// given again once the sink is opened again.
    pub(crate) fn put_gap(
        &mut self,
        last_sequence: u64,
        began: u64,
        reason: AlarmState,
    ) -> Result<(), JournalError> {
        self.begin_block()?;
        if self.chain.sequence > last_sequence {
            // The write that failed left all of it on disk.
            return self.sync();
        }
        let record = GapRecord {
            first_sequence: self.chain.sequence,
            last_sequence,
            began,
            ended: (self.config.clock)(),
            reason: reason as u64,
            reserved: [0; 24],
        };
        // Once, however often it is tried.
        if self.positions.gaps().1 != last_sequence {
            self.positions.add_gap(record.first_sequence, last_sequence);
        }
        let mut scratch = std::mem::replace(&mut self.scratch, BlockBuffer::new(0));
        scratch.set_payload(record.as_bytes(), self.chain.sequence, self.chain.timestamp);
        scratch.set_last_sequence(last_sequence);
        let put = self.put(&mut scratch, BlockKind::Gap);
        self.scratch = scratch;
        put?;
        self.positions.set_recorded(last_sequence);
        self.sync()
    }

    /// The open segment's file, to sync it.
    pub(crate) fn open_file(&self) -> Option<Arc<dyn StorageFile>> {
        self.segment
            .as_ref()
            .map(|segment| Arc::clone(&segment.file))
    }

    /// Takes note that blocks below `blocks` and frames up to `sequence` are durable.
    pub(crate) fn note_durable(&mut self, blocks: u64, sequence: u64) {
        self.durable_blocks = self.durable_blocks.max(blocks);
        if sequence > self.positions.durable() {
            self.positions.set_durable(sequence);
        }
    }

    /// Takes note that a sync failed: nothing after `durable` can be believed any more.
    pub(crate) fn note_failed_sync(&mut self) {
        self.sync_failed = true;
    }

    /// What the next segment's file must be made with, once the open one is half full.
    pub(crate) fn wants_next_file(&self) -> Option<(Arc<dyn Storage>, u64)> {
        let segment = self.segment.as_ref()?;
        (self.prepared.is_none() && segment.offset > self.config.segment_bytes / 2)
            .then(|| (Arc::clone(&self.storage), self.config.segment_bytes))
    }

    /// Takes the next segment's file.
    pub(crate) fn take_next_file(&mut self, file: Box<dyn StorageFile>) {
        self.prepared = Some(file);
        self.check_reserve();
    }

    /// Raises the alarm when less than the reserve is left.
    pub(crate) fn check_reserve(&self) {
        let now = (self.config.clock)();
        match self.storage.free_bytes() {
            Some(free) if free < self.config.reserve_bytes => {
                self.positions.set_alarm(AlarmState::SpaceLow, None, now);
            }
            Some(_) if self.positions.alarm().state == AlarmState::SpaceLow => {
                self.positions.set_alarm(AlarmState::Clear, None, now);
            }
            _ => {}
        }
    }

    pub(crate) fn config(&self) -> &JournalConfig {
        &self.config
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

    /// Whether a sync failed, so that the sink must be opened again.
    pub(crate) fn sync_failed(&self) -> bool {
        self.sync_failed
    }

    fn check_sync(&self) -> Result<(), JournalError> {
        if self.sync_failed {
            let source = io::Error::other(format!(
                "an earlier sync failed, and nothing behind sequence {} can be believed: retry, \
                 and append again from `next_sequence` on",
                self.positions.durable()
            ));
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
        let mut seal = segment
            .tally
            .seal(&segment.header, index_offset, &self.chained_root);
        if let Some(signer) = &self.config.signer {
            signer.sign(&mut seal, &segment.header);
        }
        // The seal then states that everything before it is durable.
        self.sync()?;
        self.put_payload(BlockKind::Seal, seal.as_bytes())?;
        self.sync()?;
        self.chained_root = seal.chained_root;
        self.segment = None;
        Ok(())
    }

    /// Makes the names of segments durable.
    fn sync_names(&self) -> Result<(), JournalError> {
        let directory = self.storage.describe();
        let synced = self.storage.sync_directory();
        synced.map_err(io_error("sync", &directory))
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
        let file: Arc<dyn StorageFile> = match self.prepared.take() {
            Some(file) => file,
            None => self
                .storage
                .create(TEMPORARY_NAME, self.config.segment_bytes)
                .map_err(io_error("create and reserve space for", &name))?,
        }
        .into();
        write_all(&*file, header.as_bytes(), 0).map_err(io_error("write to", &name))?;
        self.chain.hash = header.hash();
        self.segment = Some(OpenSegment {
            file,
            name: name.clone(),
            header,
            offset: SEGMENT_HEADER_BYTES as u64,
            tally: Tally::with_capacity(self.config.segment_bytes, self.config.block_bytes),
            frames_at: 0,
        });
        self.put_dictionary(None)?;
        self.put_snapshot()?;
        self.sync()?;
        selvedge_fabric::crash_point!("journal.segment_made");
        self.storage
            .rename(TEMPORARY_NAME, &name)
            .map_err(io_error("name", &name))?;
        self.sync_names().inspect_err(|_| self.sync_failed = true)?;
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
        let (chain, offset) = (self.chain, segment.offset);
        let alignment = segment.header.block_alignment as usize;
        let header = close_block(block, kind, &chain, self.durable_blocks, segment);
        let bytes = block.closed_bytes(alignment);
        selvedge_fabric::crash_point!("journal.block");
        write_all(&*segment.file, bytes, offset).map_err(io_error("write to", &segment.name))?;
        let bytes = bytes.len() as u64;
        self.move_behind(&header, bytes);
        Ok(header)
    }

    /// Closes a block for its place and moves on behind it, without writing it.
    fn place(
        &mut self,
        block: &mut BlockBuffer,
        kind: BlockKind,
    ) -> Result<(BlockHeader, Arc<dyn StorageFile>, u64), JournalError> {
        let Some(segment) = &mut self.segment else {
            return Err(JournalError::HelperGone);
        };
        let offset = segment.offset;
        let alignment = segment.header.block_alignment as usize;
        let file = Arc::clone(&segment.file);
        let header = close_block(block, kind, &self.chain, self.durable_blocks, segment);
        let bytes = block.closed_bytes(alignment).len() as u64;
        self.move_behind(&header, bytes);
        Ok((header, file, offset))
    }

    fn move_behind(&mut self, header: &BlockHeader, bytes: u64) {
        if let Some(segment) = &mut self.segment {
            segment.offset += bytes;
            if header.kind != BlockKind::Seal as u16 {
                segment.tally.add(header);
            }
            if header.frame_count > 0 {
                segment.frames_at = (self.config.clock)();
            }
        }
        self.unsynced_bytes += bytes;
        self.chain.advance(header);
    }

    /// Segments in the directory.
    pub(crate) fn segments(&self) -> Result<u64, JournalError> {
        Ok(list_segments(&*self.storage)?.len() as u64)
    }

    /// Removes the file that was made ahead for a segment that will not come.
    pub(crate) fn discard_next_file(&mut self) -> Result<(), JournalError> {
        match self.prepared.take() {
            Some(_) => self
                .storage
                .remove(TEMPORARY_NAME)
                .map_err(io_error("remove", TEMPORARY_NAME)),
            None => Ok(()),
        }
    }

    pub(crate) fn into_state(self) -> (JournalIdentity, Dictionary, SourcePositions) {
        (self.identity, self.dictionary, self.sources)
    }
}

/// A block of frames with its place on disk.
pub(crate) struct PlacedBlock {
    pub(crate) header: BlockHeader,
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) offset: u64,
    pub(crate) alignment: usize,
}

fn close_block(
    block: &mut BlockBuffer,
    kind: BlockKind,
    chain: &Chain,
    durable_blocks: u64,
    segment: &OpenSegment,
) -> BlockHeader {
    let place = BlockPlace {
        kind,
        block_number: chain.block_number,
        segment_number: segment.header.segment_number,
        offset: segment.offset,
        durable_blocks,
        previous_hash: chain.hash,
        alignment: segment.header.block_alignment as usize,
    };
    block.close(&place)
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
