"""The emulated microcontroller (Unicorn) with a strict memory map and a cycle model."""
