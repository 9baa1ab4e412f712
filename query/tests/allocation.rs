//! Matching takes no memory.

mod common;

use common::{TestNames, header, schemas};
use selvedge_fabric::message::Message;
use selvedge_market::messages::AddOrder;
use selvedge_query::Query;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting for each thread.
struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting takes no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn matching_allocates_nothing() {
    let text = "price >= 585.00 && size in (1, 2, 300) && side == \"B\" && symbol == \"AAPL\" \
                && time >= \"09:30:00\" && source == \"exchange\" && !(reference > 1_000)";
    let before = ALLOCATIONS.get();
    let query = Query::parse(text, &schemas()).expect("a query");
    assert!(ALLOCATIONS.get() > before, "the counter counts");
    let header = header(AddOrder::TYPE, size_of::<AddOrder>());
    let mut payload = [0; size_of::<AddOrder>()];
    payload[16..20].copy_from_slice(&5_850_000_u32.to_le_bytes());
    payload[20..24].copy_from_slice(&300_u32.to_le_bytes());
    payload[28] = 13;
    payload[30] = b'B';
    let before = ALLOCATIONS.get();
    let mut matched = 0;
    for price in 5_849_000_u32..5_851_000 {
        payload[16..20].copy_from_slice(&price.to_le_bytes());
        matched += u32::from(query.matches(&header, &payload, &TestNames));
    }
    assert_eq!(ALLOCATIONS.get(), before);
    assert_eq!(matched, 1_000);
}
