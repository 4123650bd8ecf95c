"""Localisation models in PyTorch: one architecture a file."""
