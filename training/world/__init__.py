"""A small rendered world of vinyl figures, products and places, with exact masks and captions.

Start at :mod:`training.world.scene` (what is in a picture), :mod:`training.world.picture` (pixels) and
:mod:`training.world.dataset` (rendered shards as training examples).
"""
