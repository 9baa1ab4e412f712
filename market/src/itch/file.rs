//! Reading a file of ITCH messages in BinaryFILE framing.
//!
//! Source: NASDAQ "BinaryFILE" specification: each message follows a 2-byte big-endian length; a
//! length of zero ends the session. Files on the exchange's server are gzipped.

use super::{ItchSource, itch_length};
use crate::MarketError;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The longest message that is accepted, in bytes without the length prefix.
///
/// The longest of ITCH 5.0 has 50. A longer length prefix is taken for damage, an error.
pub const MAX_ITCH_BYTES: usize = 512;

/// Uncompressed bytes held at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// Compressed bytes read at once.
const FILE_BUFFER_BYTES: usize = 64 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];
const PREFIX_BYTES: usize = 2;

/// A plain or gzipped file of BinaryFILE-framed ITCH 5.0, read one message at a time.
///
/// Memory use is bounded, whatever the file's size. The session ends at a length prefix of zero,
/// after which nothing may follow, or where the file ends between two messages.
pub struct ItchFile {
    path: PathBuf,
    input: Box<dyn Read + Send>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    offset: u64,
    input_ended: bool,
    saw_end_marker: bool,
    failure: Option<MarketError>,
}

impl std::fmt::Debug for ItchFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ItchFile")
            .field("path", &self.path)
            .field("offset", &self.offset)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

impl ItchFile {
    /// Opens a file; gzip is recognised by its first two bytes.
    ///
    /// # Errors
    ///
    /// [`MarketError::Open`] where it cannot be opened or its first bytes cannot be read,
    /// [`MarketError::Empty`] where it has no byte. (A gzip file that holds nothing is found at
    /// the first message.)
    pub fn open(path: impl AsRef<Path>) -> Result<Self, MarketError> {
        let path = path.as_ref().to_owned();
        let open_error = |error: std::io::Error| MarketError::Open {
            path: path.clone(),
            reason: error.to_string(),
        };
        let file = File::open(&path).map_err(open_error)?;
        let mut file = BufReader::with_capacity(FILE_BUFFER_BYTES, file);
        let first = file.fill_buf().map_err(open_error)?;
        if first.is_empty() {
            return Err(MarketError::Empty { path });
        }
        let input: Box<dyn Read + Send> = if first.starts_with(&GZIP_MAGIC) {
            Box::new(MultiGzDecoder::new(file))
        } else {
            Box::new(file)
        };
        Ok(ItchFile {
            path,
            input,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            offset: 0,
            input_ended: false,
            saw_end_marker: false,
            failure: None,
        })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the session was ended by a zero length, as the framing asks for. Where the stream
    /// ended without one, a file that was cut between two messages cannot be told from a whole one.
    pub fn saw_end_marker(&self) -> bool {
        self.saw_end_marker
    }

    /// Finds the next message in the buffer, reading on as needed. The place of its bytes.
    fn find_next(&mut self) -> Result<Option<(usize, usize)>, MarketError> {
        if self.saw_end_marker {
            return Ok(None);
        }
        loop {
            let held = &self.buffer[self.start..self.end];
            let mut needed = PREFIX_BYTES;
            if let [high, low, rest @ ..] = held {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if length == 0 {
                    self.saw_end_marker = true;
                    if self.offset == 0 {
                        return Err(MarketError::Empty {
                            path: self.path.clone(),
                        });
                    }
                    self.start += PREFIX_BYTES;
                    self.offset += PREFIX_BYTES as u64;
                    return self.expect_nothing();
                }
                if length > MAX_ITCH_BYTES {
                    return Err(MarketError::ImpossibleLength {
                        path: self.path.clone(),
                        offset: self.offset,
                        length,
                        limit: MAX_ITCH_BYTES,
                    });
                }
                let code = rest.first().copied();
                let expected = code.and_then(itch_length).unwrap_or(length);
                if expected != length {
                    return Err(MarketError::WrongLength {
                        path: self.path.clone(),
                        offset: self.offset,
                        code: code.unwrap_or_default(),
                        expected,
                        found: length,
                    });
                }
                needed += length;
                if held.len() >= needed {
                    let place = (self.start + PREFIX_BYTES, self.start + needed);
                    self.start += needed;
                    self.offset += needed as u64;
                    return Ok(Some(place));
                }
            }
            if self.input_ended {
                return match self.end - self.start {
                    0 if self.offset == 0 => Err(MarketError::Empty {
                        path: self.path.clone(),
                    }),
                    0 => Ok(None),
                    found => Err(MarketError::Truncated {
                        path: self.path.clone(),
                        offset: self.offset,
                        needed,
                        found,
                    }),
                };
            }
            self.refill()?;
        }
    }

    /// Reads to the end of the input, so that its checksum is verified, and so that a length that
    /// was damaged to zero does not silently end the session early.
    fn expect_nothing(&mut self) -> Result<Option<(usize, usize)>, MarketError> {
        while self.start == self.end && !self.input_ended {
            self.refill()?;
        }
        if self.start == self.end {
            return Ok(None);
        }
        Err(MarketError::AfterEnd {
            path: self.path.clone(),
            offset: self.offset,
        })
    }

    /// Moves the unfinished message to the front of the buffer and reads behind it.
    fn refill(&mut self) -> Result<(), MarketError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.input_ended = true;
                    return Ok(());
                }
                Ok(count) => {
                    self.end += count;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(MarketError::Read {
                        path: self.path.clone(),
                        offset: self.offset + (self.end - self.start) as u64,
                        reason: error.to_string(),
                    });
                }
            }
        }
    }
}

impl ItchSource for ItchFile {
    fn next_message(&mut self) -> Result<Option<&[u8]>, MarketError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        match self.find_next() {
            Ok(Some((from, to))) => Ok(Some(&self.buffer[from..to])),
            Ok(None) => Ok(None),
            Err(error) => {
                self.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    fn offset(&self) -> u64 {
        self.offset
    }
}
