"""Contacts: offers, requests, the book, pair records, the change of keys."""
