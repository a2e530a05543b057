"""Pure functions from a window of bars to what a model reads."""
