//! The hot loops allocate nothing once memory has grown to the day's needs.

mod common;

use common::simulation::simulate;
use selvedge_market::book::{BookLimits, OrderBooks};
use selvedge_market::exchange::Exchange;
use selvedge_market::feed::Feed;
use selvedge_market::itch::ItchFile;
use selvedge_market::messages::MarketMessage;
use selvedge_market::strategy::{Strategy, StrategyConfig};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is handed on to the system's allocator unchanged; counting neither allocates
// nor touches the memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above; the pointer came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn a_session_after_the_first_allocates_nothing() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
    let messages = common::normalised(&mut common::generated(31, 60_000, 4));
    let stream = simulate(&messages, StrategyConfig::default(), 2, |_, _| {}).stream;
    let (early, late) = stream.split_at(stream.len() / 2);

    let mut books = OrderBooks::new(BookLimits::default()).unwrap();
    let mut strategy = Strategy::new(StrategyConfig::default()).unwrap();
    let mut exchange = Exchange::new(BookLimits::default()).unwrap();
    let mut run = |messages: &[MarketMessage]| {
        let mut outputs = 0u64;
        for (sequence, message) in (1..).zip(messages) {
            books.apply(message).unwrap();
            strategy
                .on_message(sequence, message, &mut |_| outputs += 1)
                .unwrap();
            exchange
                .on_message(sequence, message, &mut |_| outputs += 1)
                .unwrap();
        }
        assert!(outputs > 100);
    };
    run(early);
    assert_eq!(allocations(|| run(late)), 0);
}

#[test]
fn reading_and_normalising_allocates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["day.itch", "day.itch.gz"] {
        let path = folder.path().join(name);
        common::generated(32, 20_000, 4).write_to(&path).unwrap();
        let mut feed = Feed::new(ItchFile::open(&path).unwrap());
        assert_eq!(feed.skip(100), Ok(100));
        let count = allocations(|| assert_eq!(feed.skip(19_000), Ok(19_000)));
        assert_eq!(count, 0, "{name}");
    }
}
