"""Hedges what perpetual funding on Injective would cost, all day long."""

__version__ = "0.1.0"
