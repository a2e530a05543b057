"""What was decided and why, as it is written and told."""
