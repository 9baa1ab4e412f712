//! A part of the expression's text.

/// Bytes `start..end` of the expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    /// The first byte.
    pub(crate) start: usize,
    /// One past the last.
    pub(crate) end: usize,
}

impl Span {
    /// The bytes from `start` to before `end`.
    pub(crate) const fn new(start: usize, end: usize) -> Self {
        Span { start, end }
    }
}
