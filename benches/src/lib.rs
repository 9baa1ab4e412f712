//! Benchmarks of the fabric against the limit of the machine.
