//! Market data and order routing on the fabric: ITCH 5.0, normalised messages, order books, a simulated exchange and a strategy.
