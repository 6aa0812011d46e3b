"""Service trees of a node and a seed, and what they show to the outside."""
