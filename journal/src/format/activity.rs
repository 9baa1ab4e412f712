//! The entries of an Activity block: who did what.

use selvedge_fabric::shared::text::cut_text;

/// Bytes of an entry before its text.
const ENTRY_BYTES: usize = 24;

/// The longest text of an entry, in bytes.
pub const MAX_ACTIVITY_TEXT: usize = 4096;

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Action {
    /// The journal's writer started.
    WriterStarted = 1,
    /// The journal's writer finished.
    WriterFinished = 2,
    /// A consumer attached.
    ConsumerAttached = 3,
    /// A consumer detached or died.
    ConsumerDetached = 4,
    /// A producer attached.
    ProducerAttached = 5,
    /// A producer detached or died.
    ProducerDetached = 6,
    /// The configuration was changed.
    ConfigurationChanged = 7,
    /// An operator's command.
    OperatorAction = 8,
    /// The clock's error bound went beyond what was configured.
    ClockBreach = 9,
    /// A sequencer took the fabric.
    SequencerStarted = 10,
    /// Another action of a later version.
    Other = 0xFFFF,
}

impl Action {
    fn from_code(code: u16) -> Self {
        match code {
            1 => Action::WriterStarted,
            2 => Action::WriterFinished,
            3 => Action::ConsumerAttached,
            4 => Action::ConsumerDetached,
            5 => Action::ProducerAttached,
            6 => Action::ProducerDetached,
            7 => Action::ConfigurationChanged,
            8 => Action::OperatorAction,
            9 => Action::ClockBreach,
            10 => Action::SequencerStarted,
            _ => Action::Other,
        }
    }
}

/// Who did what, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Activity {
    /// When, UTC nanoseconds by the host's clock.
    pub at: u64,
    /// What.
    pub action: Action,
    /// The process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// Its executable; empty where it could not be read.
    pub executable: String,
    /// On what.
    pub detail: String,
}

impl Activity {
    /// Appends the entry to an Activity block's payload.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let text = |text: &str| cut_text(text, MAX_ACTIVITY_TEXT).as_bytes().to_vec();
        let (executable, detail) = (text(&self.executable), text(&self.detail));
        out.extend_from_slice(&self.at.to_le_bytes());
        out.extend_from_slice(&(self.action as u16).to_le_bytes());
        out.extend_from_slice(&(executable.len() as u16).to_le_bytes());
        out.extend_from_slice(&(detail.len() as u16).to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.pid.to_le_bytes());
        out.extend_from_slice(&self.uid.to_le_bytes());
        out.extend_from_slice(&executable);
        out.extend_from_slice(&detail);
        out.resize(out.len().next_multiple_of(8), 0);
    }

    /// The entries of an Activity block's payload.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode_all(mut payload: &[u8]) -> Result<Vec<Activity>, &'static str> {
        let mut entries = Vec::new();
        while !payload.is_empty() {
            let Some((head, rest)) = payload.split_first_chunk::<ENTRY_BYTES>() else {
                return Err("an activity's entry ends early");
            };
            let u16_at = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
            let u32_at = |at: usize| {
                u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
            };
            let (first, second) = (usize::from(u16_at(10)), usize::from(u16_at(12)));
            let text = |range: std::ops::Range<usize>| {
                rest.get(range)
                    .and_then(|bytes| std::str::from_utf8(bytes).ok())
                    .map(str::to_owned)
                    .ok_or("an activity's text is cut short or not UTF-8")
            };
            let mut at = [0; 8];
            at.copy_from_slice(&head[..8]);
            entries.push(Activity {
                at: u64::from_le_bytes(at),
                action: Action::from_code(u16_at(8)),
                pid: u32_at(16),
                uid: u32_at(20),
                executable: text(0..first)?,
                detail: text(first..first + second)?,
            });
            payload = rest
                .get((first + second).next_multiple_of(8)..)
                .ok_or("an activity's padding is cut short")?;
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn activities_survive_their_encoding() {
        let entry = |action, detail: &str| Activity {
            at: 7,
            action,
            pid: 8,
            uid: 9,
            executable: "/usr/bin/x".to_owned(),
            detail: detail.to_owned(),
        };
        let entries = vec![
            entry(Action::WriterStarted, ""),
            entry(Action::ClockBreach, "größer"),
        ];
        let mut bytes = Vec::new();
        entries.iter().for_each(|entry| entry.encode(&mut bytes));
        assert_eq!(Activity::decode_all(&bytes), Ok(entries));
        assert!(Activity::decode_all(&bytes[..bytes.len() - 8]).is_err());
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Activity::decode_all(&bytes);
        }
    }
}
