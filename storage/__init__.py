"""What is kept: the catalog's rows, the objects in the bucket, and the history of every published picture.

Nothing is imported here, so that ``import storage.object_keys`` costs nothing.
"""
