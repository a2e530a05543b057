"""The registry of models: which there are, where they come from, which one serves."""
