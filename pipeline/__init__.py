"""A run's use cases, the only place where storage and the generation service meet."""
