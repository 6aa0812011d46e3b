"""Frames, message types and strict JSON: bytes in, typed immutable values out."""
