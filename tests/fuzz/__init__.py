"""Parsers against mutated input: whatever comes, they refuse it in an orderly way."""
