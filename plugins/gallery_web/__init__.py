"""The pages of the gallery: server-side HTML, small enough for a phone, nothing to build."""
