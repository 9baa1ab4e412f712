//! The stream on disk: append-only segments, verified and replayed.
