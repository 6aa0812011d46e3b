"""What is said to a router that opens ports."""
