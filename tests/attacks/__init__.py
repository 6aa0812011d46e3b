"""Whole nodes in memory, attacked by a hostile peer."""
