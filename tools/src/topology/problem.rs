//! A mistake in a topology file: where, what, and what to do.

use std::fmt;

/// How bad a problem is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It works; it will not work well.
    Warning,
    /// It does not work.
    Error,
}

/// A mistake.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(
            formatter,
            "line {}: {severity}: {}; {}",
            self.line, self.message, self.remedy
        )
    }
}

/// Problems, in the order in which they were found.
#[derive(Debug)]
pub struct Problems<'a> {
    text: &'a str,
    found: Vec<Problem>,
}

impl<'a> Problems<'a> {
    /// None yet, in `text`.
    pub fn new(text: &'a str) -> Self {
        Problems {
            text,
            found: Vec::new(),
        }
    }

    /// The line of byte `offset`, from 1.
    pub fn line_of(&self, offset: usize) -> usize {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        1 + before.iter().filter(|&&byte| byte == b'\n').count()
    }

    /// Adds an error at byte `offset`.
    pub fn error(&mut self, offset: usize, message: impl Into<String>, remedy: impl Into<String>) {
        self.found.push(Problem {
            severity: Severity::Error,
            line: self.line_of(offset),
            message: message.into(),
            remedy: remedy.into(),
        });
    }

    /// Adds a warning at byte `offset`.
    pub fn warning(
        &mut self,
        offset: usize,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.error(offset, message, remedy);
        if let Some(problem) = self.found.last_mut() {
            problem.severity = Severity::Warning;
        }
    }

    /// The problems, by line.
    pub fn into_sorted(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| problem.line);
        self.found
    }
}
