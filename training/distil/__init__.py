"""Distillation: bigger models teach the one that is deployed."""
