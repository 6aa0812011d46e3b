"""Programs that measure Streembit, alone and beside its peers."""
