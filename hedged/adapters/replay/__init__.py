"""Recorded (or simulated) tables told as a venue would have told them: nothing before it was known."""
