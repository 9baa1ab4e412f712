//! The three answers of a condition.

/// What a condition says of a message. Only [`Truth::True`] matches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Truth {
    /// It does not hold.
    False,
    /// The message has nothing to say: it lacks the field, or a name is not known.
    Unknown,
    /// It holds.
    True,
}

impl Truth {
    /// The opposite; of what is not known, nothing is known.
    pub(crate) const fn not(self) -> Self {
        match self {
            Truth::False => Truth::True,
            Truth::Unknown => Truth::Unknown,
            Truth::True => Truth::False,
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Truth::True } else { Truth::False }
    }
}
