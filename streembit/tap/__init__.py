"""From the command line to a running service: options, frozen settings, the tree that runs."""
