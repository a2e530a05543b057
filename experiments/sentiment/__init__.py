"""What a sentiment or whale column would have to know to be worth it (docs/experiments.md)."""
