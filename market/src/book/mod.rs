//! Full-depth, order-level books: who waits at which price, in which order.

mod books;
mod levels;
mod orders;
mod reference_map;

pub use books::{BookAnomalies, BookEffect, BookLimits, LiveOrder, OrderBooks};
pub use levels::PriceLevel;
pub(crate) use reference_map::ReferenceMap;
