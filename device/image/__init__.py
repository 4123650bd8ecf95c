"""Firmware images: build, footprint, stack."""
