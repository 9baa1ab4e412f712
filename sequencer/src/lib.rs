//! The agent that imposes one total order on every producer's messages.
