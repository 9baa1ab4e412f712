//! The words and signs of an expression.

use crate::error::{QueryError, quoted};
use crate::number::Number;
use crate::operator::Comparison;
use crate::span::Span;

/// One word or sign.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Token {
    /// What.
    pub(crate) kind: TokenKind,
    /// Where.
    pub(crate) span: Span,
}

/// What a token is.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum TokenKind {
    /// A word: a field, or `in`, `true`, `false`.
    Word(String),
    /// A name in back quotes: always a field of the message.
    FieldName(String),
    /// Text in double quotes, without them.
    Text(String),
    /// A number.
    Number(Number),
    /// `==` and so on.
    Comparison(Comparison),
    /// `&&`
    And,
    /// `||`
    Or,
    /// `!`
    Not,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `,`
    Comma,
}

/// Cuts `text` into tokens.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, QueryError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..)
        && let Some(first) = rest.chars().next()
    {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (kind, length) = token(text, at, rest, first)?;
        let span = Span::new(at, at + length);
        tokens.push(Token { kind, span });
        at = span.end;
    }
    Ok(tokens)
}

/// The token at the front of `rest`, which begins with `first` at byte `at` of `text`, and how
/// many bytes it takes.
fn token(text: &str, at: usize, rest: &str, first: char) -> Result<(TokenKind, usize), QueryError> {
    const SIGNS: [(&str, TokenKind); 12] = [
        ("==", TokenKind::Comparison(Comparison::Equal)),
        ("!=", TokenKind::Comparison(Comparison::NotEqual)),
        ("<=", TokenKind::Comparison(Comparison::LessOrEqual)),
        (">=", TokenKind::Comparison(Comparison::GreaterOrEqual)),
        ("&&", TokenKind::And),
        ("||", TokenKind::Or),
        ("<", TokenKind::Comparison(Comparison::Less)),
        (">", TokenKind::Comparison(Comparison::Greater)),
        ("!", TokenKind::Not),
        ("(", TokenKind::Open),
        (")", TokenKind::Close),
        (",", TokenKind::Comma),
    ];
    for (sign, kind) in SIGNS {
        if rest.starts_with(sign) {
            return Ok((kind, sign.len()));
        }
    }
    if first.is_alphabetic() || first == '_' {
        let word = prefix(rest, |c| c.is_alphanumeric() || c == '_');
        return Ok((TokenKind::Word(word.to_owned()), word.len()));
    }
    let after = rest.get(first.len_utf8()..).unwrap_or_default();
    let is_digit = |c: char| c.is_ascii_digit();
    if is_digit(first) || (first == '-' && after.starts_with(is_digit)) {
        let number = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let length = first.len_utf8() + prefix(after, number).len();
        let word = rest.get(..length).unwrap_or_default();
        return match Number::parse(word) {
            Ok(number) => Ok((TokenKind::Number(number), length)),
            Err((reason, advice)) => Err(QueryError::new(
                text,
                Span::new(at, at + length),
                reason,
                advice,
            )),
        };
    }
    match first {
        '"' => text_token(text, at, after),
        '`' => match after.split_once('`') {
            Some((name, _)) => Ok((TokenKind::FieldName(name.to_owned()), name.len() + 2)),
            None => Err(QueryError::new(
                text,
                Span::new(at, at + 1),
                "a back quote is never closed",
                "write another one after the field's name",
            )),
        },
        other => {
            let (reason, advice) = unexpected(other);
            let span = Span::new(at, at + other.len_utf8());
            Err(QueryError::new(text, span, reason, advice))
        }
    }
}

/// The text whose opening quote is at byte `at`; `after` follows that quote.
fn text_token(text: &str, at: usize, after: &str) -> Result<(TokenKind, usize), QueryError> {
    let mut content = String::new();
    let mut characters = after.char_indices();
    while let Some((offset, character)) = characters.next() {
        match character {
            '"' => return Ok((TokenKind::Text(content), offset + 2)),
            '\\' => match characters.next() {
                Some((_, escaped @ ('"' | '\\'))) => content.push(escaped),
                Some((_, other)) => {
                    let start = at + 1 + offset;
                    return Err(QueryError::new(
                        text,
                        Span::new(start, start + 1 + other.len_utf8()),
                        "a backslash may only stand before a double quote or another backslash",
                        "write \\\" for a quote and \\\\ for a backslash",
                    ));
                }
                None => break,
            },
            other => content.push(other),
        }
    }
    Err(QueryError::new(
        text,
        Span::new(at, at + 1),
        "a text is never closed",
        "write a double quote at its end",
    ))
}

/// What to say of a character that begins no token.
fn unexpected(character: char) -> (String, &'static str) {
    let shown = quoted(character.encode_utf8(&mut [0; 4])).to_string();
    let sign = format!("{shown} is not an operator");
    match character {
        '=' => (sign, "write `==` to compare"),
        '&' => (sign, "write `&&` where both sides must hold"),
        '|' => (sign, "write `||` where one side must hold"),
        '\'' | '\u{201c}' | '\u{201d}' => (
            format!("{shown} does not quote text"),
            "write text in double quotes: \"AAPL\"",
        ),
        '.' => (
            "a point belongs neither to a name nor to a number here".to_owned(),
            "write 0.5 for a half; fields have no type in front: write `type == \"market.trade\" && price > 1`",
        ),
        '-' | '+' | '*' | '/' | '%' => (
            sign,
            "expressions compare fields with values and do not calculate; a minus sign stands right before its digits",
        ),
        _ => (
            format!("{shown} has no meaning here"),
            "an expression is like: price >= 585.00 && (side == \"B\" || symbol in (\"AAPL\", \"MSFT\"))",
        ),
    }
}

/// The longest front of `text` of characters that `belong`.
fn prefix(text: &str, belong: impl Fn(char) -> bool) -> &str {
    let end = text.find(|c| !belong(c)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokens(text)
            .expect(text)
            .into_iter()
            .map(|token| token.kind)
            .collect()
    }

    #[test]
    fn every_sign_is_known() {
        use Comparison as C;
        use TokenKind as K;
        assert_eq!(
            kinds("== != < <= > >= && || ! ( ) ,"),
            [
                K::Comparison(C::Equal),
                K::Comparison(C::NotEqual),
                K::Comparison(C::Less),
                K::Comparison(C::LessOrEqual),
                K::Comparison(C::Greater),
                K::Comparison(C::GreaterOrEqual),
                K::And,
                K::Or,
                K::Not,
                K::Open,
                K::Close,
                K::Comma,
            ]
        );
    }

    #[test]
    fn spans_cover_exactly_the_tokens() {
        let text = "größe>=-1.5 \"a\\\"b\"`r#type`";
        let parts: Vec<&str> = tokens(text)
            .expect(text)
            .iter()
            .map(|token| &text[token.span.start..token.span.end])
            .collect();
        assert_eq!(parts, ["größe", ">=", "-1.5", "\"a\\\"b\"", "`r#type`"]);
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(
            kinds(r#""a\"b\\c""#),
            [TokenKind::Text(r#"a"b\c"#.to_owned())]
        );
    }

    #[test]
    fn faults_point_at_their_column() {
        for (text, column) in [
            ("a = 1", 3),
            ("a == 'x'", 6),
            ("a == \"x", 6),
            ("a == \"x\\", 6),
            ("a == \"x\\n\"", 8),
            ("`a == 1", 1),
            ("a == 5x", 6),
            ("market.trade", 7),
            ("a | b", 3),
            ("ü § 1", 3),
        ] {
            let error = tokens(text).expect_err(text);
            assert_eq!(error.column(), column, "{error}");
        }
    }
}
