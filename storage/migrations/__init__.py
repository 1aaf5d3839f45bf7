"""The catalog's schema over time, by Alembic."""
