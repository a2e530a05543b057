"""Alerts out: what stands, whom it is told, and the sign of life for others to watch."""
