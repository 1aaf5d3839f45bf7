"""The catalog database: products, environments, personas, campaigns, shots, takes, publications, reviews."""
