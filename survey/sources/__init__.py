"""Where readings come from, behind one interface."""
