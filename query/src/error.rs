//! The one error type of this crate.

use crate::span::Span;
use std::fmt;

/// Characters of the expression shown before the place of an error, and after its beginning.
const SHOWN_BEFORE: usize = 60;
const SHOWN_AFTER: usize = 60;

/// Why an expression is not a query: what is wrong, where, and what to do about it.
///
/// The message is for a person at a terminal: after the first line come the expression and, under
/// it, a caret at the column.
///
/// ```
/// use selvedge_query::Query;
///
/// let error = Query::parse("sequence >= 10 & topic == 2", &[]).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "`&` is not an operator (column 16): write `&&` where both sides must hold\n    \
///      sequence >= 10 & topic == 2\n                   ^"
/// );
/// ```
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason} (column {column}): {advice}\n    {excerpt}\n    {caret}")]
pub struct QueryError {
    column: usize,
    reason: String,
    advice: String,
    excerpt: String,
    caret: String,
}

impl QueryError {
    /// An error at `span` of `text`.
    pub(crate) fn new(
        text: &str,
        span: Span,
        reason: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        // Counted in characters, not in bytes: a caret is to stand under a character.
        let mut before = 0;
        let mut wide = 0;
        for (at, _) in text.char_indices() {
            if at < span.start {
                before += 1;
            } else if at < span.end {
                wide += 1;
            }
        }
        let first = before - before.min(SHOWN_BEFORE);
        let cut_front = first > 0;
        let mut rest = text.chars().skip(first);
        let shown = rest.by_ref().take(before - first + SHOWN_AFTER);
        let mut excerpt = String::new();
        if cut_front {
            excerpt.push('…');
        }
        excerpt.extend(shown.map(printable));
        if rest.next().is_some() {
            excerpt.push('…');
        }
        let indent = before - first + usize::from(cut_front);
        let caret = " ".repeat(indent) + &"^".repeat(wide.clamp(1, SHOWN_AFTER));
        QueryError {
            column: before + 1,
            reason: reason.into(),
            advice: advice.into(),
            excerpt,
            caret,
        }
    }

    /// Where: the character of the expression, from 1. One past the last where the expression
    /// ends too early.
    pub fn column(&self) -> usize {
        self.column
    }

    /// What is wrong.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What to do about it.
    pub fn advice(&self) -> &str {
        &self.advice
    }
}

/// What takes one column for every character, and does nothing to a terminal.
fn printable(character: char) -> char {
    if character.is_control() {
        ' '
    } else {
        character
    }
}

/// Text of the user's within a message: in back quotes, short, and harmless to a terminal.
pub(crate) fn quoted(text: &str) -> impl fmt::Display {
    const MOST: usize = 40;
    let mut shown: String = text.chars().take(MOST).map(printable).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_characters_not_bytes() {
        let text = "größe == x";
        let at = text.find('x').expect("an x");
        let error = QueryError::new(text, Span::new(at, at + 1), "r", "a");
        assert_eq!(error.column(), 10);
        assert_eq!(
            error.to_string(),
            "r (column 10): a\n    größe == x\n             ^"
        );
    }

    #[test]
    fn a_long_expression_is_shown_around_the_place() {
        let text = format!("{}X{}", "a".repeat(1000), "b".repeat(1000));
        let error = QueryError::new(&text, Span::new(1000, 1001), "r", "a");
        let shown = error.to_string();
        let mut lines = shown.lines().skip(1);
        let excerpt = lines.next().expect("the expression");
        let caret = lines.next().expect("the caret");
        assert_eq!(excerpt.chars().count(), 4 + 1 + 60 + 60 + 1);
        let column = caret.chars().position(|c| c == '^').expect("a caret");
        assert_eq!(excerpt.chars().nth(column), Some('X'));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let error = QueryError::new("a\n\u{1b}[2J", Span::new(0, 1), "r", "a");
        assert_eq!(error.to_string(), "r (column 1): a\n    a  [2J\n    ^");
        assert_eq!(quoted("x\u{1b}").to_string(), "`x `");
        assert_eq!(quoted(&"y".repeat(41)).to_string().chars().count(), 43);
    }
}
