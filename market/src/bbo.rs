//! A CSV file of the best bid and offer after every change of a book.

use crate::MarketError;
use crate::book::{BookEffect, BookLimits, OrderBooks, PriceLevel};
use crate::messages::MarketMessage;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The first line of the file.
pub const BBO_HEADER: &str = "sequence,time_ns,symbol,bid_price,bid_size,ask_price,ask_size\n";

/// Text held before it is written.
const BUFFER_BYTES: usize = 64 * 1024;
/// More than any line has: six integers of at most 20 digits, a symbol of 8, separators.
const LINE_BYTES: usize = 160;

/// Keeps its own books and writes one line after each message that changes one, whether or not the
/// best prices moved.
///
/// Columns: the message's global sequence; exchange time in nanoseconds since midnight; the symbol
/// (its locate code where the directory has not named it); best bid price in 1/10,000 dollars and
/// the shares of all orders at it; the same for the best offer. An empty side has empty columns.
///
/// End with [`finish`](Self::finish): dropping the writer loses up to 64 KiB of lines.
#[derive(Debug)]
pub struct BboWriter<W: Write> {
    output: W,
    path: PathBuf,
    books: OrderBooks,
    text: Vec<u8>,
    lines: u64,
}

impl BboWriter<File> {
    /// A writer to a new file; one that is there is emptied.
    ///
    /// # Errors
    ///
    /// [`MarketError::Write`] where it cannot be created, [`MarketError::Setting`] where a limit is
    /// outside its range.
    pub fn create(path: impl AsRef<Path>, limits: BookLimits) -> Result<Self, MarketError> {
        let path = path.as_ref();
        let file = File::create(path).map_err(|error| MarketError::Write {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        Self::new(file, path, limits)
    }
}

impl<W: Write> BboWriter<W> {
    /// A writer to `output`, which errors will call `path`. It is buffered already.
    ///
    /// # Errors
    ///
    /// [`MarketError::Setting`] where a limit is outside its range.
    pub fn new(
        output: W,
        path: impl Into<PathBuf>,
        limits: BookLimits,
    ) -> Result<Self, MarketError> {
        let mut text = Vec::with_capacity(BUFFER_BYTES + LINE_BYTES);
        text.extend_from_slice(BBO_HEADER.as_bytes());
        Ok(BboWriter {
            output,
            path: path.into(),
            books: OrderBooks::new(limits)?,
            text,
            lines: 0,
        })
    }

    /// Takes the message with global sequence `sequence`.
    ///
    /// # Errors
    ///
    /// Those of [`OrderBooks::apply`], and [`MarketError::Write`].
    #[inline]
    pub fn on_message(
        &mut self,
        sequence: u64,
        message: &MarketMessage,
    ) -> Result<(), MarketError> {
        let BookEffect::Changed(symbol) = self.books.apply(message)? else {
            return Ok(());
        };
        self.push_number(sequence);
        self.text.push(b',');
        self.push_number(message.time_ns().unwrap_or(0));
        self.text.push(b',');
        self.push_symbol(symbol);
        self.text.push(b',');
        self.push_level(self.books.best_bid(symbol));
        self.text.push(b',');
        self.push_level(self.books.best_ask(symbol));
        self.text.push(b'\n');
        self.lines += 1;
        if self.text.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes out what is held.
    ///
    /// # Errors
    ///
    /// [`MarketError::Write`] where the system refuses.
    pub fn flush(&mut self) -> Result<(), MarketError> {
        self.output
            .write_all(&self.text)
            .and_then(|()| self.output.flush())
            .map_err(|error| MarketError::Write {
                path: self.path.clone(),
                reason: error.to_string(),
            })?;
        self.text.clear();
        Ok(())
    }

    /// Writes out what is held; the output and how many lines it has below the header.
    ///
    /// # Errors
    ///
    /// [`MarketError::Write`] where the system refuses.
    pub fn finish(mut self) -> Result<(W, u64), MarketError> {
        self.flush()?;
        Ok((self.output, self.lines))
    }

    /// Lines so far, without the header.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The books as the stream so far has them.
    pub fn books(&self) -> &OrderBooks {
        &self.books
    }

    #[inline]
    fn push_level(&mut self, level: Option<PriceLevel>) {
        if let Some(level) = level {
            self.push_number(u64::from(level.price));
            self.text.push(b',');
            self.push_number(level.size);
        } else {
            self.text.push(b',');
        }
    }

    #[inline]
    fn push_symbol(&mut self, symbol: u16) {
        let name = self.books.symbol_name(symbol).copied().unwrap_or_default();
        let name = name.trim_ascii();
        if name.is_empty() || name == [0; 8] {
            self.push_number(u64::from(symbol));
            return;
        }
        // A name comes from the feed: nothing in it may break the file's columns and lines.
        let safe = |byte: u8| byte.is_ascii_graphic() && byte != b',' && byte != b'"';
        self.text.extend(
            name.iter()
                .map(|&byte| if safe(byte) { byte } else { b'_' }),
        );
    }

    #[inline]
    fn push_number(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.text.extend_from_slice(&digits[at..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{AddOrder, OrderDeleted, OrderExecuted, SymbolDirectory, Trade};
    use zerocopy::FromZeros;

    #[test]
    fn one_line_after_every_change_of_a_book() {
        let mut writer = BboWriter::new(Vec::new(), "test.csv", BookLimits::default()).unwrap();
        let add = |symbol, reference, side: &[u8; 1], price, size| {
            MarketMessage::from(AddOrder {
                time_ns: 1_000 + reference,
                reference,
                price,
                size,
                symbol,
                side: *side,
                ..AddOrder::new_zeroed()
            })
        };
        let messages = [
            SymbolDirectory {
                symbol: 1,
                name: *b"A,B     ",
                ..SymbolDirectory::new_zeroed()
            }
            .into(),
            add(1, 1, b"B", 100, 10),
            add(1, 2, b"S", 102, 20),
            add(1, 3, b"S", 102, 5),
            add(7, 4, b"S", u32::MAX, u32::MAX),
            Trade::new_zeroed().into(),
            OrderExecuted {
                time_ns: 86_399_999_999_999,
                reference: 2,
                size: 19,
                symbol: 1,
                ..OrderExecuted::new_zeroed()
            }
            .into(),
            OrderDeleted {
                reference: 1,
                ..OrderDeleted::new_zeroed()
            }
            .into(),
            OrderDeleted {
                reference: 99,
                ..OrderDeleted::new_zeroed()
            }
            .into(),
        ];
        for (sequence, message) in (50..).zip(&messages) {
            writer.on_message(sequence, message).unwrap();
        }
        let (output, lines) = writer.finish().unwrap();
        assert_eq!(lines, 6);
        let expected = "\
sequence,time_ns,symbol,bid_price,bid_size,ask_price,ask_size
51,1001,A_B,100,10,,
52,1002,A_B,100,10,102,20
53,1003,A_B,100,10,102,25
54,1004,7,,,4294967295,4294967295
56,86399999999999,A_B,100,10,102,6
57,0,A_B,,,102,6
";
        assert_eq!(String::from_utf8(output).unwrap(), expected);
    }
}
