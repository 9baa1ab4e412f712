//! What writer and helper thread tell each other besides blocks: errors, retry, closing.

use crate::error::JournalError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Shared by the writer and its helper thread.
#[derive(Default)]
pub(super) struct Control {
    /// Set while the helper stands still because of an error. A hint: the state decides.
    failed: AtomicBool,
    /// Set from an error on until it is overcome, while it is tried again, too.
    in_trouble: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    error: Option<Arc<JournalError>>,
    retry: bool,
    closing: bool,
}

impl Control {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error that the helper stands still for.
    #[inline]
    pub(super) fn check(&self) -> Result<(), JournalError> {
        if self.failed.load(Ordering::Relaxed) {
            self.stopped()
        } else {
            Ok(())
        }
    }

    /// Whether an error is not overcome: the helper stands still or tries again.
    #[inline]
    pub(super) fn in_trouble(&self) -> bool {
        self.in_trouble.load(Ordering::Relaxed)
    }

    #[cold]
    fn stopped(&self) -> Result<(), JournalError> {
        match &self.state().error {
            Some(cause) => Err(JournalError::Stopped {
                cause: Arc::clone(cause),
            }),
            None => Ok(()),
        }
    }

    /// Lets the helper try again.
    pub(super) fn retry(&self) {
        let mut state = self.state();
        if state.error.take().is_some() {
            state.retry = true;
            self.failed.store(false, Ordering::Relaxed);
            self.changed.notify_all();
        }
    }

    /// From now on an error ends the helper.
    pub(super) fn close(&self) {
        self.state().closing = true;
        self.changed.notify_all();
    }

    /// For the helper: does `action` until it succeeds, standing still after each error until
    /// told to retry. False: it failed and the writer is closing.
    pub(super) fn insist(&self, mut action: impl FnMut() -> Result<(), JournalError>) -> bool {
        loop {
            let Err(error) = action() else {
                self.in_trouble.store(false, Ordering::Relaxed);
                return true;
            };
            // Before it can be told to try again.
            self.in_trouble.store(true, Ordering::Relaxed);
            let mut state = self.state();
            state.error = Some(Arc::new(error));
            self.failed.store(true, Ordering::Relaxed);
            while !state.retry && !state.closing {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if !state.retry {
                return false;
            }
            state.retry = false;
        }
    }
}
