//! Values as fields of a CSV file.

use super::FieldValue;
use std::fmt::{self, Write as _};

/// A value as a field of a CSV file: see [`FieldValue::csv`].
///
/// ```
/// use selvedge_query::FieldValue;
///
/// assert_eq!(FieldValue::Text(b"AAPL").csv().to_string(), "AAPL");
/// assert_eq!(FieldValue::Text(b"say \"no\"").csv().to_string(), r#""say ""no""""#);
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CsvValue<'a>(pub(super) FieldValue<'a>);

impl fmt::Display for CsvValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            FieldValue::Text(bytes) => CsvText(&String::from_utf8_lossy(bytes)).fmt(f),
            FieldValue::Bytes([]) => f.write_str("\"\""),
            other => other.fmt(f),
        }
    }
}

/// Text as a field of a CSV file, quoted where it must be: where it is empty, begins or ends with
/// white space, or holds a comma, a quote or a line break.
///
/// ```
/// use selvedge_query::CsvText;
///
/// assert_eq!(CsvText("a,b").to_string(), "\"a,b\"");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CsvText<'a>(pub &'a str);

impl fmt::Display for CsvText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0;
        let plain =
            !text.is_empty() && text.trim() == text && !text.contains([',', '"', '\n', '\r']);
        if plain {
            return f.write_str(text);
        }
        f.write_char('"')?;
        for (index, part) in text.split('"').enumerate() {
            if index > 0 {
                f.write_str("\"\"")?;
            }
            f.write_str(part)?;
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_needs_quotes_has_them() {
        for (text, shown) in [
            ("", "\"\""),
            ("plain text", "plain text"),
            (" led", "\" led\""),
            ("a;b", "a;b"),
            ("a,b", "\"a,b\""),
            ("a\nb", "\"a\nb\""),
            ("\"", "\"\"\"\""),
        ] {
            assert_eq!(CsvText(text).to_string(), shown);
            if !text.ends_with(' ') {
                assert_eq!(FieldValue::Text(text.as_bytes()).csv().to_string(), shown);
            }
        }
        let price = FieldValue::Signed {
            integer: -15,
            scale: -1,
        };
        assert_eq!(price.csv().to_string(), "-1.5");
        assert_eq!(FieldValue::Bytes(&[0xAB]).csv().to_string(), "ab");
        assert_eq!(FieldValue::Bytes(&[]).csv().to_string(), "\"\"");
    }

    /// Reads one line of CSV as RFC 4180 describes it.
    fn read(line: &str) -> Vec<String> {
        let mut fields = vec![String::new()];
        let mut characters = line.chars().peekable();
        let mut inside = false;
        while let Some(character) = characters.next() {
            let field = fields.last_mut().expect("a field");
            match (character, inside) {
                ('"', true) if characters.peek() == Some(&'"') => {
                    characters.next();
                    field.push('"');
                }
                ('"', _) => inside = !inside,
                (',', false) => fields.push(String::new()),
                (other, _) => field.push(other),
            }
        }
        fields
    }

    proptest! {
        #[test]
        fn any_texts_are_read_back(texts in proptest::collection::vec("[ab,\" \n\r]*|.*", 1..5)) {
            let line: Vec<String> = texts.iter().map(|text| CsvText(text).to_string()).collect();
            prop_assert_eq!(read(&line.join(",")), texts);
        }
    }
}
