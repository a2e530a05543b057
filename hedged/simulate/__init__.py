"""Deterministic simulation: the whole daemon on a virtual clock, venues in process, faults and crashes by a seed."""
