"""The ring buffer: the recent past of every series, in memory, with gaps and ages explicit."""
