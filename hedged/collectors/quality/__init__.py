"""Whether what the venues tell can be believed: a judgement on top of what was received, which is recorded as it is."""
