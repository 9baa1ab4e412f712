//! The admitted sources, and beside each the one word that every duty cycle looks at.
//!
//! The words' addresses lie close together: with 64 sources, of which most are silent, a cycle reads
//! 16 cache lines of addresses instead of 64 sources' own.

use crate::source::Source;
use selvedge_fabric::protocol::ingress::IngressWatch;
use std::ops::{Index, IndexMut};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    all: Vec<Source>,
    /// As many as there are sources, in their order; each looks where its source's reader waits.
    watches: Vec<IngressWatch>,
}

impl Sources {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Sources {
            all: Vec::with_capacity(capacity),
            watches: Vec::with_capacity(capacity),
        }
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.watches.len()
    }

    /// Whether the next message of a source is published. `false` past the last.
    #[inline(always)]
    pub(crate) fn is_ready(&self, index: usize) -> bool {
        match self.watches.get(index) {
            // SAFETY: the source at this place holds the ring that its reader's watch looks at.
            Some(watch) => unsafe { watch.ready() },
            None => false,
        }
    }

    /// To be called when messages of a source have been taken: it waits for another one now.
    #[inline(always)]
    pub(crate) fn taken(&mut self, index: usize) {
        if let (Some(watch), Some(source)) = (self.watches.get_mut(index), self.all.get(index)) {
            *watch = source.reader.watch();
        }
    }

    pub(crate) fn push(&mut self, source: Source) {
        self.watches.push(source.reader.watch());
        self.all.push(source);
    }

    pub(crate) fn swap_remove(&mut self, index: usize) -> Source {
        self.watches.swap_remove(index);
        self.all.swap_remove(index)
    }

    pub(crate) fn clear(&mut self) {
        self.watches.clear();
        self.all.clear();
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Source> {
        self.all.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Source> {
        self.all.iter_mut()
    }
}

impl Index<usize> for Sources {
    type Output = Source;

    #[inline(always)]
    fn index(&self, index: usize) -> &Source {
        &self.all[index]
    }
}

impl IndexMut<usize> for Sources {
    #[inline(always)]
    fn index_mut(&mut self, index: usize) -> &mut Source {
        &mut self.all[index]
    }
}
