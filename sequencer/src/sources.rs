//! The admitted sources, and which of them a duty cycle looks at.
//!
//! A look at a ring costs what translating its address costs, since each is mapped by itself: with 64
//! rings several times the wait for a message. So where there are more than a few, those that have
//! sent something of late are looked at in every cycle and of the silent ones an eighth, in turn. The
//! first message after a silence waits some eight short cycles at most instead of one long one.

use crate::source::Source;
use std::ops::{Index, IndexMut};

/// So many sources are looked at in every cycle whether they are silent or not.
const FEW: usize = 8;

/// Of the silent sources one in so many is looked at in a cycle.
const SILENT_TURNS: usize = 8;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    all: Vec<Source>,
    /// Places in `all`: first the `lively` ones, then the silent ones.
    order: Vec<usize>,
    lively: usize,
    /// Where among the silent ones the cycle begins.
    turn: usize,
}

impl Sources {
    /// How many sources this cycle looks at.
    #[inline(always)]
    pub(crate) fn looks(&self) -> usize {
        self.lively + self.share()
    }

    /// How many silent sources a cycle looks at.
    #[inline(always)]
    fn share(&self) -> usize {
        (self.order.len() - self.lively).div_ceil(SILENT_TURNS)
    }

    /// The source that is looked at in the cycle's `look`th look, if its next message is published.
    #[inline(always)]
    pub(crate) fn ready(&self, look: usize) -> Option<usize> {
        let mut place = look;
        if self.is_silent(look) {
            place += self.turn;
            if place >= self.order.len() {
                place -= self.order.len() - self.lively;
            }
        }
        let index = *self.order.get(place)?;
        self.all.get(index)?.reader.ready().then_some(index)
    }

    /// Whether the cycle's `look`th look is at a source that counts as silent.
    #[inline(always)]
    pub(crate) fn is_silent(&self, look: usize) -> bool {
        look >= self.lively
    }

    /// To be called at the end of a cycle; `woken` if a silent source has been heard in it.
    #[inline(always)]
    pub(crate) fn end_cycle(&mut self, woken: bool) {
        if woken {
            self.wake();
        } else {
            self.turn += self.share();
            if self.turn >= self.order.len() - self.lively {
                self.turn = 0;
            }
        }
    }

    /// Those silent ones that have been heard are lively from now on.
    #[cold]
    #[inline(never)]
    fn wake(&mut self) {
        for place in self.lively..self.order.len() {
            if self.all[self.order[place]].has_sent() {
                self.order[self.lively..=place].rotate_right(1);
                self.lively += 1;
            }
        }
        self.turn = 0;
    }

    /// Tells anew which are silent: those that have sent nothing since the last time. For
    /// housekeeping.
    pub(crate) fn settle(&mut self) {
        if self.all.len() <= FEW {
            return;
        }
        self.order
            .sort_unstable_by_key(|&index| (!self.all[index].has_sent(), index));
        self.lively = self
            .order
            .partition_point(|&index| self.all[index].has_sent());
        self.turn = 0;
        for source in &mut self.all {
            source.settle();
        }
    }

    /// Whoever has come or gone, all are looked at for a while.
    fn all_are_lively(&mut self) {
        self.order.clear();
        self.order.extend(0..self.all.len());
        self.lively = self.order.len();
        self.turn = 0;
    }

    pub(crate) fn push(&mut self, source: Source) {
        self.all.push(source);
        self.all_are_lively();
    }

    pub(crate) fn swap_remove(&mut self, index: usize) -> Source {
        let source = self.all.swap_remove(index);
        self.all_are_lively();
        source
    }

    pub(crate) fn clear(&mut self) {
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
