//! Shared-memory rings, messages, and attaching to them: the core of the Selvedge messaging
//! fabric.

#[cfg(target_endian = "big")]
compile_error!("shared memory and journal are little-endian; big-endian hosts are not supported");

// The message macro names this crate by its public name, inside it too.
extern crate self as selvedge_fabric;

pub mod frame;
pub mod message;
pub mod protocol;

#[doc(hidden)]
pub use zerocopy;
