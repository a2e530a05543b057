"""Limits, and the gate: the only place where an intent becomes sendable."""
