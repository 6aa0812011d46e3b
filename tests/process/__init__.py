"""Real processes, attacked, killed and restarted."""
