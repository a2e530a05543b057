"""Data in: what venues say, sampled into bars."""
