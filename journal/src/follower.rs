//! Reading a stream from any place: from the journal where the ring has gone on, then live.
//!
//! A [`Follower`] begins at any sequence that the journal still holds, and reads on for ever:
//! segments up to what is `recorded`, then staging, then the ring. When it falls further behind
//! than the ring it goes back to the journal by itself. No gap, no duplicate, and nobody waits
//! for it.

use crate::error::JournalError;
use crate::follower_file::FollowerFile;
use crate::frames::frame_at;
use crate::reader::{JournalReader, ReadOptions};
use crate::staging::StagingView;
use crate::storage::DirectoryStorage;
use crate::view::{JournalView, shared_directory};
use crate::writer::STAGING_FILE;
use selvedge_fabric::{Fabric, FabricError, Frame, Observer, Start};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long frames that the ring has lost may be nowhere to be found: on their way from the
/// journal's hands to its disk.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a follower is reading.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FollowerPlace {
    /// In the journal's segments.
    Segments,
    /// In the journal's staging.
    Staging,
    /// In the live stream.
    Live,
}

/// Where a follower begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FollowFrom {
    /// With this sequence.
    Sequence(u64),
    /// With the first frame that the journal holds.
    Oldest,
    /// With the next frame that is published.
    Latest,
    /// Where the follower of this name stood when it left or died; with the oldest frame if there
    /// never was one. What it was handed last before a crash may come again.
    Stored,
}

/// A consumer that misses nothing and holds nobody back.
pub struct Follower {
    fabric: Fabric,
    directory: PathBuf,
    name: String,
    next: u64,
    /// Where `next` is stored: an observer's own position is that of the ring, which is further
    /// on while this one reads the journal.
    file: FollowerFile,
    source: Source,
    /// When what is next was first found nowhere.
    nowhere_since: Option<Instant>,
    catching_up: bool,
    catch_ups: u64,
}

enum Source {
    /// To be decided: the ring if it holds what is next, else the journal.
    Undecided,
    Segments(Box<JournalReader>),
    /// A copy of one slot of staging, and where in it.
    Staging {
        frames: Vec<u8>,
        at: usize,
        sequence: u64,
    },
    Live(Box<Observer>),
}

impl Follower {
    /// A follower of `fabric`, whose journal is in `directory`, under `name`: its position is
    /// stored under that name, as an observer's is.
    ///
    /// # Errors
    /// Those of attaching an observer; [`JournalError::PositionLost`] where the stored position,
    /// or the sequence asked for, lies beyond the end of the stream.
    pub fn attach(
        fabric: &Fabric,
        directory: &Path,
        name: &str,
        from: FollowFrom,
    ) -> Result<Self, JournalError> {
        let file = FollowerFile::enter(fabric, name)?;
        let next = match from {
            FollowFrom::Sequence(sequence) => sequence.max(1),
            FollowFrom::Latest => fabric.next_sequence(),
            FollowFrom::Oldest => Self::oldest(fabric, directory)?,
            FollowFrom::Stored => match file.position() {
                0 => Self::oldest(fabric, directory)?,
                position => position,
            },
        };
        let end = fabric.next_sequence();
        if next > end {
            return Err(JournalError::PositionLost {
                sequence: next,
                end: end - 1,
            });
        }
        Ok(Follower {
            fabric: fabric.clone(),
            directory: directory.to_owned(),
            name: name.to_owned(),
            next,
            file,
            source: Source::Undecided,
            nowhere_since: None,
            catching_up: false,
            catch_ups: 0,
        })
    }

    fn oldest(fabric: &Fabric, directory: &Path) -> Result<u64, JournalError> {
        match JournalReader::open(directory) {
            Ok(reader) => Ok(reader.first_sequence()),
            Err(JournalError::Empty { .. }) => Ok(fabric.oldest_sequence()),
            Err(error) => Err(error),
        }
    }

    /// The sequence handed out next.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Where it is reading.
    pub fn place(&self) -> FollowerPlace {
        match &self.source {
            Source::Live(_) => FollowerPlace::Live,
            Source::Staging { .. } => FollowerPlace::Staging,
            Source::Segments(_) | Source::Undecided => FollowerPlace::Segments,
        }
    }

    /// How many frames it is behind the end of the stream.
    pub fn behind(&self) -> u64 {
        self.fabric.next_sequence().saturating_sub(self.next)
    }

    /// How often it had to go to the journal.
    pub fn catch_ups(&self) -> u64 {
        self.catch_ups
    }

    /// Hands up to `limit` frames to `handler`, in order, wherever they are. How many: 0 where
    /// there is nothing new, or where it changed from one place to another.
    ///
    /// # Errors
    /// [`JournalError::Gap`] where the journal declares one (see [`Self::skip_gap`]), damage of
    /// the journal, [`JournalError::NotReached`] when frames that the ring has lost do not come
    /// into the journal within half a minute, and the fabric's errors.
    pub fn poll(
        &mut self,
        limit: usize,
        handler: impl FnMut(&Frame<'_>),
    ) -> Result<usize, JournalError> {
        let polled = self.poll_here(limit, handler);
        self.file.tell(self.next, self.place(), self.catch_ups);
        polled
    }

    fn poll_here(
        &mut self,
        limit: usize,
        mut handler: impl FnMut(&Frame<'_>),
    ) -> Result<usize, JournalError> {
        let next = &mut self.next;
        let count = match &mut self.source {
            Source::Undecided => return self.decide().map(|()| 0),
            Source::Live(observer) => {
                let polled = observer.poll(limit, |frame| {
                    *next = frame.header().sequence() + 1;
                    handler(frame);
                });
                match polled {
                    Ok(count) => return Ok(count),
                    Err(FabricError::Overrun { .. }) => {
                        // The name must be free before it is taken again.
                        self.source = Source::Undecided;
                        return Ok(0);
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            Source::Segments(reader) => {
                let mut count = 0;
                while count < limit {
                    let Some((header, payload)) = reader.next()? else {
                        break;
                    };
                    handler(&Frame::new(header, payload));
                    *next = header.sequence() + 1;
                    count += 1;
                }
                count
            }
            Source::Staging {
                frames,
                at,
                sequence,
            } => {
                let mut count = 0;
                while count < limit
                    && let Ok(frame) = frame_at(frames, *at, *sequence, 0)
                {
                    if *sequence >= *next {
                        handler(&Frame::new(frame.header, frame.payload));
                        *next = *sequence + 1;
                        count += 1;
                    }
                    *at = frame.next;
                    *sequence += 1;
                }
                count
            }
        };
        if count == 0 {
            self.decide()?;
        } else {
            self.nowhere_since = None;
        }
        Ok(count)
    }

    /// Goes on behind a gap that [`Self::poll`] reported.
    pub fn skip_gap(&mut self) {
        if let Source::Segments(reader) = &mut self.source {
            reader.skip_gap();
            self.next = reader.next_sequence();
        }
    }

    /// Looks where what is next can be read: the ring first, which needs no disk, then staging,
    /// then the segments.
    fn decide(&mut self) -> Result<(), JournalError> {
        if self.next >= self.fabric.oldest_sequence() {
            let attached = self
                .fabric
                .observer(&self.name)
                .start(Start::Sequence(self.next))
                .attach();
            match attached {
                Ok(observer) => {
                    self.source = Source::Live(Box::new(observer));
                    self.catching_up = false;
                    self.nowhere_since = None;
                    return Ok(());
                }
                // Overwritten in this moment.
                Err(FabricError::SequenceNotAvailable { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if !self.catching_up {
            self.catching_up = true;
            self.catch_ups += 1;
        }
        // What is recorded is on disk; what is not is in staging, until it is durable.
        if let Some(staging) = self.find_in_staging()? {
            self.source = staging;
            self.nowhere_since = None;
            return Ok(());
        }
        if let Source::Segments(_) = self.source {
            return self.nowhere();
        }
        let storage = Arc::new(DirectoryStorage::new(&self.directory));
        let mut reader = JournalReader::open_in(storage, ReadOptions::default())?;
        match reader.seek(self.next) {
            Ok(()) => {
                self.source = Source::Segments(Box::new(reader));
                Ok(())
            }
            // Behind the end of the disk: still on its way, or the journal was cut off in front.
            Err(JournalError::NoSuchSequence { last, .. }) if self.next > last => self.nowhere(),
            Err(error) => Err(error),
        }
    }

    /// What is next is neither in the ring nor in the journal now.
    fn nowhere(&mut self) -> Result<(), JournalError> {
        self.source = Source::Undecided;
        let since = *self.nowhere_since.get_or_insert_with(Instant::now);
        if since.elapsed() < PATIENCE {
            return Ok(());
        }
        let view = JournalView::attach(&self.fabric)?;
        Err(JournalError::NotReached {
            level: "recorded",
            sequence: self.next,
            reached: view.recorded(),
            alarm: view.alarm().state,
        })
    }

    fn find_in_staging(&self) -> Result<Option<Source>, JournalError> {
        let path = shared_directory(&self.fabric).join(STAGING_FILE);
        if !path.exists() {
            return Ok(None);
        }
        let view = StagingView::open(&path)?;
        let slot = (0..view.slots())
            .filter_map(|slot| Some((slot, view.slot(slot)?.0)))
            .filter(|(_, first)| *first <= self.next)
            .max_by_key(|(_, first)| *first);
        let Some((slot, first)) = slot else {
            return Ok(None);
        };
        let mut frames = Vec::new();
        if !view.copy(slot, &mut frames) {
            return Ok(None);
        }
        // Only where it really reaches what is next.
        let reaches = crate::staging::last_sequence(first, &frames);
        Ok(reaches
            .filter(|last| *last >= self.next)
            .map(|_| Source::Staging {
                frames,
                at: 0,
                sequence: first,
            }))
    }
}
