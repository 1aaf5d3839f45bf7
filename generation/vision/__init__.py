"""Small models that look at pictures instead of making them: matting, faces, upscaling. torch, numpy and Pillow only.

Their weights are ``bundles/judges``. Nothing here knows a take, a bundle of painters or a threshold.
"""
