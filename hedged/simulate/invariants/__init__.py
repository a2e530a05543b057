"""One checker per invariant: a pure function from the history of a seed to what is wrong with it, or nothing."""
