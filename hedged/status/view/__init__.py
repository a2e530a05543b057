"""The status page as HTML: every part of it from the status document alone."""
