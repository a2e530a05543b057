"""Local venues: a market simulator that plays Injective and two CEXs, so that everything runs without a network."""
