//! An order gateway that talks to the outside world only of what is on stable storage.
//!
//! It reads orders from the stream, and sends each one only once the journal's `durable` position
//! has passed the order's sequence: no loss of power can make the exchange know of an order that
//! the journal does not.
//!
//! `cargo run -p selvedge-journal --example order_gateway -- FABRIC [MESSAGE_TYPE]`

use selvedge_fabric::frame::system::FIRST_SYSTEM_TYPE;
use selvedge_fabric::host::IdleStrategy;
use selvedge_fabric::{Fabric, Start};
use selvedge_journal::JournalView;
use std::collections::VecDeque;
use std::error::Error;

/// The most orders that wait for the disk; then the gateway reads no further.
const MAX_WAITING: usize = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments
        .next()
        .ok_or("usage: order_gateway FABRIC [MESSAGE_TYPE]")?;
    let order_type: Option<u16> = arguments.next().map(|text| text.parse()).transpose()?;
    let fabric = Fabric::attach(&name)?;
    let journal = JournalView::attach(&fabric)?;
    let mut stream = fabric
        .consumer("order-gateway")
        .start(Start::Latest)
        .attach()?;
    // Orders in the stream, not yet on stable storage.
    let mut waiting: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
    let mut idle_rounds = 0;
    loop {
        let room = MAX_WAITING.saturating_sub(waiting.len()).min(64);
        let mut worked = 0;
        if room > 0 {
            worked += stream.poll(room, |frame| {
                let header = frame.header();
                let message_type = header.message_type();
                if message_type < FIRST_SYSTEM_TYPE
                    && order_type.is_none_or(|of| of == message_type)
                {
                    waiting.push_back((header.sequence(), frame.payload().to_vec()));
                }
            })?;
        }
        let durable = journal.durable();
        while let Some((sequence, order)) = waiting.front()
            && *sequence <= durable
        {
            send(*sequence, order);
            waiting.pop_front();
            worked += 1;
        }
        if worked > 0 {
            idle_rounds = 0;
            continue;
        }
        if !waiting.is_empty() && journal.alarm().state.stopped() {
            eprintln!("{} orders wait: {:?}", waiting.len(), journal.alarm());
        }
        IdleStrategy::Park.idle(idle_rounds);
        idle_rounds += 1;
    }
}

/// Here the order would go to the exchange.
fn send(sequence: u64, order: &[u8]) {
    println!("order {sequence}: {} bytes sent", order.len());
}
