"""A take with its images: what every stage starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from PIL import Image

from brief.errors import GenerationError
from brief.images import read_image
from brief.types import Composition, Measurements, Shot, Take
from generation.scene.collage import fit, height_shown
from generation.scene.cutout import Cutout, cut_out
from generation.scene.layout import LAYOUTS, Layout, Variation, layout_of, standing_surface

ImageSource = bytes | Image.Image
"""An image file's bytes, or a decoded image (mode RGB or RGBA)."""

_CUTOUTS = 16
"""Cut-outs that are remembered: the shots of a shard share their products."""


class MissingInput(GenerationError, ValueError):
    """A stage was not given an image that it needs; says which."""


@dataclass(frozen=True, eq=False)
class Material:
    """A take with its images as they were delivered; each is decoded when it is first looked at.

    Attributes:
        packshot, photo: of the shot's product and environment.
        portrait: of the shot's persona; ``None`` only where the framing shows nobody.
        picture: what the stage before made: ``compose`` takes none, ``refine`` the composed picture, ``score`` the
            refined one.
        references: of the shot's campaign, by the role of the adapter that is shown them; none for most.
    """

    shot: Shot
    take: Take
    packshot: ImageSource
    photo: ImageSource
    portrait: ImageSource | None = None
    picture: ImageSource | None = None
    references: Mapping[str, ImageSource] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The take's."""
        return self.take.key

    @cached_property
    def variation(self) -> Variation:
        """How this take differs from others of its framing."""
        return Variation.of(self.take.seed)

    @cached_property
    def layout(self) -> Layout:
        """Raises ``ValueError`` if the photo cannot be read, whose surface the product stands on."""
        size = (self.shot.width or 1, self.shot.height or 1)
        return layout_of(
            self.shot.framing,
            self.shot.seed,
            size,
            height_cm=self.shot.product.height_cm,
            surface=self._surface(size) if LAYOUTS[self.shot.framing].stands and max(size) > 1 else None,
            variation=self.variation,
        )

    def _surface(self, size: tuple[int, int]) -> float | None:
        """Where the surface begins in a picture of ``size``: as the team chose it, else as the photo tells."""
        chosen = self.shot.environment.surface
        if chosen is not None:
            return height_shown(chosen, self.place.size, size, self.variation)
        return standing_surface(fit(self.place, size, self.variation))

    @cached_property
    def cutout(self) -> Cutout:
        """The product alone, at the packshot's resolution.

        Raises:
            ValueError: it cannot be read or cut out.
        """
        what = f"packshot of {self.shot.product.sku!r}"
        if isinstance(self.packshot, bytes):
            return _cut_out_file(self.packshot, what)
        return cut_out(self.packshot, what)

    @cached_property
    def place(self) -> Image.Image:
        """The photo of the environment, RGB.

        Raises:
            ValueError: it cannot be read.
        """
        return opened(self.photo, f"photo of environment {self.shot.environment.name!r}").convert("RGB")

    @cached_property
    def person(self) -> Image.Image | None:
        """The persona's portrait, RGB; ``None`` where the framing shows nobody.

        Raises:
            ValueError: it is missing or cannot be read.
        """
        if not self.shot.framing.has_person:
            return None
        name = self.shot.persona.name if self.shot.persona else "nobody"
        return opened(self.portrait, f"portrait of {name!r}").convert("RGB")

    @cached_property
    def campaign_images(self) -> Mapping[str, Image.Image]:
        """What the campaign gives to all its pictures, RGB, by role.

        Raises:
            ValueError: one cannot be read.
        """
        campaign = self.shot.campaign
        return {
            role: opened(source, f"{role} of campaign {campaign!r}").convert("RGB")
            for role, source in self.references.items()
        }

    @cached_property
    def before(self) -> Image.Image:
        """What the stage before made, RGB.

        Raises:
            ValueError: it is missing or cannot be read.
        """
        return opened(self.picture, f"picture of {self.shot.product.sku!r}").convert("RGB")


@lru_cache(maxsize=_CUTOUTS)
def _cut_out_file(data: bytes, what: str) -> Cutout:
    return cut_out(read_image(data, what), what)


@dataclass(frozen=True, slots=True)
class Result:
    """What a stage made of one item. Exactly one of ``image``, ``measured`` and ``error`` is set; of a take that is
    explained, both of the first.

    Attributes:
        key: the take's key, or the portrait's.
        error: why it failed, in words for the person who must act; the other items went on.
        notes: what was done or left undone ("polish: kept the picture before, sharpness fell").
        seconds: wall-clock time, a batch's time shared equally among its items.
        candidates: what a portrait was chosen from, itself included; a person may choose another.
        composition: of a composed picture: what is where in it.
        cutout: of a take that was measured, the product as it was cut out.
    """

    key: str
    image: Image.Image | None = None
    measured: Measurements | None = None
    error: str | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    candidates: tuple[Image.Image, ...] = ()
    composition: Composition | None = None
    cutout: Image.Image | None = None


def opened(source: ImageSource | None, what: str) -> Image.Image:
    """Decode ``source``.

    Raises:
        MissingInput: there is none.
        brief.images.ImageRefused: it is not an image that can be used.
    """
    if source is None:
        raise MissingInput(f"{what} is missing")
    return read_image(source, what) if isinstance(source, bytes) else source
