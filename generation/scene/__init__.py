"""A shot laid out: who is where, cut-outs, light, and the collage that drawing starts from."""
