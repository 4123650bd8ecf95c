"""Run a test set on a device and record what it answers."""
