"""What the operator sees: logs, metrics, the HTTP page."""
