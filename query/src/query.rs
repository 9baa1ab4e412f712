//! A query: an expression together with the message types it is asked of.

use crate::compile;
use crate::error::QueryError;
use crate::expression::Expression;
use crate::names::Names;
use crate::node::Node;
use crate::parser;
use crate::truth::Truth;
use selvedge_fabric::frame::{FrameHeader, MessageType};
use selvedge_fabric::message::MessageSchema;
use std::fmt;

/// An expression over the fields of messages, made for a set of message types.
///
/// See [the crate's documentation](crate) for the language.
#[derive(Clone, Debug)]
pub struct Query {
    text: String,
    expression: Expression,
    /// Sorted by type.
    by_type: Vec<(MessageType, CompiledQuery)>,
    /// For messages of any other type: only their header is known.
    others: CompiledQuery,
}

impl Query {
    /// The query that `text` writes, for messages of the types in `schemas`.
    ///
    /// Where a type number occurs twice, the last one counts.
    ///
    /// # Errors
    ///
    /// Where `text` is not an expression or over a limit, names a field or type that none of
    /// `schemas` has, or compares a field with a value that it can never be compared with.
    pub fn parse<'s>(
        text: &str,
        schemas: impl IntoIterator<Item = &'s MessageSchema>,
    ) -> Result<Self, QueryError> {
        let expression = parser::parse(text)?;
        let schemas: Vec<&MessageSchema> = schemas.into_iter().collect();
        compile::check(text, &expression, &schemas)?;
        let mut query = Query {
            text: text.to_owned(),
            others: CompiledQuery::new(&expression, None),
            expression,
            by_type: Vec::with_capacity(schemas.len()),
        };
        for schema in schemas {
            query.learn(schema);
        }
        Ok(query)
    }

    /// Makes the query for one more type, such as one registered after the query was parsed; takes
    /// the place of what was known of that type number. Fields are not checked anew: what does
    /// not fit does not match.
    pub fn learn(&mut self, schema: &MessageSchema) {
        let compiled = self.compile_for(schema);
        let found = self
            .by_type
            .binary_search_by_key(&schema.message_type, |(known, _)| *known);
        match found {
            Ok(at) => self.by_type[at].1 = compiled,
            Err(at) => self.by_type.insert(at, (schema.message_type, compiled)),
        }
    }

    /// The query made for one message type alone: for programs that read one type, or that keep
    /// their own table of types.
    pub fn compile_for(&self, schema: &MessageSchema) -> CompiledQuery {
        CompiledQuery::new(&self.expression, Some(schema))
    }

    /// Whether a frame matches. Takes no memory; comparisons with names may, where `names` does.
    #[inline]
    pub fn matches(&self, header: &FrameHeader, payload: &[u8], names: &dyn Names) -> bool {
        self.compiled(header.message_type())
            .matches(header, payload, names)
    }

    /// Whether a message of this type may match at all. `false` lets a reader pass over its
    /// payload.
    pub fn may_match(&self, message_type: MessageType) -> bool {
        self.compiled(message_type).may_match()
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    #[inline]
    fn compiled(&self, message_type: MessageType) -> &CompiledQuery {
        let found = self
            .by_type
            .binary_search_by_key(&message_type, |(known, _)| *known);
        match found {
            Ok(at) => &self.by_type[at].1,
            Err(_) => &self.others,
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A query made for one message type: fields found, values scaled, conditions on the type decided.
#[derive(Clone, PartialEq, Debug)]
pub struct CompiledQuery {
    message_type: Option<MessageType>,
    root: Node,
}

impl CompiledQuery {
    fn new(expression: &Expression, schema: Option<&MessageSchema>) -> Self {
        let mut root = compile::compile(expression, schema);
        if !root.can_be(Truth::True) {
            root = Node::Constant(Truth::False);
        }
        CompiledQuery {
            message_type: schema.map(|schema| schema.message_type),
            root,
        }
    }

    /// Whether a frame matches. Frames of another type than the query was made for do not.
    #[inline]
    pub fn matches(&self, header: &FrameHeader, payload: &[u8], names: &dyn Names) -> bool {
        self.message_type
            .is_none_or(|message_type| message_type == header.message_type())
            && self.root.evaluate(header, payload, names) == Truth::True
    }

    /// Whether any message of the type may match.
    pub fn may_match(&self) -> bool {
        self.root != Node::Constant(Truth::False)
    }
}
