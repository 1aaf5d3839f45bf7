"""What the stages take and give, for one take of one shot. Images come as files' bytes or decoded, never as keys."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from generation.brief import Scorecard, Shot, Take
from generation.image_file import read_image

ImageSource = bytes | Image.Image
"""An image file's bytes, or a decoded image (mode RGB or RGBA)."""


class MissingInput(ValueError):
    """A stage was not given an image that it needs; says which."""


@dataclass(frozen=True, slots=True)
class TakeInputs:
    """A take with its images.

    Attributes:
        packshot, photo: of the shot's product and environment.
        portrait: of the shot's persona; ``None`` only where the framing shows nobody.
        picture: what the stage before made: ``compose`` takes none, ``refine`` the composed picture, ``score`` the
            refined one.
    """

    shot: Shot
    take: Take
    packshot: ImageSource
    photo: ImageSource
    portrait: ImageSource | None = None
    picture: ImageSource | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a stage made of one item. Exactly one of ``image``, ``scorecard`` and ``error`` is set.

    Attributes:
        key: the take's key, or the portrait's.
        error: why it failed, in words for the person who must act; the other items went on.
        notes: what was done or left undone ("polish: kept the picture before, sharpness fell").
        seconds: wall-clock time, a batch's time shared equally among its items.
    """

    key: str
    image: Image.Image | None = None
    scorecard: Scorecard | None = None
    error: str | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


def opened(source: ImageSource | None, what: str) -> Image.Image:
    """Decode ``source``.

    Raises:
        MissingInput: there is none.
        generation.image_file.ImageRefused: it is not an image that can be used.
    """
    if source is None:
        raise MissingInput(f"{what} is missing")
    return read_image(source, what) if isinstance(source, bytes) else source
