//! Exhaustive models of the fabric's lock-free protocols.
