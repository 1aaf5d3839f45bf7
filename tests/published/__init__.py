"""Checkpoints in the published layout: every file, configuration, key and shape, with random values."""
