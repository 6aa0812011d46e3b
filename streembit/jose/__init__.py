"""Keys, signatures, sealing and key files; the only place that makes a Verified."""
