"""Frames, message types and strict JSON."""
