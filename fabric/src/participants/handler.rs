//! Knowing that a message handler runs on this thread.
//!
//! While a gating consumer's handler runs, the consumer's cursor stands still. A producer that
//! waited for room in there would wait for a stream that waits for it. Waiting calls therefore
//! look here before they wait; the path where there is room never does.

use std::cell::Cell;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as inside a handler while it lives.
pub(super) struct InsideHandler {
    before: bool,
}

impl InsideHandler {
    #[inline(always)]
    pub(super) fn enter() -> Self {
        InsideHandler {
            before: INSIDE.replace(true),
        }
    }
}

impl Drop for InsideHandler {
    #[inline(always)]
    fn drop(&mut self) {
        INSIDE.set(self.before);
    }
}

/// Whether a handler runs on this thread.
pub(super) fn inside_handler() -> bool {
    INSIDE.get()
}
