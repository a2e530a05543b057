"""What `hedged check` looks at, each a function of its own that says what it found and what to do about it."""
