"""TCP protocols around frames and links, dialling, and connection limits."""
