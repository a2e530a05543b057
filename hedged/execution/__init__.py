"""Moving what is held to what is desired, with every step in the journal before it is taken."""
