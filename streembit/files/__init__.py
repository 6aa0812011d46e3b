"""Transfers of files: names, lists, sending and receiving, as decisions."""
