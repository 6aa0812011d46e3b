"""A node's hubs: sessions with them, links and mail through them, who is found there."""
