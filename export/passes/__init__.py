"""Passes over a float file: operators in the form that devices have kernels for."""
