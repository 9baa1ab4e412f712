//! A frame as a reader gets it.

use crate::frame::FrameHeader;
use crate::message::Message;

/// One frame: its header, and its payload by reference.
///
/// A gating consumer's payload lies in shared memory and stays as it is until its handler
/// returns; an observer's is a checked copy.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    header: FrameHeader,
    payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// A frame from its parts.
    #[inline(always)]
    pub fn new(header: FrameHeader, payload: &'a [u8]) -> Self {
        Frame { header, payload }
    }

    /// The header.
    #[inline(always)]
    pub fn header(&self) -> &FrameHeader {
        &self.header
    }

    /// The payload's bytes.
    #[inline(always)]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The payload as a message of type `M`, in place. `None`: the frame is of another type.
    #[inline(always)]
    pub fn get<M: Message>(&self) -> Option<&'a M> {
        if self.header.message_type() != M::TYPE {
            return None;
        }
        M::ref_from_bytes(self.payload).ok()
    }
}
