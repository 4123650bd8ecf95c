"""Operators: a file for each, with its meaning, its integer reference and its C call."""
