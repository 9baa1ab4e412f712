//! Replaying a journal: fresh books, a fresh strategy, a fresh exchange, and the question whether
//! they do again what was done that day.

use super::roles::{ExchangeCore, StrategyCore};
use crate::error::{Result, ToolError};
use selvedge_fabric::frame::SourceId;
use selvedge_journal::JournalReader;
use selvedge_market::bbo::BboWriter;
use selvedge_market::book::BookLimits;
use selvedge_market::messages::MarketMessage;
use std::collections::VecDeque;
use std::path::Path;

/// What a replay gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replayed {
    /// Hash over the strategy's state.
    pub state_hash: String,
    /// Hash over the books.
    pub book_hash: String,
    /// Orders that the fresh strategy sent.
    pub orders: u64,
    /// Fills that the fresh exchange gave.
    pub fills: u64,
    /// Messages of sources, each counted once.
    pub distinct_messages: u64,
    /// Messages found more than once.
    pub duplicated: u64,
    /// Messages before an earlier one of their source.
    pub reordered: u64,
    /// Lines of the file with best bids and offers.
    pub bbo_lines: Option<u64>,
    /// The first thing that was not done again as it was done.
    pub difference: Option<String>,
}

impl Replayed {
    /// An error where something was not done again.
    pub fn check(&self, journal: &Path) -> Result<()> {
        match &self.difference {
            Some(detail) => Err(ToolError::ReplayDiffers {
                journal: journal.display().to_string(),
                detail: detail.clone(),
            }),
            None => Ok(()),
        }
    }
}

/// What one role sent: what the replay makes it send is compared with what the journal says.
struct Comparison {
    role: &'static str,
    expected: VecDeque<MarketMessage>,
}

impl Comparison {
    fn new(role: &'static str) -> Self {
        Comparison {
            role,
            expected: VecDeque::new(),
        }
    }

    /// The journal's next message of this role must be the replay's.
    fn check(&mut self, sequence: u64, journaled: &MarketMessage) -> Option<String> {
        match self.expected.pop_front() {
            Some(replayed) if replayed == *journaled => None,
            Some(replayed) => Some(format!(
                "frame {sequence}: the {} sent {journaled:?}, the replay sends {replayed:?}",
                self.role
            )),
            None => Some(format!(
                "frame {sequence}: the {} sent {journaled:?}, the replay sends nothing",
                self.role
            )),
        }
    }
}

/// The place of each source's last message.
#[derive(Default)]
struct SourceOrder {
    next: Vec<u64>,
    duplicated: u64,
    reordered: u64,
    distinct: u64,
}

impl SourceOrder {
    fn see(&mut self, source: SourceId, source_sequence: u64) {
        let source = source as usize;
        if self.next.len() <= source {
            self.next.resize(source + 1, 1);
        }
        let next = self.next[source];
        if source_sequence == next {
            self.next[source] = next + 1;
            self.distinct += u64::from(source != 0);
        } else if source_sequence + 1 == next {
            self.duplicated += 1;
        } else {
            // Behind by more, or ahead of one that is missing.
            self.reordered += 1;
            self.next[source] = next.max(source_sequence + 1);
        }
    }
}

/// Replays the journal in `directory`; writes best bids and offers to `bbo`.
pub fn replay(directory: &Path, bbo: Option<&Path>) -> Result<Replayed> {
    let mut reader = JournalReader::open(directory)?;
    let mut strategy = StrategyCore::new()?;
    let mut exchange = ExchangeCore::new()?;
    let mut bbo = bbo
        .map(|path| BboWriter::create(path, BookLimits::default()))
        .transpose()?;
    let mut orders = Comparison::new("strategy");
    let mut answers = Comparison::new("gateway");
    let mut order = SourceOrder::default();
    let mut difference = None;
    while let Some((header, payload)) = reader.next()? {
        let sequence = header.sequence();
        order.see(header.source(), header.source_sequence());
        let message = MarketMessage::decode(header.message_type(), payload)?;
        if let Some(message) = &message {
            let comparison = match message {
                MarketMessage::NewOrder(_) | MarketMessage::StrategyFinished(_) => {
                    Some(&mut orders)
                }
                other if other.is_routing() => Some(&mut answers),
                _ => None,
            };
            if let Some(comparison) = comparison {
                let found = comparison.check(sequence, message);
                difference = difference.or(found);
            }
            if let Some(bbo) = &mut bbo {
                bbo.on_message(sequence, message)?;
            }
        }
        strategy.on_frame(&header, payload, message.as_ref(), &mut |sent| {
            orders.expected.push_back(*sent);
        })?;
        exchange.on_message(sequence, message.as_ref(), &mut |sent| {
            answers.expected.push_back(*sent);
        })?;
    }
    for comparison in [&orders, &answers] {
        if let Some(message) = comparison.expected.front() {
            difference.get_or_insert_with(|| {
                format!(
                    "the replayed {} sends {message:?}, which the journal does not have",
                    comparison.role
                )
            });
        }
    }
    let bbo_lines = bbo
        .map(BboWriter::finish)
        .transpose()?
        .map(|(_, lines)| lines);
    Ok(Replayed {
        state_hash: strategy.state_hash(),
        book_hash: strategy.book_hash(),
        orders: strategy.counters().orders,
        fills: exchange.counters().fills,
        distinct_messages: order.distinct,
        duplicated: order.duplicated,
        reordered: order.reordered,
        bbo_lines,
        difference,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_within_a_source_is_judged() {
        let mut order = SourceOrder::default();
        for (source, sequence) in [(1, 1), (2, 1), (1, 2), (1, 2), (1, 4), (1, 3), (0, 1)] {
            order.see(source, sequence);
        }
        assert_eq!(
            (order.distinct, order.duplicated, order.reordered),
            (3, 1, 2)
        );
    }
}
