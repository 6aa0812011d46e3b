"""Homes as each release wrote them: later ones must read them for ever."""
