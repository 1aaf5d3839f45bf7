"""What is kept: the catalog in PostgreSQL and the bucket. Knows no run and no service."""
