"""Virtual boards: peripherals of Arm's Cortex-M System Design Kit."""
