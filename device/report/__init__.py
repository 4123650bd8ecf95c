"""Text, JSON and HTML views of an evaluation."""
