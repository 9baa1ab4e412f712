//! An expression as written, before anything is known of a message type.

use crate::header_field::HeaderField;
use crate::number::Number;
use crate::operator::Operator;
use crate::span::Span;

/// An expression. Nested at most [`MAX_QUERY_DEPTH`](crate::MAX_QUERY_DEPTH) deep.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Expression {
    /// `true` or `false`.
    Constant(bool),
    /// `!`
    Not(Box<Expression>),
    /// `&&` between each of them.
    All(Vec<Expression>),
    /// `||` between each of them.
    Any(Vec<Expression>),
    /// A field and what to compare it with.
    Condition(Condition),
}

/// A field and what to compare it with.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Condition {
    /// Of what.
    pub(crate) subject: Subject,
    /// Where the subject is written.
    pub(crate) span: Span,
    /// What to do.
    pub(crate) operator: Operator,
    /// With which values: one, or those of the list.
    pub(crate) values: Vec<Value>,
}

/// What a condition is about.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Subject {
    /// A field of the frame's header.
    Header(HeaderField),
    /// A field of the message.
    Field(String),
}

/// A value in an expression.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Value {
    /// What.
    pub(crate) literal: Literal,
    /// Where it is written.
    pub(crate) span: Span,
}

/// What a value is.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Literal {
    /// `585.00`
    Number(Number),
    /// `"AAPL"`
    Text(String),
    /// `true`
    Bool(bool),
}
