"""What is said to a router that opens ports: PCP and NAT-PMP, without a socket."""
