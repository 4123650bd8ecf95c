"""Replace the model of a deployed device: what goes into a slot, and how it gets there over the link."""
