//! One table of a topology file: takes its keys one by one, and names every mistake.

use super::problem::Problems;
use super::units::{parse_bytes, parse_duration};
use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Byte offset in the file.
    pub offset: usize,
}

/// A table being read.
pub struct Section<'a, 'i> {
    name: &'a str,
    table: Option<&'a DeTable<'i>>,
    /// Where the table begins.
    pub offset: usize,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a, 'i> Section<'a, 'i> {
    /// The table `name`, empty where there is none.
    pub fn new(name: &'a str, table: Option<&'a DeTable<'i>>, offset: usize) -> Self {
        Section {
            name,
            table,
            offset,
            asked: RefCell::new(Vec::new()),
        }
    }

    /// Whether the file has the table.
    pub fn present(&self) -> bool {
        self.table.is_some()
    }

    fn find(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.asked.borrow_mut().push(key);
        let (_, value) = self
            .table?
            .iter()
            .find(|(found, _)| found.get_ref().as_ref() == key)?;
        Some(value)
    }

    fn wrong(&self, problems: &mut Problems<'_>, at: usize, key: &str, found: &str, remedy: &str) {
        problems.error(
            at,
            format!("`{key}` in [{}] is {found}", self.name),
            remedy.to_owned(),
        );
    }

    /// A string.
    pub fn text(&self, key: &'static str, problems: &mut Problems<'_>) -> Option<At<String>> {
        let value = self.find(key)?;
        let offset = value.span().start;
        match value.get_ref() {
            DeValue::String(text) => Some(At {
                value: text.to_string(),
                offset,
            }),
            other => {
                let remedy = format!("write a string: {key} = \"…\"");
                self.wrong(problems, offset, key, &kind(other), &remedy);
                None
            }
        }
    }

    /// A string that must be there.
    pub fn required(&self, key: &'static str, problems: &mut Problems<'_>) -> Option<At<String>> {
        // A section that is not there at all has its own message.
        let table = self.table?;
        let there = table
            .iter()
            .any(|(found, _)| found.get_ref().as_ref() == key);
        if !there {
            self.asked.borrow_mut().push(key);
            problems.error(
                self.offset,
                format!("[{}] has no `{key}`", self.name),
                format!("add {key} = \"…\" below [{}]", self.name),
            );
            return None;
        }
        self.text(key, problems)
    }

    /// A whole number in a range.
    pub fn integer(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
        problems: &mut Problems<'_>,
    ) -> Option<At<u64>> {
        let value = self.find(key)?;
        let offset = value.span().start;
        let remedy = format!(
            "use a whole number from {} to {}",
            range.start(),
            range.end()
        );
        match value.get_ref() {
            DeValue::Integer(integer) => {
                let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
                match number.filter(|number| range.contains(number)) {
                    Some(value) => Some(At { value, offset }),
                    None => {
                        self.wrong(problems, offset, key, &integer.to_string(), &remedy);
                        None
                    }
                }
            }
            other => {
                self.wrong(problems, offset, key, &kind(other), &remedy);
                None
            }
        }
    }

    /// A power of two in a range.
    pub fn power_of_two(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
        problems: &mut Problems<'_>,
    ) -> Option<At<u64>> {
        let found = self.integer(key, range, problems)?;
        self.check_power(key, found, problems)
    }

    fn check_power(
        &self,
        key: &str,
        found: At<u64>,
        problems: &mut Problems<'_>,
    ) -> Option<At<u64>> {
        if found.value.is_power_of_two() {
            return Some(found);
        }
        let above = found.value.next_power_of_two();
        self.wrong(
            problems,
            found.offset,
            key,
            &format!("{}, which is not a power of two", found.value),
            &format!("use {} or {above}", above / 2),
        );
        None
    }

    /// Bytes, a power of two, as a number or with a unit.
    pub fn bytes(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
        power: bool,
        problems: &mut Problems<'_>,
    ) -> Option<At<u64>> {
        let value = self.find(key)?;
        let offset = value.span().start;
        let (parsed, written) = match value.get_ref() {
            DeValue::String(text) => (parse_bytes(text), format!("\"{text}\"")),
            DeValue::Integer(integer) => (
                u64::from_str_radix(integer.as_str(), integer.radix()).ok(),
                integer.to_string(),
            ),
            other => (None, kind(other)),
        };
        let Some(bytes) = parsed else {
            let remedy = "write a size such as \"512KiB\", \"1MiB\" or \"2GiB\"";
            self.wrong(problems, offset, key, &written, remedy);
            return None;
        };
        if !range.contains(&bytes) {
            let remedy = format!(
                "use {} to {}",
                crate::text::bytes(*range.start()),
                crate::text::bytes(*range.end())
            );
            self.wrong(problems, offset, key, &written, &remedy);
            return None;
        }
        let found = At {
            value: bytes,
            offset,
        };
        if power {
            self.check_power(key, found, problems)
        } else {
            Some(found)
        }
    }

    /// A duration that is not zero.
    pub fn duration(&self, key: &'static str, problems: &mut Problems<'_>) -> Option<At<Duration>> {
        let text = self.text(key, problems)?;
        match parse_duration(&text.value).filter(|duration| !duration.is_zero()) {
            Some(value) => Some(At {
                value,
                offset: text.offset,
            }),
            None => {
                let found = format!("\"{}\"", text.value);
                let remedy = "write a duration such as \"500us\", \"10ms\" or \"2s\"";
                self.wrong(problems, text.offset, key, &found, remedy);
                None
            }
        }
    }

    /// One of several words.
    pub fn one_of(
        &self,
        key: &'static str,
        words: &[&'static str],
        problems: &mut Problems<'_>,
    ) -> Option<At<&'static str>> {
        let text = self.text(key, problems)?;
        match words.iter().find(|word| **word == text.value) {
            Some(value) => Some(At {
                value,
                offset: text.offset,
            }),
            None => {
                let found = format!("\"{}\"", text.value);
                let remedy = format!("use one of: {}", words.join(", "));
                self.wrong(problems, text.offset, key, &found, &remedy);
                None
            }
        }
    }

    /// Names every key that nobody asked for. To be called last.
    pub fn finish(&self, problems: &mut Problems<'_>) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.into_iter().flat_map(DeTable::iter) {
            let name = key.get_ref().as_ref();
            if !asked.contains(&name) {
                problems.error(
                    key.span().start,
                    format!("[{}] knows no `{name}`", self.name),
                    suggestion(name, &asked),
                );
            }
        }
    }
}

/// What a value is, for a message.
pub fn kind(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{text}\""),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// What somebody who wrote `name` most likely meant.
pub fn suggestion(name: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|word| (distance(name, word), word))
        .filter(|(distance, word)| *distance <= 2.max(word.len() / 3))
        .min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((_, word)) => format!("did you mean `{word}`?"),
        None => format!("it knows {}", known.join(", ")),
    }
}

/// Levenshtein's distance: insertions, deletions and replacements between two words.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, candidate) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *candidate);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_suggested_only_where_it_is_near() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(
            suggestion("ilde", &["core", "idle"]),
            "did you mean `idle`?"
        );
        assert_eq!(
            suggestion("banana", &["core", "idle"]),
            "it knows core, idle"
        );
    }
}
