"""Simulated walks: gait, ranging, sites, recordings."""
