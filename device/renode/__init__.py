"""Renode: platform files, scripts and runs."""
