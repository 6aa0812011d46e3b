"""Keys, signatures, sealed data and key files."""
