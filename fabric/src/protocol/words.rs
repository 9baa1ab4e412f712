//! A run of shared 64-bit words: the only kind of memory the protocols know.

use super::sync::AtomicU64;
use std::sync::Arc;

#[cfg(not(loom))]
mod shared {
    use super::*;
    use std::any::Any;
    use std::marker::PhantomData;

    /// Borrowed [`Words`].
    #[derive(Clone, Copy, Debug)]
    pub struct View<'a> {
        first: *const AtomicU64,
        count: usize,
        owner: PhantomData<&'a AtomicU64>,
    }

    impl<'a> View<'a> {
        /// The words from `index` on.
        ///
        /// # Safety
        ///
        /// `index` must be at most the count of the words.
        #[inline(always)]
        pub unsafe fn from(self, index: usize) -> View<'a> {
            debug_assert!(index <= self.count);
            View {
                // SAFETY: the caller guarantees that `index` is inside the run or one past its
                // end.
                first: unsafe { self.first.add(index) },
                count: self.count - index,
                owner: PhantomData,
            }
        }

        /// Asks for the line of the word at `index`, to be written soon: its copies elsewhere are
        /// called in meanwhile. Changes nothing.
        ///
        /// # Safety
        ///
        /// `index` must be below the count of the words.
        #[inline(always)]
        pub unsafe fn expect_write(self, index: usize) {
            debug_assert!(index < self.count);
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the caller guarantees that the word is there. The instruction is a hint that
            // touches no memory of the program's, no flag and no stack; a processor without it
            // takes it for a no-op.
            unsafe {
                core::arch::asm!(
                    "prefetchw [{}]",
                    in(reg) self.first.add(index),
                    options(nostack, preserves_flags, readonly)
                );
            }
        }

        /// Asks for the line of the word at `index`, to be read soon. Changes nothing.
        ///
        /// # Safety
        ///
        /// `index` must be below the count of the words.
        #[inline(always)]
        pub unsafe fn expect_read(self, index: usize) {
            debug_assert!(index < self.count);
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the caller guarantees that the word is there. The instruction is a hint that
            // changes nothing and cannot fault.
            unsafe {
                use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
                _mm_prefetch::<_MM_HINT_T0>(self.first.add(index).cast());
            }
        }

        /// The address of the word at `index`, for in-place access to a payload.
        ///
        /// # Safety
        ///
        /// `index` must be at most the count of the words.
        #[inline(always)]
        pub unsafe fn pointer(self, index: usize) -> *mut u8 {
            debug_assert!(index <= self.count);
            // SAFETY: the caller guarantees that `index` is inside the run or one past its end.
            unsafe { self.first.add(index) as *mut u8 }
        }

        /// The word at `index`, unchecked in release builds.
        ///
        /// # Safety
        ///
        /// `index` must be below the count of the words.
        #[inline(always)]
        pub unsafe fn at(self, index: usize) -> &'a AtomicU64 {
            debug_assert!(index < self.count);
            // SAFETY: the caller guarantees that `index` is inside the run, which the borrow
            // keeps alive.
            unsafe { &*self.first.add(index) }
        }
    }

    /// A run of 64-bit atomic words in memory that several processes may share.
    ///
    /// Cloning is cheap and refers to the same words; the memory lives as long as any clone.
    #[derive(Clone)]
    pub struct Words {
        first: *const AtomicU64,
        count: usize,
        owner: Arc<dyn Any + Send + Sync>,
    }

    // SAFETY: `first` points to `count` atomics that `owner` keeps alive; atomics may be used
    // from any thread, and the pointer is never used for anything else without `unsafe`.
    unsafe impl Send for Words {}
    // SAFETY: as above; all access through a shared reference is atomic.
    unsafe impl Sync for Words {}

    impl Words {
        /// Words in process-private memory, all zero.
        pub fn private(count: usize) -> Self {
            let words: Arc<[AtomicU64]> = (0..count).map(|_| AtomicU64::new(0)).collect();
            Words {
                first: words.as_ptr(),
                count,
                owner: Arc::new(words),
            }
        }

        /// Words at `first`, kept mapped by `owner`.
        ///
        /// # Safety
        ///
        /// `first` must be aligned to 8 bytes and point to `count` words that stay mapped for
        /// reading (and for writing, where anything stores to them) while `owner` lives, and that
        /// nothing in this process accesses other than atomically or through [`Words::pointer`].
        pub unsafe fn from_raw(
            first: *const AtomicU64,
            count: usize,
            owner: Arc<dyn Any + Send + Sync>,
        ) -> Self {
            Words {
                first,
                count,
                owner,
            }
        }

        /// How many words.
        #[inline(always)]
        pub fn count(&self) -> usize {
            self.count
        }

        /// The words `start..start + count`, or `None` where that is not inside.
        pub fn part(&self, start: usize, count: usize) -> Option<Self> {
            if start.checked_add(count)? > self.count {
                return None;
            }
            Some(Words {
                // SAFETY: `start` is at most `self.count`, so the result is inside the run or one
                // past its end.
                first: unsafe { self.first.add(start) },
                count,
                owner: self.owner.clone(),
            })
        }

        /// The word at `index`, or `None` past the end.
        pub fn get(&self, index: usize) -> Option<&AtomicU64> {
            if index < self.count {
                // SAFETY: `index` is inside the run, which `owner` keeps alive.
                Some(unsafe { &*self.first.add(index) })
            } else {
                None
            }
        }

        /// The word at `index`, unchecked in release builds: for the paths whose index is masked.
        ///
        /// # Safety
        ///
        /// `index` must be below [`Words::count`].
        #[inline(always)]
        pub unsafe fn at(&self, index: usize) -> &AtomicU64 {
            debug_assert!(index < self.count);
            // SAFETY: the caller guarantees that `index` is inside the run.
            unsafe { &*self.first.add(index) }
        }

        /// The same words without their owner: cheap to keep in a register over a run.
        #[inline(always)]
        pub fn view(&self) -> View<'_> {
            View {
                first: self.first,
                count: self.count,
                owner: PhantomData,
            }
        }

        /// The address of the word at `index`, for in-place access to a payload.
        ///
        /// # Safety
        ///
        /// `index` must be at most [`Words::count`].
        #[inline(always)]
        pub unsafe fn pointer(&self, index: usize) -> *mut u8 {
            debug_assert!(index <= self.count);
            // SAFETY: the caller guarantees that `index` is inside the run or one past its end.
            unsafe { self.first.add(index) as *mut u8 }
        }
    }
}

#[cfg(loom)]
mod shared {
    use super::*;

    /// Borrowed [`Words`].
    #[derive(Clone, Copy, Debug)]
    pub struct View<'a> {
        words: &'a Words,
        start: usize,
    }

    impl<'a> View<'a> {
        /// The words from `index` on.
        ///
        /// # Safety
        ///
        /// As in the product: `index` must be at most the count of the words (checked on access).
        pub unsafe fn from(self, index: usize) -> View<'a> {
            View {
                words: self.words,
                start: self.start + index,
            }
        }

        /// A hint that a model has no use for.
        ///
        /// # Safety
        ///
        /// As in the product.
        pub unsafe fn expect_write(self, _: usize) {}

        /// A hint that a model has no use for.
        ///
        /// # Safety
        ///
        /// As in the product.
        pub unsafe fn expect_read(self, _: usize) {}

        /// The word at `index`.
        ///
        /// # Safety
        ///
        /// As in the product: `index` must be below the count of the words (here it is checked).
        pub unsafe fn at(self, index: usize) -> &'a AtomicU64 {
            let index = self.start + index;
            assert!(index < self.words.count);
            &self.words.words[self.words.start + index]
        }
    }

    /// A run of loom's atomic words.
    #[derive(Clone)]
    pub struct Words {
        words: Arc<Vec<AtomicU64>>,
        start: usize,
        count: usize,
    }

    impl Words {
        /// Words of the model, all zero.
        pub fn private(count: usize) -> Self {
            let words = Arc::new((0..count).map(|_| AtomicU64::new(0)).collect());
            Words {
                words,
                start: 0,
                count,
            }
        }

        /// The same words, borrowed.
        pub fn view(&self) -> View<'_> {
            View {
                words: self,
                start: 0,
            }
        }

        /// How many words.
        pub fn count(&self) -> usize {
            self.count
        }

        /// The words `start..start + count`, or `None` where that is not inside.
        pub fn part(&self, start: usize, count: usize) -> Option<Self> {
            if start.checked_add(count)? > self.count {
                return None;
            }
            Some(Words {
                words: self.words.clone(),
                start: self.start + start,
                count,
            })
        }

        /// The word at `index`, or `None` past the end.
        pub fn get(&self, index: usize) -> Option<&AtomicU64> {
            (index < self.count).then(|| &self.words[self.start + index])
        }

        /// The word at `index`.
        ///
        /// # Safety
        ///
        /// As in the product: `index` must be below [`Words::count`] (here it is checked).
        pub unsafe fn at(&self, index: usize) -> &AtomicU64 {
            assert!(index < self.count);
            &self.words[self.start + index]
        }
    }
}

pub use shared::{View, Words};

impl std::fmt::Debug for Words {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Words({})", self.count())
    }
}
