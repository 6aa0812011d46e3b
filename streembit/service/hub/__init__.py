"""The hub as a service: who is joined, what goes where, what waits."""
