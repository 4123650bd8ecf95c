"""Updatable programs: one image, any model of its architecture, whose constants are data behind one pointer."""
