"""Attempts that the product does not contain. `hedged` imports nothing of this folder (README.md)."""
