"""The model's life in the running daemon: which serves, how it does, what takes its place."""
