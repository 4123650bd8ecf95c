"""Host side of a device: build, link, emulator, serial port, evaluation, budgets, report."""
