"""Contact offers, requests, the contact book, pair records and the change of keys."""
