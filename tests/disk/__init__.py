"""Tests of what outlives the process, with a file layer that fails and dies on demand."""
