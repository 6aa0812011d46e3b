"""What outlives the process: key files, records, sequence numbers, known peers, settings."""
