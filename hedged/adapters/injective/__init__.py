"""Injective perpetuals over the chain's gRPC, its indexer and its event stream, through injective-py."""
