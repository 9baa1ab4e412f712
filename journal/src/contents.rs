//! What a block's frames may teach: which sources and message types are in it.
//!
//! A writer keeps the last source sequence of every source and whatever gives names to things.
//! Most blocks hold a few sources and nothing else of interest; a look at every frame's header,
//! by whoever has the block in its cache, then spares another look in order.

use crate::format::frame_bytes_on_disk;
use selvedge_fabric::frame::{FRAME_HEADER_BYTES, FrameHeader, MessageType, SourceId};

/// Sources, and types, that are listed; blocks with more are looked at frame by frame.
const LISTED: usize = 16;

/// Which sources and message types are in a block.
#[derive(Default)]
pub(crate) struct Contents {
    sources: Vec<(SourceId, u64)>,
    types: Vec<MessageType>,
    more: bool,
}

impl Contents {
    /// Lists those of a Frames block's payload.
    pub(crate) fn list(&mut self, payload: &[u8]) {
        self.sources.clear();
        self.types.clear();
        self.more = false;
        // Neighbours are mostly alike: the place of the last one is tried first.
        let (mut source_at, mut type_at) = (0, 0);
        let mut rest = payload;
        while let Some((head, body)) = rest.split_first_chunk::<FRAME_HEADER_BYTES>() {
            let header = FrameHeader::from_bytes(head);
            let (source, last) = (header.source(), header.source_sequence());
            match self.sources.get_mut(source_at) {
                Some(place) if place.0 == source => place.1 = last,
                _ => match self.sources.iter().position(|place| place.0 == source) {
                    Some(at) => {
                        source_at = at;
                        self.sources[at].1 = last;
                    }
                    None => {
                        source_at = self.sources.len();
                        self.sources.push((source, last));
                    }
                },
            }
            let message_type = header.message_type();
            if self.types.get(type_at) != Some(&message_type) {
                type_at = match self.types.iter().position(|known| *known == message_type) {
                    Some(at) => at,
                    None => {
                        self.types.push(message_type);
                        self.types.len() - 1
                    }
                };
            }
            if self.sources.len() > LISTED || self.types.len() > LISTED {
                self.more = true;
                return;
            }
            let after = frame_bytes_on_disk(header.length()) - FRAME_HEADER_BYTES;
            rest = body.get(after..).unwrap_or_default();
        }
    }

    /// The last source sequence of every source in the block, where nothing else is to be learnt
    /// from it: no frame of the sequencer's own, and none of a type that `teaches`.
    pub(crate) fn plain(
        &self,
        mut teaches: impl FnMut(MessageType) -> bool,
    ) -> Option<&[(SourceId, u64)]> {
        let plain = !self.more
            && self.sources.iter().all(|place| place.0 != 0)
            && !self.types.iter().any(|known| teaches(*known));
        plain.then_some(&self.sources)
    }
}
