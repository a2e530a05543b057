"""Wiring: what the configuration names, made and connected, for the daemon and for `hedged check`."""
