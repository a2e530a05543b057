"""Deciding: from forecasts and the book to desired hedge positions, with reasons. Pure functions of values."""
