"""Pictures: from a planned shot to a scored take. No storage, no HTTP."""
