//! Every ordering that the protocols rely on, by name.
//!
//! In the product each is a constant. Under loom a model can weaken exactly one of them to
//! `Relaxed` (a fence: leave it out) and must then fail: that is how `loom-tests` shows that each
//! is needed and that the models can see it.

use super::sync::{self, Ordering};

/// A place where two threads synchronise. Each release side is named with the acquire that it
/// pairs with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum SyncPoint {
    /// Release: a producer's store of an ingress slot's publication word. Pairs with
    /// [`SyncPoint::IngressAcquire`].
    IngressPublish = 1,
    /// Acquire: the sequencer's load of an ingress slot's publication word.
    IngressAcquire,
    /// Release: the sequencer's store of how far it consumed a ring. Pairs with
    /// [`SyncPoint::ConsumedAcquire`].
    ConsumedRelease,
    /// Acquire: a producer's load of how far its ring was consumed.
    ConsumedAcquire,
    /// Release: the sequencer's store of a stream slot's publication word. Pairs with
    /// [`SyncPoint::StreamAcquire`].
    StreamPublish,
    /// Acquire: a reader's load of a stream slot's publication word.
    StreamAcquire,
    /// Release: a gating consumer's store of its cursor. Pairs with
    /// [`SyncPoint::CursorAcquire`].
    CursorRelease,
    /// Acquire: the sequencer's load of a cursor.
    CursorAcquire,
    /// Release fence between announcing the overwrite bound and the first write below it. Pairs
    /// with [`SyncPoint::OverwriteAcquire`].
    OverwriteRelease,
    /// Acquire fence between a copying reader's copy and its check of the overwrite bound.
    OverwriteAcquire,
    /// Sequentially consistent fence of a successor between moving the epoch on and scanning the
    /// old epoch. Pairs with [`SyncPoint::EpochCheck`] and [`SyncPoint::GrantFence`].
    TakeoverFence,
    /// Sequentially consistent fence of a reader (producer) between loading a publication
    /// (consumed) word and re-reading the epoch. Pairs with [`SyncPoint::TakeoverFence`].
    EpochCheck,
    /// Release: a sequencer's store of the word that opens its bank. Pairs with
    /// [`SyncPoint::OpenAcquire`].
    OpenRelease,
    /// Acquire: a reader's load of the word that opens a bank.
    OpenAcquire,
    /// Release: the end mark of a snapshot. Pairs with [`SyncPoint::SnapshotAcquire`].
    SnapshotRelease,
    /// Acquire: a successor's load of the end mark of a snapshot.
    SnapshotAcquire,
    /// Sequentially consistent fence of a consumer between storing its first cursor and re-reading
    /// the epoch. Pairs with [`SyncPoint::TakeoverFence`].
    GrantFence,
    /// Release: the store of a record's key, and the fence after taking it away. Pairs with
    /// [`SyncPoint::RecordAcquire`].
    RecordRelease,
    /// Acquire: the load of a record's key, and the fence before loading it again.
    RecordAcquire,
}

#[cfg(loom)]
mod weakening {
    use super::SyncPoint;
    use core::sync::atomic::{AtomicU8, Ordering};

    static WEAKENED: AtomicU8 = AtomicU8::new(0);

    /// Weakens `point` (or none) in all models from now on.
    pub fn weaken(point: Option<SyncPoint>) {
        WEAKENED.store(point.map_or(0, |point| point as u8), Ordering::SeqCst);
    }

    pub(super) fn is_weak(point: SyncPoint) -> bool {
        WEAKENED.load(Ordering::SeqCst) == point as u8
    }
}

#[cfg(loom)]
pub use weakening::weaken;

#[cfg(loom)]
fn is_weak(point: SyncPoint) -> bool {
    weakening::is_weak(point)
}

#[cfg(not(loom))]
#[inline(always)]
const fn is_weak(_: SyncPoint) -> bool {
    false
}

/// Release, at `point`.
#[inline(always)]
pub(super) fn release(point: SyncPoint) -> Ordering {
    if is_weak(point) {
        Ordering::Relaxed
    } else {
        Ordering::Release
    }
}

/// Acquire, at `point`.
#[inline(always)]
pub(super) fn acquire(point: SyncPoint) -> Ordering {
    if is_weak(point) {
        Ordering::Relaxed
    } else {
        Ordering::Acquire
    }
}

/// A fence of the given strength, at `point`.
#[inline(always)]
pub(super) fn fence(point: SyncPoint, order: Ordering) {
    if !is_weak(point) {
        sync::fence(order);
    }
}

/// The fence before a re-read of the epoch.
///
/// A reader has loaded a publication word with acquire and now loads the epoch; a successor has
/// moved the epoch on with a locked instruction and then scans the publication words. On x86-64
/// neither loads nor the successor's scan move before what precedes them (Intel SDM vol. 3A,
/// 9.2.2), so program order suffices and no instruction is spent. Elsewhere, and in the models, a
/// full fence is needed.
#[inline(always)]
pub(super) fn epoch_check_fence() {
    if cfg!(all(target_arch = "x86_64", not(loom))) {
        core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::SeqCst);
    } else {
        fence(SyncPoint::EpochCheck, Ordering::SeqCst);
    }
}
