"""How good a funding forecaster is, measured walk-forward against baselines on the same origins."""
