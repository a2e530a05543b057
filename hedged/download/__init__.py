"""History from the venues into a data directory."""
