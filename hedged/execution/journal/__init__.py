"""The journal: what was intended, sent, filled, paid and latched, on disk before anything hangs on it."""
