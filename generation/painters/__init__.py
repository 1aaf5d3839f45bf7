"""Ways to paint: one folder per kind of model."""
