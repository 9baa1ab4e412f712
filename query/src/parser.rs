//! From the text of an expression to the expression.
//!
//! ```text
//! any       = all { "||" all }
//! all       = unary { "&&" unary }
//! unary     = "!" unary | "(" any ")" | condition
//! condition = "true" | "false"
//!           | field comparison value
//!           | value comparison field
//!           | field "in" "(" value { "," value } ")"
//! ```

use crate::error::{QueryError, quoted};
use crate::expression::{Condition, Expression, Literal, Subject, Value};
use crate::header_field::HeaderField;
use crate::limits::{MAX_QUERY_BYTES, MAX_QUERY_DEPTH, MAX_QUERY_LITERALS};
use crate::operator::{Comparison, Operator};
use crate::span::Span;
use crate::token::{Token, TokenKind, tokens};

/// The expression that `text` writes.
pub(crate) fn parse(text: &str) -> Result<Expression, QueryError> {
    if text.len() > MAX_QUERY_BYTES {
        let mut limit = MAX_QUERY_BYTES;
        while !text.is_char_boundary(limit) {
            limit -= 1;
        }
        return Err(QueryError::new(
            text,
            Span::new(limit, limit),
            format!(
                "the expression has {} bytes, more than {MAX_QUERY_BYTES}",
                text.len()
            ),
            "shorten it, or run several queries",
        ));
    }
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
        literals: 0,
    };
    if parser.tokens.is_empty() {
        return Err(parser.error_here(
            "the expression is empty",
            "write a condition, such as `price >= 585.00`, or `true` for every message",
        ));
    }
    let expression = parser.any()?;
    match parser.tokens.get(parser.at) {
        None => Ok(expression),
        Some(token) => Err(parser.left_over(token)),
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    literals: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Expression, QueryError> {
        let first = self.all()?;
        if !self.next_is(&TokenKind::Or) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.take(&TokenKind::Or) {
            parts.push(self.all()?);
        }
        Ok(Expression::Any(parts))
    }

    fn all(&mut self) -> Result<Expression, QueryError> {
        let first = self.unary()?;
        if !self.next_is(&TokenKind::And) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.take(&TokenKind::And) {
            parts.push(self.unary()?);
        }
        Ok(Expression::All(parts))
    }

    fn unary(&mut self) -> Result<Expression, QueryError> {
        let span = self.span_here();
        let opens = self.next_is(&TokenKind::Open);
        if !opens && !self.next_is(&TokenKind::Not) {
            return self.condition();
        }
        if self.depth == MAX_QUERY_DEPTH {
            return Err(self.error(
                span,
                format!("parentheses and `!` are nested more than {MAX_QUERY_DEPTH} deep"),
                "leave out those that change nothing, or run several queries",
            ));
        }
        self.depth += 1;
        self.at += 1;
        let expression = if opens {
            let inner = self.any()?;
            if !self.take(&TokenKind::Close) {
                return Err(match self.tokens.get(self.at) {
                    Some(token) => self.left_over(token),
                    None => self.error(
                        span,
                        "this parenthesis is never closed",
                        "write `)` where it ends",
                    ),
                });
            }
            inner
        } else {
            Expression::Not(Box::new(self.unary()?))
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn condition(&mut self) -> Result<Expression, QueryError> {
        if let Some(value) = self.literal()? {
            return self.value_first(value);
        }
        let (subject, span) = self.subject()?;
        if let Some(comparison) = self.comparison() {
            let value = self.value()?;
            self.no_chain()?;
            return Ok(Expression::Condition(Condition {
                subject,
                span,
                operator: Operator::Compare(comparison),
                values: vec![value],
            }));
        }
        if self.take(&TokenKind::Word("in".to_owned())) {
            let values = self.list()?;
            return Ok(Expression::Condition(Condition {
                subject,
                span,
                operator: Operator::In,
                values,
            }));
        }
        let written = self.text.get(span.start..span.end).unwrap_or_default();
        if written == "not" {
            return Err(self.error(span, "`not` is not an operator", "write `!`"));
        }
        Err(self.error_here(
            format!("a comparison is missing after {}", quoted(written)),
            "write ==, !=, <, <=, >, >= or in, then a value; a flag is compared with true or false",
        ))
    }

    /// What follows a value at the front of a condition: a comparison and a field, or nothing for
    /// `true` and `false`.
    fn value_first(&mut self, value: Value) -> Result<Expression, QueryError> {
        let Some(comparison) = self.comparison() else {
            return match value.literal {
                Literal::Bool(constant) => Ok(Expression::Constant(constant)),
                _ => Err(self.error(
                    value.span,
                    "a value alone is not a condition",
                    "compare it with a field, such as `price >= 585.00`",
                )),
            };
        };
        let here = self.span_here();
        if self.literal()?.is_some() {
            return Err(self.error(
                here,
                "both sides of this comparison are values",
                "write a field on one side",
            ));
        }
        let (subject, span) = self.subject()?;
        self.no_chain()?;
        Ok(Expression::Condition(Condition {
            subject,
            span,
            operator: Operator::Compare(comparison.flipped()),
            values: vec![value],
        }))
    }

    fn subject(&mut self) -> Result<(Subject, Span), QueryError> {
        let span = self.span_here();
        let subject = match self.tokens.get(self.at).map(|token| &token.kind) {
            Some(TokenKind::Word(word)) if word != "in" => match HeaderField::from_name(word) {
                Some(field) => Subject::Header(field),
                None => Subject::Field(word.clone()),
            },
            Some(TokenKind::FieldName(name)) => Subject::Field(name.clone()),
            _ => {
                return Err(self.error_here(
                    "a condition is missing here",
                    "write one, such as `price >= 585.00`",
                ));
            }
        };
        self.at += 1;
        Ok((subject, span))
    }

    /// The value that must come now.
    fn value(&mut self) -> Result<Value, QueryError> {
        if let Some(value) = self.literal()? {
            return Ok(value);
        }
        Err(match self.tokens.get(self.at).map(|token| &token.kind) {
            Some(TokenKind::Word(word)) => self.error_here(
                format!("{} is not a value", quoted(word)),
                "write text in double quotes; fields are compared with values, not with one another",
            ),
            _ => self.error_here(
                "a value is missing here",
                "write a number, a text in double quotes, true or false",
            ),
        })
    }

    /// The value that comes now, if one does.
    fn literal(&mut self) -> Result<Option<Value>, QueryError> {
        let Some(token) = self.tokens.get(self.at) else {
            return Ok(None);
        };
        let literal = match &token.kind {
            TokenKind::Number(number) => Literal::Number(*number),
            TokenKind::Text(text) => Literal::Text(text.clone()),
            TokenKind::Word(word) if word == "true" => Literal::Bool(true),
            TokenKind::Word(word) if word == "false" => Literal::Bool(false),
            _ => return Ok(None),
        };
        let span = token.span;
        if self.literals == MAX_QUERY_LITERALS {
            return Err(self.error(
                span,
                format!("the expression has more than {MAX_QUERY_LITERALS} values"),
                "use ranges instead of long lists, or run several queries",
            ));
        }
        self.literals += 1;
        self.at += 1;
        Ok(Some(Value { literal, span }))
    }

    fn list(&mut self) -> Result<Vec<Value>, QueryError> {
        if !self.take(&TokenKind::Open) {
            return Err(self.error_here(
                "a list is missing after `in`",
                "write the values in parentheses: symbol in (\"AAPL\", \"MSFT\")",
            ));
        }
        let mut values = vec![self.value()?];
        while self.take(&TokenKind::Comma) {
            values.push(self.value()?);
        }
        if self.take(&TokenKind::Close) {
            return Ok(values);
        }
        Err(self.error_here(
            "the list goes on without a comma, or is never closed",
            "write `,` between values and `)` after the last",
        ))
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let TokenKind::Comparison(comparison) = self.tokens.get(self.at)?.kind else {
            return None;
        };
        self.at += 1;
        Some(comparison)
    }

    /// Refuses `1 < price < 2`.
    fn no_chain(&self) -> Result<(), QueryError> {
        match self.tokens.get(self.at).map(|token| &token.kind) {
            Some(TokenKind::Comparison(_)) => Err(self.error_here(
                "comparisons do not chain",
                "join two with `&&`: price > 1 && price < 2",
            )),
            _ => Ok(()),
        }
    }

    /// What to say of a token after a complete condition.
    fn left_over(&self, token: &Token) -> QueryError {
        let written = self
            .text
            .get(token.span.start..token.span.end)
            .unwrap_or_default();
        let advice = match (&token.kind, written) {
            (TokenKind::Word(_), "and" | "AND") => "write `&&`",
            (TokenKind::Word(_), "or" | "OR") => "write `||`",
            (TokenKind::Close, _) => "leave it out, or write `(` where the group begins",
            _ => "join conditions with `&&` or `||`",
        };
        self.error(
            token.span,
            format!("{} is not expected here", quoted(written)),
            advice,
        )
    }

    fn next_is(&self, kind: &TokenKind) -> bool {
        self.tokens
            .get(self.at)
            .is_some_and(|token| token.kind == *kind)
    }

    fn take(&mut self, kind: &TokenKind) -> bool {
        let found = self.next_is(kind);
        self.at += usize::from(found);
        found
    }

    /// The next token's place, or the end of the text.
    fn span_here(&self) -> Span {
        self.tokens
            .get(self.at)
            .map_or(Span::new(self.text.len(), self.text.len()), |token| {
                token.span
            })
    }

    fn error_here(&self, reason: impl Into<String>, advice: &str) -> QueryError {
        self.error(self.span_here(), reason, advice)
    }

    fn error(&self, span: Span, reason: impl Into<String>, advice: &str) -> QueryError {
        QueryError::new(self.text, span, reason, advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> QueryError {
        parse(text).expect_err(text)
    }

    #[test]
    fn and_binds_tighter_than_or() {
        let plain = parse("a == 1 || b == 2 && c == 3").expect("an expression");
        let Expression::Any(parts) = plain else {
            panic!("an `||` outside: {plain:?}");
        };
        assert_eq!(parts.len(), 2);
        assert!(matches!(&parts[1], Expression::All(parts) if parts.len() == 2));
    }

    #[test]
    fn not_takes_one_condition() {
        let expression = parse("!a == 1 && b == 2").expect("an expression");
        let Expression::All(parts) = expression else {
            panic!("an `&&` outside: {expression:?}");
        };
        assert!(matches!(&parts[0], Expression::Not(_)));
        assert!(matches!(&parts[1], Expression::Condition(_)));
    }

    #[test]
    fn a_value_may_come_first() {
        let Expression::Condition(condition) = parse("5 < a").expect("an expression") else {
            panic!("a condition");
        };
        assert_eq!(condition.operator, Operator::Compare(Comparison::Greater));
    }

    #[test]
    fn faults_point_at_their_column() {
        for (text, column) in [
            ("", 1),
            ("   ", 4),
            ("a", 2),
            ("a ==", 5),
            ("a == b", 6),
            ("5", 1),
            ("5 == 6", 6),
            ("1 < a < 2", 7),
            ("a == 1 b == 2", 8),
            ("a == 1 and b == 2", 8),
            ("a == 1 &&", 10),
            ("(a == 1", 1),
            ("(a == 1 b", 9),
            ("a == 1)", 7),
            ("a in 5", 6),
            ("a in ()", 7),
            ("a in (1 2)", 9),
            ("a in (1,", 9),
            ("in (1)", 1),
            ("not a == 1", 1),
            ("== 1", 1),
            ("true == 1", 9),
        ] {
            let error = fault(text);
            assert_eq!(error.column(), column, "{error}");
        }
    }

    #[test]
    fn words_of_other_languages_are_translated() {
        assert!(fault("a == 1 and b == 2").advice().contains("&&"));
        assert!(fault("a == 1 OR b == 2").advice().contains("||"));
        assert!(fault("not a == 1").advice().contains('!'));
    }

    #[test]
    fn length_is_limited() {
        let fits = format!("a == \"{}\"", "x".repeat(MAX_QUERY_BYTES - 7));
        assert_eq!(fits.len(), MAX_QUERY_BYTES);
        assert!(parse(&fits).is_ok());
        let error = fault(&format!("{fits} "));
        assert_eq!(error.column(), MAX_QUERY_BYTES + 1);
        // The limit lies inside a character.
        assert!(parse(&"é".repeat(MAX_QUERY_BYTES)).is_err());
        assert!(parse(&format!("x{}", "é".repeat(MAX_QUERY_BYTES))).is_err());
    }

    #[test]
    fn nesting_is_limited() {
        for (open, close) in [("(", ")"), ("!", "")] {
            let nested = |depth| format!("{}a == 1{}", open.repeat(depth), close.repeat(depth));
            assert!(parse(&nested(MAX_QUERY_DEPTH)).is_ok());
            assert_eq!(
                fault(&nested(MAX_QUERY_DEPTH + 1)).column(),
                MAX_QUERY_DEPTH + 1
            );
        }
        // Groups side by side are not nesting.
        let beside = vec!["(a == 1)"; 100].join("&&");
        assert!(parse(&beside).is_ok());
    }

    #[test]
    fn values_are_limited() {
        let list = |count| format!("a in ({})", vec!["1"; count].join(","));
        assert!(parse(&list(MAX_QUERY_LITERALS)).is_ok());
        let error = fault(&list(MAX_QUERY_LITERALS + 1));
        assert!(error.reason().contains("1024 values"), "{error}");
    }
}
