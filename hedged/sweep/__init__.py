"""Searches configurations and models over walk-forward folds and books, and says whether the best is luck."""
