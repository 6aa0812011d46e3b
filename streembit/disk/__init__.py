"""What outlives the process: key files, records, own sequence numbers, known peers, configuration."""
