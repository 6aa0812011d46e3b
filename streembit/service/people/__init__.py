"""The people of an account on the real network: links to contacts, cards, parcels, talks."""
