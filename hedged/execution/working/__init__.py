"""From what is desired to orders that are worked until it is held: differences, attempts, pairs, limits on rate."""
