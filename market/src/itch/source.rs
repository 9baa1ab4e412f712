//! Where ITCH messages come from: a file, a generator.

use crate::MarketError;

/// A stream of ITCH 5.0 messages that is asked for one message at a time.
pub trait ItchSource {
    /// The next message, without a length prefix. `None` at the end, and ever after.
    ///
    /// # Errors
    ///
    /// What the source cannot deliver. Every message before was delivered; every later call gives
    /// the same error.
    fn next_message(&mut self) -> Result<Option<&[u8]>, MarketError>;

    /// Bytes of the uncompressed, framed stream delivered so far: where the next message begins.
    fn offset(&self) -> u64;
}

impl<S: ItchSource + ?Sized> ItchSource for Box<S> {
    fn next_message(&mut self) -> Result<Option<&[u8]>, MarketError> {
        (**self).next_message()
    }

    fn offset(&self) -> u64 {
        (**self).offset()
    }
}
