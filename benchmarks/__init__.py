"""Measurements: how fast, how sound, how large. One command each: ``python -m benchmarks NAME``."""
