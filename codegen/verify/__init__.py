"""References of the generated C: the NumPy integer graph, the integer localiser, the C on the host."""
