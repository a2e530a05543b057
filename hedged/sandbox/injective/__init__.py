"""A local Injective: a state machine without I/O, and thin gRPC and HTTP servers around it."""
