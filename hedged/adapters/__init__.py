"""Adapters: venues behind the ports. Paper trades on any market data; replay tells recorded data as they were known."""
