"""`make run`: a network of real processes on this machine, tried out and shown."""
