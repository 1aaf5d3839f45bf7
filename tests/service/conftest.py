"""The stand-in bundle of the tests of ``generation``."""

from tests.generation.conftest import bundle, miniature, packshot

__all__ = ["bundle", "miniature", "packshot"]
