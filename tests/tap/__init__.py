"""The twistd commands."""
