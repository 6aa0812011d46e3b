"""A hub's rules: admission, sessions, streams, lists."""
