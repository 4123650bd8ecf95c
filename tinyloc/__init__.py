"""The command line of tinyloc: one small file a command group, no logic."""
