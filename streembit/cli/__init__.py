"""The command line `streembit`: accounts by their files, all else by the running node's API."""
