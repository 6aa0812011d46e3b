"""Conversations that outlive a link: prekeys, ratchets, parcels, and one contact's messages."""
