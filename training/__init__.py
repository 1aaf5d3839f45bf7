"""How the starter bundle is made: the world that is rendered, and the models trained on it."""
