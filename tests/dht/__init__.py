"""Tests of the distributed hash table's pure rules."""
