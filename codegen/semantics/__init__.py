"""What operators mean: the table of rules, the shapes of results, and the graph run in NumPy."""
