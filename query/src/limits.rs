//! How large an expression may be. What is over a limit is an error of [`Query::parse`](crate::Query::parse)
//! that points at the place; nothing is cut off silently.

/// The longest expression, in bytes.
pub const MAX_QUERY_BYTES: usize = 4096;

/// How deep parentheses and `!` may be nested, together. Chains of `&&` and `||` are not nesting.
pub const MAX_QUERY_DEPTH: usize = 64;

/// The most values (numbers, texts, `true` and `false`) in one expression.
pub const MAX_QUERY_LITERALS: usize = 1024;

/// The most digits of a number, leading zeros not counted.
pub const MAX_NUMBER_DIGITS: usize = 38;
