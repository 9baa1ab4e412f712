//! The admitted sources, and which of them a duty cycle looks at.
//!
//! Beside each source stands the one word that is looked at: the addresses lie close together. And a
//! look at a ring costs what translating its address costs, since each is mapped by itself: with 64
//! rings several times the wait for a message. So where there are more than a few, those that have
//! sent something of late are looked at in every cycle and of the silent ones an eighth, in turn. The
//! first message after a silence waits eight short cycles at most instead of one long one.

use crate::source::Source;
use selvedge_fabric::protocol::ingress::IngressWatch;
use std::ops::{Index, IndexMut};

/// So many sources are looked at in every cycle whether they are silent or not.
const FEW: usize = 8;

/// Of the silent sources one in so many is looked at in a cycle.
const SILENT_TURNS: usize = 8;

/// A source that has sent nothing for this many cycles, to twice as many, is silent. A power of two.
const SILENT_AFTER: u64 = 1 << 14;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    all: Vec<Source>,
    /// As many as there are sources, in their order; each looks where its source's reader waits.
    watches: Vec<IngressWatch>,
    /// Of each source, whether it has sent anything since `lively` was last settled.
    heard: Vec<bool>,
    /// Places in `all`, in order: those looked at in every cycle, and the others.
    lively: Vec<usize>,
    silent: Vec<usize>,
    /// Where in `silent` the cycle begins, and how many it looks at.
    turn: usize,
    share: usize,
    /// A silent source has been heard.
    woken: bool,
    cycles: u64,
}

impl Sources {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Sources {
            all: Vec::with_capacity(capacity),
            watches: Vec::with_capacity(capacity),
            heard: Vec::with_capacity(capacity),
            lively: Vec::with_capacity(capacity),
            silent: Vec::with_capacity(capacity),
            ..Sources::default()
        }
    }

    /// How many sources this cycle looks at.
    #[inline(always)]
    pub(crate) fn looks(&self) -> usize {
        self.lively.len() + self.share
    }

    /// The source that is looked at in the cycle's `look`th look, if its next message is published.
    #[inline(always)]
    pub(crate) fn ready(&self, look: usize) -> Option<usize> {
        let index = match self.lively.get(look) {
            Some(&index) => index,
            None => self.silent_at(look - self.lively.len())?,
        };
        let watch = self.watches.get(index)?;
        // SAFETY: the source at this place holds the ring that its reader's watch looks at.
        unsafe { watch.ready() }.then_some(index)
    }

    #[inline(always)]
    fn silent_at(&self, ahead: usize) -> Option<usize> {
        let place = self.turn + ahead;
        let around = place.checked_sub(self.silent.len()).unwrap_or(place);
        self.silent.get(around).copied()
    }

    /// To be called when messages of a source have been taken: it waits for another one now.
    #[inline(always)]
    pub(crate) fn taken(&mut self, look: usize, index: usize) {
        if let (Some(watch), Some(source)) = (self.watches.get_mut(index), self.all.get(index)) {
            *watch = source.reader.watch();
        }
        if let Some(heard) = self.heard.get_mut(index) {
            *heard = true;
        }
        self.woken |= look >= self.lively.len();
    }

    /// To be called at the end of a cycle.
    #[inline(always)]
    pub(crate) fn end_cycle(&mut self) {
        self.cycles += 1;
        self.turn += self.share;
        if self.turn >= self.silent.len() {
            self.turn = 0;
        }
        if self.woken || self.cycles & (SILENT_AFTER - 1) == 0 {
            self.settle();
        }
    }

    #[cold]
    #[inline(never)]
    fn settle(&mut self) {
        if self.all.len() <= FEW {
            return;
        }
        if self.woken {
            // Those that were lively stay so.
            for &index in &self.lively {
                self.heard[index] = true;
            }
        }
        self.lively.clear();
        self.silent.clear();
        for (index, heard) in self.heard.iter_mut().enumerate() {
            if *heard {
                self.lively.push(index);
            } else {
                self.silent.push(index);
            }
            *heard &= self.woken;
        }
        self.share = self.silent.len().div_ceil(SILENT_TURNS);
        self.turn = 0;
        self.woken = false;
    }

    /// Whoever has come or gone, all are looked at for a while.
    fn all_are_lively(&mut self) {
        self.lively.clear();
        self.lively.extend(0..self.all.len());
        self.silent.clear();
        self.heard.clear();
        self.heard.resize(self.all.len(), true);
        self.turn = 0;
        self.share = 0;
        self.woken = false;
    }

    pub(crate) fn push(&mut self, source: Source) {
        self.watches.push(source.reader.watch());
        self.all.push(source);
        self.all_are_lively();
    }

    pub(crate) fn swap_remove(&mut self, index: usize) -> Source {
        self.watches.swap_remove(index);
        let source = self.all.swap_remove(index);
        self.all_are_lively();
        source
    }

    pub(crate) fn clear(&mut self) {
        self.watches.clear();
        self.all.clear();
        self.all_are_lively();
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
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
