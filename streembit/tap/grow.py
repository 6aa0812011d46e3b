"""The services of a role, joined: the node, its local API, its figures, the watchdog."""
