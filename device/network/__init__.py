"""Bare networks on a device: image, run, comparison."""
