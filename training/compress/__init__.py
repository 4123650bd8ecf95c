"""Compression: what makes a trained model smaller, and what it costs in bytes."""
