"""Tests of streembit.net."""
