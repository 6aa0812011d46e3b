"""The distributed hash table's rules: places, table, look-ups, records; it decides, never sends."""
