"""What a run was worth: every figure with its definition, its unit, what it is made of and how sure it is."""
