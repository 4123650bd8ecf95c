"""Trained models that come with tinyloc: a directory each, with the bundle and the card of measured figures."""
