"""The distributed hash table's rules: ids, table, look-ups, puts, records and store; it decides and never sends."""
