"""Colours of the world by the words that captions use, as linear light."""

from __future__ import annotations

Rgb = tuple[float, float, float]

SKIN: tuple[Rgb, ...] = (
    (0.80, 0.63, 0.56), (0.76, 0.53, 0.42), (0.70, 0.45, 0.31), (0.60, 0.37, 0.225), (0.51, 0.29, 0.165),
    (0.44, 0.24, 0.13), (0.33, 0.17, 0.085), (0.22, 0.108, 0.054), (0.135, 0.066, 0.038), (0.070, 0.036, 0.024),
)  # fmt: skip
"""Ten steps in the order of the Monk scale; warmer and more evenly spaced than its swatches, so that neighbours still
differ under the world's coloured lights."""

HAIR: dict[str, Rgb] = {
    "black": (0.025, 0.022, 0.026), "brown": (0.16, 0.075, 0.035), "blonde": (0.70, 0.46, 0.15),
    "red": (0.55, 0.14, 0.035), "grey": (0.30, 0.30, 0.33), "white": (0.78, 0.78, 0.80),
    "pink": (0.85, 0.25, 0.42), "blue": (0.10, 0.24, 0.62),
}  # fmt: skip

EYES: dict[str, Rgb] = {
    "brown": (0.17, 0.06, 0.02), "hazel": (0.50, 0.30, 0.06), "green": (0.10, 0.48, 0.16), "blue": (0.08, 0.34, 0.80),
    "grey": (0.40, 0.45, 0.50),
}  # fmt: skip

THINGS: dict[str, Rgb] = {
    "red": (0.75, 0.05, 0.05), "orange": (0.90, 0.30, 0.04), "yellow": (0.93, 0.68, 0.06),
    "green": (0.08, 0.42, 0.13), "teal": (0.03, 0.42, 0.42), "blue": (0.06, 0.18, 0.68),
    "purple": (0.32, 0.10, 0.52), "pink": (0.92, 0.36, 0.50), "white": (0.66, 0.66, 0.66),
    "black": (0.03, 0.03, 0.035), "navy": (0.03, 0.05, 0.20), "beige": (0.74, 0.58, 0.40),
}  # fmt: skip
"""Colours of products, clothes and glasses."""

PLINTH: Rgb = (0.82, 0.80, 0.77)
"""One look, round and pale: where nothing says which of several it is, a net draws the mean of them, a smear."""

BOLD_LIPS: Rgb = (0.62, 0.03, 0.09)
NATURAL_LIPS: Rgb = (0.74, 0.22, 0.22)
EYESHADOW: dict[str, Rgb] = {"natural": (0.58, 0.24, 0.20), "bold": (0.30, 0.08, 0.46)}
