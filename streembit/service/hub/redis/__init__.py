"""Several processes as one hub: what they share lies in Redis."""
