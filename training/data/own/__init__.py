"""A user's own radio map: text files that a small TOML file describes (docs/reference/data.md)."""

from tinyloc.training.data.own.load import load

NAME = "csv"

__all__ = ["NAME", "load"]
