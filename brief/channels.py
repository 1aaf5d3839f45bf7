"""Channels: presets of renditions with their rules as data, and which part of a picture a rendition shows.

A campaign names a preset, or a preset with changes, where it could spell out a rendition; the campaign then holds the
rendition in full, so that a later Lookbook with other presets changes nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brief.errors import BriefError
from brief.formats import RENDITION_FORMATS
from brief.types import MAX_RENDITION, Area, Rendition

MB = 1024 * 1024
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "web-square": {"width": 1080, "height": 1080, "format": "webp", "quality": 85, "min_edge": 500},
    "social-portrait": {"width": 1080, "height": 1350, "format": "jpeg", "quality": 88, "min_edge": 320},
    "story": {"width": 1080, "height": 1920, "format": "jpeg", "quality": 88, "min_edge": 500},
    "hero": {"width": 1920, "height": 1080, "format": "webp", "quality": 85, "min_edge": 600},
    "google-merchant": {
        "width": 1200, "height": 1200, "format": "jpeg", "quality": 92, "min_edge": 500, "max_bytes": 16 * MB,
        "full_colour": True,
    },
    "marketplace-main": {
        "width": 2000, "height": 2000, "format": "jpeg", "quality": 92, "min_edge": 1000, "max_bytes": 10 * MB,
        "full_colour": True, "fill": 0.85,
    },
    **{
        f"layer-{name}": {"layer": name, "width": MAX_RENDITION, "height": MAX_RENDITION, "format": "png"}
        for name in ("place", "shadow", "person", "product", "drawn")
    },
}  # fmt: skip
"""Rules by channel, as their help pages had them in 2026: Google Merchant wants 500 pixels, 16 MB and nothing scaled up
(support.google.com/merchants/answer/6324350); marketplaces such as Amazon want the product alone on exact white,
filling 85 % of the frame, from 1,000 pixels for zoom; the social formats are 4:5 and 9:16, the hero 16:9."""

MARGIN = 0.02
"""Air around what a window must hold, as a share of the picture's longer edge."""
MOST_ADDED = 0.25
"""Share of a rendition that may be added to the picture where no window of the right shape holds what it must."""


class PresetUnknown(BriefError):
    """A rendition names a preset that does not exist; says which there are."""


def expanded(wanted: Any) -> Any:
    """A rendition as a campaign's row gives it, presets filled in: a name (``"story"``), or an object with ``preset``.

    Anything else is given back as it is.

    Raises:
        PresetUnknown: there is no such preset.
    """
    values = {"preset": wanted} if isinstance(wanted, str) else wanted
    if not isinstance(values, Mapping) or "preset" not in values:
        return wanted
    preset = values["preset"]
    if not isinstance(preset, str) or preset not in PRESETS:
        raise PresetUnknown(f"preset {preset!r} is unknown; there are {', '.join(PRESETS)}")
    own = {name: value for name, value in values.items() if name != "preset"}
    return {"name": preset, **PRESETS[preset], **own}


def contradiction(rendition: Rendition) -> str | None:
    """What cannot be about a rendition whatever the picture is."""
    if rendition.format not in RENDITION_FORMATS:
        return f"format is {rendition.format!r}, it must be one of {', '.join(RENDITION_FORMATS)}"
    if rendition.full_colour and RENDITION_FORMATS[rendition.format].full_colour is None:
        able = ", ".join(name for name, row in RENDITION_FORMATS.items() if row.full_colour is not None)
        return f"{rendition.format} halves the resolution of colour; with full_colour take one of {able}"
    if rendition.layer and rendition.format == "jpeg":
        return "jpeg has no transparency, which a layer needs; take png, webp or avif"
    if rendition.min_edge > min(rendition.width, rendition.height):
        return f"min_edge is {rendition.min_edge}, more than its shorter edge; make it larger, or min_edge smaller"
    return None


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a picture that a rendition shows, in pixels; it may reach over the picture's edges.

    Attributes:
        added: share of the window that lies outside the picture, 0 to 1.
        problem: why it cannot be used without a person's approval.
    """

    left: int
    top: int
    right: int
    bottom: int
    added: float = 0.0
    problem: str | None = None

    @property
    def size(self) -> tuple[int, int]:
        return self.right - self.left, self.bottom - self.top


def window(picture: tuple[int, int], shape: tuple[int, int], held: Mapping[str, Area]) -> Window:
    """The window of a ``shape`` (width, height, of which only the ratio counts) on a picture of a size.

    The largest within the picture, about its middle, moved as far as it must be to hold all that is ``held`` (areas in
    fractions of the picture, by what they show). If none holds it, the window grows over the picture's edges, up to
    :data:`MOST_ADDED`, and not where something held touches the edge, since the picture is continued from there.
    """
    width, height = picture
    scale = min(width / shape[0], height / shape[1])
    if not held:
        return _about((width / 2, height / 2), _pixels(shape, scale), picture)
    air = MARGIN * max(picture)
    left = max(0.0, min(each.left for each in held.values()) * width - air)
    top = max(0.0, min(each.top for each in held.values()) * height - air)
    right = min(width, max(each.right for each in held.values()) * width + air)
    bottom = min(height, max(each.bottom for each in held.values()) * height + air)
    size = _pixels(shape, max(scale, (right - left) / shape[0], (bottom - top) / shape[1]))
    middle = (_between(width, size[0], left, right), _between(height, size[1], top, bottom))
    found = _about(middle, size, picture)
    if found.added == 0.0:
        return found
    return Window(found.left, found.top, found.right, found.bottom, found.added, _problem(found, picture, held))


def _pixels(shape: tuple[int, int], scale: float) -> tuple[int, int]:
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def _between(length: int, window_length: int, start: float, end: float) -> float:
    """The middle of a window nearest to the picture's, from which it holds ``start`` to ``end``."""
    middle = length / 2
    return min(max(middle, end - window_length / 2), start + window_length / 2)


def _about(middle: tuple[float, float], size: tuple[int, int], picture: tuple[int, int]) -> Window:
    left, top = (round(at - edge / 2) for at, edge in zip(middle, size, strict=True))
    if size[0] <= picture[0]:
        left = min(max(left, 0), picture[0] - size[0])
    if size[1] <= picture[1]:
        top = min(max(top, 0), picture[1] - size[1])
    right, bottom = left + size[0], top + size[1]
    inside = (min(right, picture[0]) - max(left, 0)) * (min(bottom, picture[1]) - max(top, 0))
    return Window(left, top, right, bottom, round(1 - inside / (size[0] * size[1]), 4))


def _problem(found: Window, picture: tuple[int, int], held: Mapping[str, Area]) -> str | None:
    shape = f"{found.size[0]}:{found.size[1]}"
    names = " and ".join(held)
    advice = "compose the campaign in that shape (its width and height), or take another framing"
    if found.added > MOST_ADDED:
        return f"no part of the picture of shape {shape} holds {names}; {advice}"
    # What is added at an edge is the picture mirrored there, up to as far inside as it reaches outside.
    over = (-found.left, -found.top, found.right - picture[0], found.bottom - picture[1])
    width, height = picture
    for name, area in held.items():
        gaps = (area.left * width, area.top * height, (1 - area.right) * width, (1 - area.bottom) * height)
        if any(beyond > 0 and beyond > gap for beyond, gap in zip(over, gaps, strict=True)):
            return f"{name} is too near to the edge at which shape {shape} needs more picture; {advice}"
    return None
