"""The rig: a hostile peer, networks of real processes, and what must hold whatever they do."""
