"""The model's life, rehearsed: the daemon lives through recorded history with everything on, and beside it without."""
