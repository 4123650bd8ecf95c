"""The study of the fusion: runs, variants, tables."""
