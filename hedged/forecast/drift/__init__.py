"""What shows that a model drifts, or that the market it was made for is another one. Pure."""
