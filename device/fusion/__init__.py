"""Images of the UWB and dead-reckoning fusion, and their evaluation."""
