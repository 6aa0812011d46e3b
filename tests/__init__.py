"""What Streembit promises, each promise as a test."""
