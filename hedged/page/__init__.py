"""What every HTML page that a command writes shares: its frame, looks, chart kit and wording."""
