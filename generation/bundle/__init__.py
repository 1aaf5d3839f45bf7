"""Bundles of models: their card, where their files come from, loading, and miniatures for tests."""
