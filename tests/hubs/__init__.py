"""The hub as a service, over the in-memory network."""
