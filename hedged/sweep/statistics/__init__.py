"""What many trials prove: pure functions of daily gains, corrected for how many were tried."""
