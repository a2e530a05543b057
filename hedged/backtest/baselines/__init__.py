"""What else could have been done over a run's window: simple hedges and perfect foresight, at the run's own costs."""
