"""The C sources that run on the device, shipped as package data."""
