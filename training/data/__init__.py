"""Data sets: one loader a file, one table that names them."""
