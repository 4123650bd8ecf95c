"""One small file a command or command group. Modules are imported inside the commands, so that `--help` is quick."""
