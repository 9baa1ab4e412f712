//! The messages that market data and order routing put on the fabric.

mod any;
pub mod market;
mod normalise;
mod publish;
pub mod routing;
mod side;

pub use any::{FIRST_ROUTING_TYPE, MarketMessage};
pub use market::*;
pub use publish::Publish;
pub use routing::*;
pub use side::Side;
