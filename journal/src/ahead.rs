//! Blocks read and checked ahead of whoever goes through a segment, on all cores.
//!
//! What makes a block whole does not depend on the blocks before it, and its header says where the
//! next one begins. Only what is found right is used: anything else is looked at again in order,
//! so that what is reported never depends on this.

use crate::body::{Body, PIECE};
use crate::format::{
    BLOCK_HEADER_BYTES, BLOCK_MAGIC, BlockHeader, BlockKind, MAX_BLOCK_BYTES, block_bytes_on_disk,
};
use crate::memory::Memory;
use crate::recovery::Walk;
use crate::segment::check_header;
use crate::storage::{StorageFile, read_full};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use zerocopy::IntoBytes;

/// Blocks that take less are not worth another thread's while.
const WORTH_IT: usize = 64 << 10;

/// The most blocks that are read in order before it is tried again, where they are small: one, then
/// two and so on. Every segment begins with two small ones, and large ones follow.
const MAX_PAUSE: u32 = 64;

/// The most threads, and blocks in memory a thread.
const MAX_THREADS: usize = 8;
const BLOCKS_A_THREAD: usize = 2;

/// With so many bytes ahead, one block more than there are threads is enough: less memory stays in
/// the cache.
const ENOUGH: usize = 8 << 20;

/// The threads that read and check, started when there is a first block for them.
#[derive(Clone, Default)]
pub(crate) struct Checkers {
    threads: Arc<OnceLock<Threads>>,
}

struct Threads {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

/// A block to read and check.
struct Job {
    file: Arc<dyn StorageFile>,
    segment: u64,
    header: BlockHeader,
    offset: u64,
    bytes: usize,
    memory: Memory,
    answer: Sender<Found>,
}

/// What came of it.
struct Found {
    memory: Memory,
    right: bool,
}

/// A block that is right in itself and for its place in the file.
pub(crate) struct CheckedBlock {
    pub(crate) header: BlockHeader,
    /// All of it, padding included; what is behind may be anything.
    pub(crate) memory: Memory,
    pub(crate) bytes: usize,
}

impl Checkers {
    /// For one segment's file.
    pub(crate) fn ahead(&self, file: Arc<dyn StorageFile>, segment: u64) -> Ahead {
        Ahead {
            file,
            segment,
            checkers: self.clone(),
            pending: VecDeque::new(),
            next: 0,
            pause: 0,
            next_pause: 1,
            spare: Vec::new(),
        }
    }
}

/// Threads on which [`verify`](crate::verify()) checks blocks: as many as there are cores, up to a
/// sensible number.
pub fn verify_threads() -> usize {
    thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MAX_THREADS)
}

impl Threads {
    /// Starts them. Where that fails there are fewer, or none.
    fn start() -> Self {
        // No more than are asked for at once. Of a bounded channel, jobs would stay in it where
        // every thread has panicked, and whoever asked would wait for them for ever.
        let (jobs, work) = unbounded::<Job>();
        let threads = (0..verify_threads())
            .map_while(|number| {
                let work = work.clone();
                thread::Builder::new()
                    .name(format!("journal-check-{number}"))
                    .spawn(move || check_all(&work))
                    .ok()
            })
            .collect();
        Threads {
            jobs: Some(jobs),
            threads,
        }
    }

    /// Whether so many blocks of so many bytes in all are enough to be under way at once.
    fn are_busy(&self, blocks: usize, bytes: usize) -> bool {
        let threads = self.threads.len();
        blocks >= threads * BLOCKS_A_THREAD || blocks > threads && bytes >= ENOUGH
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // One that panicked has given no answer, which counts as a block not found right.
            let _ = thread.join();
        }
    }
}

/// The blocks ahead in one segment.
pub(crate) struct Ahead {
    file: Arc<dyn StorageFile>,
    segment: u64,
    checkers: Checkers,
    pending: VecDeque<Pending>,
    /// Where the block behind the last pending one begins.
    next: u64,
    /// Blocks still to be read in order, and how many the next time.
    pause: u32,
    next_pause: u32,
    spare: Vec<Memory>,
}

struct Pending {
    header: BlockHeader,
    offset: u64,
    bytes: usize,
    answer: Receiver<Found>,
}

impl Ahead {
    /// The block at `offset`, if it was found right. `size` is that of the file.
    pub(crate) fn take(
        &mut self,
        offset: u64,
        size: u64,
        alignment: usize,
    ) -> Option<CheckedBlock> {
        if self
            .pending
            .front()
            .is_none_or(|front| front.offset != offset)
        {
            self.pending.clear();
            if self.pause > 0 {
                self.pause -= 1;
                return None;
            }
            self.next = offset;
        }
        self.fill(size, alignment);
        let Some(front) = self.pending.pop_front() else {
            self.pause = self.next_pause;
            self.next_pause = (2 * self.next_pause).min(MAX_PAUSE);
            return None;
        };
        self.next_pause = 1;
        let found = front.answer.recv().ok()?;
        if !found.right {
            self.spare.push(found.memory);
            return None;
        }
        Some(CheckedBlock {
            header: front.header,
            memory: found.memory,
            bytes: front.bytes,
        })
    }

    /// Memory that is no longer needed.
    pub(crate) fn give_back(&mut self, memory: Memory) {
        if self.spare.len() < MAX_THREADS * BLOCKS_A_THREAD {
            self.spare.push(memory);
        }
    }

    fn is_full(&self) -> bool {
        let threads = self.checkers.threads.get();
        threads.is_some_and(|threads| {
            let bytes = self.pending.iter().map(|pending| pending.bytes).sum();
            threads.are_busy(self.pending.len(), bytes)
        })
    }

    /// Looks at the headers ahead and hands the blocks out.
    fn fill(&mut self, size: u64, alignment: usize) {
        while !self.is_full() {
            let mut front = [0; BLOCK_HEADER_BYTES];
            let read = read_full(&*self.file, &mut front, self.next);
            let header = match (read, BlockHeader::from_prefix(&front)) {
                (Ok(BLOCK_HEADER_BYTES), Some(header)) => header,
                _ => return,
            };
            let payload_bytes = header.payload_bytes as usize;
            if header.magic != BLOCK_MAGIC || payload_bytes > MAX_BLOCK_BYTES - BLOCK_HEADER_BYTES {
                return;
            }
            let bytes = block_bytes_on_disk(payload_bytes, alignment);
            // What the file has bounds what is allocated.
            if bytes < WORTH_IT || self.next + bytes as u64 > size {
                return;
            }
            let threads = self.checkers.threads.get_or_init(Threads::start);
            let Some(jobs) = threads
                .jobs
                .as_ref()
                .filter(|_| !threads.threads.is_empty())
            else {
                return;
            };
            let (answer, receiver) = bounded(1);
            let job = Job {
                file: Arc::clone(&self.file),
                segment: self.segment,
                header,
                offset: self.next,
                bytes,
                memory: self.spare.pop().unwrap_or_default(),
                answer,
            };
            if jobs.send(job).is_err() {
                return;
            }
            self.pending.push_back(Pending {
                header,
                offset: self.next,
                bytes,
                answer: receiver,
            });
            self.next += bytes as u64;
        }
    }
}

fn check_all(work: &Receiver<Job>) {
    let mut body = Body::default();
    for mut job in work {
        let mut memory = std::mem::take(&mut job.memory);
        // Memory once there is never cleared again: what counts is what is read into it.
        let right = memory.grow(job.bytes).is_ok()
            && memory
                .bytes_mut()
                .get_mut(..job.bytes)
                .is_some_and(|bytes| is_right(&job, bytes, &mut body));
        // Whoever asked may have gone elsewhere.
        let _ = job.answer.send(Found { memory, right });
    }
}

/// Reads the block into `bytes` and tells whether it is the one with this header, whole and in its
/// place, frames included.
///
/// It goes in pieces, so that whatever looks at a piece finds it in the core's cache: where the
/// file is in the page cache, memory is what limits all this.
fn is_right(job: &Job, bytes: &mut [u8], body: &mut Body) -> bool {
    let header = &job.header;
    let end = BLOCK_HEADER_BYTES + header.payload_bytes as usize;
    if end > bytes.len() || check_header(header, job.segment, job.offset).is_err() {
        return false;
    }
    body.begin();
    let mut walk = (header.kind == BlockKind::Frames as u16).then(|| Walk::new(header));
    let mut done = 0;
    while done < bytes.len() {
        let next = bytes.len().min(done + PIECE);
        let Some(piece) = bytes.get_mut(done..next) else {
            return false;
        };
        match read_full(&*job.file, piece, job.offset + done as u64) {
            Ok(read) if read == piece.len() => {}
            _ => return false,
        }
        // It may have been written between the two looks.
        if done == 0 && bytes.get(..BLOCK_HEADER_BYTES) != Some(header.as_bytes()) {
            return false;
        }
        let there = next.min(end);
        body.add(bytes.get(done..there).unwrap_or_default());
        if let Some(walk) = &mut walk {
            walk.on(
                bytes.get(BLOCK_HEADER_BYTES..there).unwrap_or_default(),
                |_, _| (),
            );
        }
        done = next;
    }
    body.finish();
    let Some((block, padding)) = bytes.split_at_mut_checked(end) else {
        return false;
    };
    if padding.iter().any(|&byte| byte != 0) || body.crc(header) != header.crc32c {
        return false;
    }
    let (front, payload) = block.split_at_mut(BLOCK_HEADER_BYTES);
    if walk.is_some_and(|walk| walk.finish(header, payload).is_err()) {
        return false;
    }
    front.copy_from_slice(header.for_hash().as_bytes());
    let hash = body.hash(block);
    if let Some(front) = block.get_mut(..BLOCK_HEADER_BYTES) {
        front.copy_from_slice(header.as_bytes());
    }
    hash == header.hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::SegmentName;
    use crate::segment::{SegmentReader, Step, list_segments};
    use crate::storage::{MemoryStorage, Storage};
    use crate::{Append, Dictionary, JournalConfig, JournalIdentity, JournalWriter, WriteMode};
    use selvedge_fabric::frame::{Flags, FrameHeader};

    /// A journal of one segment, of `frames` frames with `payload` bytes each.
    fn segment_of(block_bytes: usize, frames: u64, payload: usize) -> (MemoryStorage, SegmentName) {
        let storage = MemoryStorage::new();
        let config = JournalConfig {
            block_bytes,
            segment_bytes: 4 << 20,
            mode: WriteMode::Inline,
            ..JournalConfig::default()
        };
        let mut writer = JournalWriter::open_in(
            Arc::new(storage.clone()),
            &JournalIdentity::new("test", 1, 1).unwrap(),
            1,
            &Dictionary::default(),
            &config,
        )
        .unwrap();
        let descriptor = FrameHeader::descriptor_word(7, 1, payload, Flags::NONE);
        let content = vec![9; payload];
        for sequence in 1..=frames {
            let header = FrameHeader::new(1, sequence, sequence, 3, sequence, descriptor);
            assert_eq!(writer.append(&header, &content).unwrap(), Append::Done);
        }
        writer.finish().unwrap();
        let name = list_segments(&storage).unwrap().remove(0);
        (storage, name)
    }

    /// The small blocks with which a segment begins keep none of the large ones from being checked
    /// on other threads.
    #[test]
    fn every_large_block_is_checked_ahead_from_the_first_on() {
        let (storage, name) = segment_of(128 << 10, 20_000, 32);
        let mut segment = SegmentReader::open(&storage, name, true).unwrap();
        segment.check_ahead(&Checkers::default());
        let (mut large, mut ahead) = (0, 0);
        while let Step::Block(block) = segment.next_block().unwrap() {
            large += u32::from(block.payload_bytes as usize > WORTH_IT);
            ahead += u32::from(segment.frames_checked());
        }
        assert_eq!((large, ahead), (10, 10));
    }

    /// Whatever byte of a block of several pieces is wrong, in whichever of them: it is not found
    /// right ahead.
    #[test]
    fn a_wrong_byte_in_any_piece_is_found() {
        // Of 72 bytes: none ends where a piece does.
        let (storage, name) = segment_of(3 * PIECE, 10_000, 40);
        let checkers = Checkers::default();
        let first_large = || {
            let mut segment = SegmentReader::open(&storage, name, true).unwrap();
            segment.check_ahead(&checkers);
            loop {
                match segment.next_block().unwrap() {
                    Step::Block(block) if (block.payload_bytes as usize) < WORTH_IT => {}
                    Step::Block(block) => break Some((block, segment.frames_checked())),
                    Step::End(_) => break None,
                }
            }
        };
        let (block, ahead) = first_large().unwrap();
        assert!(ahead && block.payload_bytes as usize > 2 * PIECE);
        let alignment = SegmentReader::open(&storage, name, true)
            .unwrap()
            .alignment();
        let end = block_bytes_on_disk(block.payload_bytes as usize, alignment);
        let file = storage.open(&name.to_string(), true).unwrap();
        for at in [8, 40, 191, 192, PIECE - 1, PIECE, 2 * PIECE + 77, end - 1] {
            let place = block.offset + at as u64;
            let mut byte = [0];
            file.read_at(&mut byte, place).unwrap();
            file.write_at(&[byte[0] ^ 4], place).unwrap();
            assert!(first_large().is_none(), "{at}");
            file.write_at(&byte, place).unwrap();
        }
        assert_eq!(first_large(), Some((block, true)));
    }

    /// A file that cannot be read on the threads that check.
    #[derive(Debug)]
    struct Panics(Box<dyn StorageFile>);

    impl StorageFile for Panics {
        fn size(&self) -> std::io::Result<u64> {
            self.0.size()
        }

        fn read_at(&self, into: &mut [u8], offset: u64) -> std::io::Result<usize> {
            let thread = thread::current();
            assert!(
                !thread
                    .name()
                    .is_some_and(|name| name.starts_with("journal-check")),
                "a panic that the test asks for"
            );
            self.0.read_at(into, offset)
        }

        fn write_at(&self, from: &[u8], offset: u64) -> std::io::Result<usize> {
            self.0.write_at(from, offset)
        }

        fn resize(&self, bytes: u64) -> std::io::Result<()> {
            self.0.resize(bytes)
        }

        fn sync(&self) -> std::io::Result<()> {
            self.0.sync()
        }
    }

    /// Where every thread has panicked, the blocks are left to be read in order.
    #[test]
    fn nobody_waits_for_threads_that_panicked() {
        let storage = MemoryStorage::new();
        let file = storage.create("file", 0).unwrap();
        let bytes = block_bytes_on_disk(WORTH_IT, 4096) as u64;
        for block in 0..64 {
            // Right as far as it goes, so that the rest is read.
            let header = BlockHeader {
                magic: BLOCK_MAGIC,
                kind: BlockKind::Activity as u16,
                payload_bytes: WORTH_IT as u32,
                segment_number: 1,
                offset: block * bytes,
                first_sequence: 1,
                ..BlockHeader::zeroed()
            };
            assert_eq!(check_header(&header, 1, block * bytes), Ok(()));
            file.write_at(header.as_bytes(), block * bytes).unwrap();
        }
        let (done, answer) = bounded(1);
        thread::spawn(move || {
            let mut ahead = Checkers::default().ahead(Arc::new(Panics(file)), 1);
            let found = (0..64).any(|block| ahead.take(block * bytes, 64 * bytes, 4096).is_some());
            let _ = done.send(found);
        });
        let found = answer.recv_timeout(std::time::Duration::from_secs(20));
        assert_eq!(found, Ok(false));
    }
}
