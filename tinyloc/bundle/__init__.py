"""The bundle: the directory that carries a model from export to the device."""
