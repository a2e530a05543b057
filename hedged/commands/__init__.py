"""Commands: what one types, one file a subject; `cli.py` registers them."""
