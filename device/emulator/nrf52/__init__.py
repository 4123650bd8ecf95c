"""nRF52: what firmware that polls a UART can tell from the real parts."""
