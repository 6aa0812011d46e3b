"""Tests of streembit.link."""
