"""Forecasts of a whole window made before it is played, kept as arrays and in files."""
