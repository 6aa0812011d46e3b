"""What a hub and its members decide: who is let in, what is passed on, what a lie looks like."""
