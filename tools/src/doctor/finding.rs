//! What a check found, and what to do about it.

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As an expert would have it.
    Ok,
    /// Good to know; costs little, or cannot be helped from here.
    Note,
    /// Costs latency.
    Warning,
    /// The plan does not work.
    Error,
}

/// What a check found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// The check's name.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is so.
    pub found: String,
    /// What should be.
    pub expected: String,
    /// Why it matters, and what it costs.
    pub why: String,
    /// The command or setting that mends it; empty where nothing is to be mended.
    pub remedy: String,
}

impl Finding {
    /// A finding of `check`.
    pub fn new(check: &'static str, severity: Severity) -> Self {
        Finding {
            check,
            severity,
            found: String::new(),
            expected: String::new(),
            why: String::new(),
            remedy: String::new(),
        }
    }

    /// `severity` where `good` does not hold, else fine.
    pub fn judged(check: &'static str, good: bool, severity: Severity) -> Self {
        Finding::new(check, if good { Severity::Ok } else { severity })
    }

    /// What is so.
    pub fn found(mut self, found: impl Into<String>) -> Self {
        self.found = found.into();
        self
    }

    /// What should be.
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = expected.into();
        self
    }

    /// Why it matters.
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    /// What mends it; dropped where there is nothing to mend.
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        if self.severity > Severity::Ok {
            self.remedy = remedy.into();
        }
        self
    }
}
