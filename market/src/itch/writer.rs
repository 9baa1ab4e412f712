//! Writing ITCH messages in BinaryFILE framing.

use super::{ItchSource, MAX_ITCH_BYTES};
use crate::MarketError;
use flate2::{Compression, write::GzEncoder};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes a BinaryFILE of ITCH messages (see [`super::ItchFile`]); gzipped where its name ends in
/// `.gz`.
pub struct ItchWriter {
    path: PathBuf,
    output: Output,
}

enum Output {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
}

impl Output {
    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Output::Plain(output) => output.write_all(bytes),
            Output::Gzip(output) => output.write_all(bytes),
        }
    }

    fn finish(self) -> std::io::Result<()> {
        match self {
            Output::Plain(mut output) => output.flush(),
            Output::Gzip(output) => output.finish()?.flush(),
        }
    }
}

impl std::fmt::Debug for ItchWriter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ItchWriter")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl ItchWriter {
    /// Creates the file, or empties the one that is there.
    ///
    /// # Errors
    ///
    /// [`MarketError::Write`] where it cannot be created.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, MarketError> {
        let path = path.as_ref().to_owned();
        let file = File::create(&path).map_err(|error| write_error(&path, &error))?;
        let file = BufWriter::new(file);
        let output = if path.extension().is_some_and(|extension| extension == "gz") {
            Output::Gzip(GzEncoder::new(file, Compression::default()))
        } else {
            Output::Plain(file)
        };
        Ok(ItchWriter { path, output })
    }

    /// Appends one message.
    ///
    /// # Errors
    ///
    /// [`MarketError::Unframeable`] for a message of no or more than [`MAX_ITCH_BYTES`] bytes,
    /// [`MarketError::Write`] where the system refuses.
    pub fn write(&mut self, message: &[u8]) -> Result<(), MarketError> {
        let length = message.len();
        if length == 0 || length > MAX_ITCH_BYTES {
            return Err(MarketError::Unframeable {
                length,
                limit: MAX_ITCH_BYTES,
            });
        }
        let prefix = (length as u16).to_be_bytes();
        self.output
            .write_all(&prefix)
            .and_then(|()| self.output.write_all(message))
            .map_err(|error| write_error(&self.path, &error))
    }

    /// Appends every message of a source; how many they were.
    ///
    /// # Errors
    ///
    /// The source's, and those of [`ItchWriter::write`].
    pub fn write_all(&mut self, source: &mut impl ItchSource) -> Result<u64, MarketError> {
        let mut count = 0;
        while let Some(message) = source.next_message()? {
            self.write(message)?;
            count += 1;
        }
        Ok(count)
    }

    /// Ends the session with a zero length and closes the file.
    ///
    /// # Errors
    ///
    /// [`MarketError::Write`] where the system refuses.
    pub fn finish(mut self) -> Result<(), MarketError> {
        let Self { path, output } = &mut self;
        output
            .write_all(&[0, 0])
            .map_err(|error| write_error(path, &error))?;
        self.output
            .finish()
            .map_err(|error| write_error(&self.path, &error))
    }
}

fn write_error(path: &Path, error: &std::io::Error) -> MarketError {
    MarketError::Write {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
