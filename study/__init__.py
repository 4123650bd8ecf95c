"""Studies: grids of trainings, measured alike, kept as JSON, shown as tables and plots."""
