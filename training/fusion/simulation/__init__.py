"""Simulated walks: gait, ranging, sites."""
