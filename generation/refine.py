"""Refinement: small steps over the composed picture, each kept only if the picture is the better for it.

Light, polish, face and texture, in this order; what is kept to the end is put back after each, at the final size, from
the packshot and the photo themselves, so that no step can invent it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from PIL import Image, ImageDraw, ImageFilter

from generation.models import Models
from generation.painter import Repaint
from generation.scene.light import match_light
from generation.scene.material import Material, Result
from generation.scene.regions import to_mask
from generation.scene.scene import Scene, delivered_scene, drawn_scene, put_back
from generation.score.measure import measure
from generation.vision.models import shipped
from generation.vision.portrait import face_square

_SHARPEN = ImageFilter.UnsharpMask(radius=1.0, percent=60, threshold=2)
_WORSE_BY = 0.02
_NOT_REFINED = ("cutout", "label", "safety")
"""Dimensions that no step can better: they are measured of the finished picture alone."""
_UPSCALED = 1.25
"""Enlargement from which a net that draws detail is worth it."""
_LARGE_FACE = 0.35
"""Of the edge at which the models draw: a face of that size has all the detail that they give."""
_FACE_STRENGTH = 0.35


@dataclass(frozen=True, slots=True)
class Draft:
    """A picture on its way: the best so far, of the size of its scene, its scores and what was done to it.

    Attributes:
        scene: laid out at the size that the shot asks for.
        drawn: laid out at the size at which the models draw.
    """

    scene: Scene
    drawn: Scene
    best: Image.Image
    values: Mapping[str, float]
    notes: tuple[str, ...]


Step = Callable[[Models, Sequence[Draft]], list[Image.Image | None]]
"""Makes a picture from each draft, or ``None`` where the recipe leaves the step out."""


def refine_pictures(models: Models, drafts: Sequence[Draft]) -> list[Result]:
    """The refined pictures of a batch, each in the size its shot asks for, with notes on what each step did."""
    for name, step in _STEPS.items():
        drafts = [_better(models, name, draft, made) for draft, made in zip(drafts, step(models, drafts), strict=True)]
    return [Result(draft.scene.material.key, draft.best, notes=draft.notes) for draft in drafts]


def begin(models: Models, material: Material) -> Draft:
    """The composed picture of one take, in the size its shot asks for, measured.

    Raises:
        ValueError: an image is missing or cannot be read.
    """
    composed = material.before
    drawn = drawn_scene(models.painter.card, models.painter.size_step, material, models.painter.hint)
    scene = delivered_scene(models.painter.card, material, models.painter.hint)
    if scene.size == drawn.size:
        scene = drawn
    resized, notes = _in_size(models, composed, scene.size)
    best = put_back(resized, scene)
    values = measure(models.scoring, models.painter.card, scene, best, but=_NOT_REFINED).values
    return Draft(scene, drawn, best, values, notes)


def _in_size(models: Models, picture: Image.Image, size: tuple[int, int]) -> tuple[Image.Image, tuple[str, ...]]:
    """The picture in ``size``, and how it was enlarged."""
    grown = max(size[0] / picture.width, size[1] / picture.height)
    if grown <= 1:
        return picture.resize(size, Image.Resampling.LANCZOS), ()
    how = "Lanczos"
    if grown >= _UPSCALED:
        upscaler = models.upscaler or shipped(str(models.painter.device)).upscaler
        how = upscaler.name
        picture = upscaler.upscale(picture)
    note = f"size: enlarged {grown:.2f} times by {how}"
    return picture.resize(size, Image.Resampling.LANCZOS), (note,)


def _better(models: Models, name: str, draft: Draft, made: Image.Image | None) -> Draft:
    """``draft`` with ``made`` in its place, if that is no worse."""
    if made is None:
        return draft
    made = put_back(made, draft.scene)
    values = measure(models.scoring, models.painter.card, draft.scene, made, but=_NOT_REFINED).values
    fell = _worsened_dimensions(draft.values, values)
    if fell:
        return replace(draft, notes=(*draft.notes, f"{name}: kept the picture before, {fell}"))
    return replace(draft, best=made, values=values, notes=(*draft.notes, f"{name}: done"))


def _worsened_dimensions(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """In words, why the picture before is the better one; empty if it is not.

    The mean may not fall, and no dimension by more than a little: one may not pay for another.
    """
    for name, value in before.items():
        if after.get(name, 0.0) < value - _WORSE_BY:
            return f"{name} would fall from {value:.2f} to {after.get(name, 0.0):.2f}"
    if sum(after.values()) < sum(before.values()):
        return "nothing would be better for it"
    return ""


def _light(models: Models, drafts: Sequence[Draft]) -> list[Image.Image | None]:
    """Draw the colours of the place a little towards the photo's own."""
    return [match_light(draft.best, draft.scene.material.place, to_mask(draft.scene.regions.place)) for draft in drafts]


def _polish(models: Models, drafts: Sequence[Draft]) -> list[Image.Image | None]:
    """Draw the last part of the steps again over the picture (img2img), at the models' own size."""
    asked = [number for number, draft in enumerate(drafts) if draft.scene.recipe.polish_strength > 0]
    orders = [
        Repaint(
            draft.drawn,
            draft.best.resize(draft.drawn.size, Image.Resampling.LANCZOS),
            draft.scene.recipe.polish_strength,
        )
        for draft in (drafts[number] for number in asked)
    ]
    made: list[Image.Image | None] = [None] * len(drafts)
    for number, image in zip(asked, models.painter.repaint(orders) if orders else (), strict=True):
        made[number] = image.resize(drafts[number].best.size, Image.Resampling.LANCZOS)
    return made


def _face(models: Models, drafts: Sequence[Draft]) -> list[Image.Image | None]:
    """Draw a small face again, alone and as large as the models draw, and put it back (as ADetailer does).

    Off where the painter has no adapter for faces, or draws no photographs, in which faces are found.
    """
    made: list[Image.Image | None] = [None] * len(drafts)
    painter = models.painter
    if models.vision is None or "face" not in painter.card.adapters:
        return made
    squares = {number: square for number, draft in enumerate(drafts) if (square := _small_face(models, draft))}
    edge = min(painter.card.width, painter.card.height) // painter.size_step * painter.size_step
    orders = [
        Repaint(
            drafts[number].drawn,
            drafts[number].best.crop(square).resize((edge, edge), Image.Resampling.LANCZOS),
            _FACE_STRENGTH,
            face_only=True,
        )
        for number, square in squares.items()
    ]
    for (number, square), face in zip(squares.items(), painter.repaint(orders) if orders else (), strict=True):
        made[number] = _with_face(drafts[number].best, square, face)
    return made


def _small_face(models: Models, draft: Draft) -> tuple[int, int, int, int] | None:
    """A square round the person's face; ``None`` where it is large, kept as the portrait has it, or not found."""
    place = draft.scene.material.layout.face
    if models.vision is None or place is None or draft.scene.recipe.face_keep >= 1:
        return None
    left, top, right, bottom = place.pixels(draft.best.size)
    card, shrunk = models.painter.card, max(draft.drawn.size) / max(draft.best.size)
    for face in models.vision.faces.detect(draft.best):
        if left <= face.middle[0] <= right and top <= face.middle[1] <= bottom:
            small = face.edge * shrunk < _LARGE_FACE * min(card.width, card.height)
            return face_square(draft.best.size, face) if small else None
    return None


def _with_face(picture: Image.Image, square: tuple[int, int, int, int], face: Image.Image) -> Image.Image:
    """``picture`` with ``face`` in ``square``, fading towards its border."""
    edge = square[2] - square[0]
    mask = Image.new("L", (edge, edge))
    rim = edge // 8
    ImageDraw.Draw(mask).ellipse((rim, rim, edge - rim, edge - rim), fill=255)
    made = picture.copy()
    small = face.resize((edge, edge), Image.Resampling.LANCZOS)
    made.paste(small, square[:2], mask.filter(ImageFilter.GaussianBlur(rim / 2)))
    return made


def _texture(models: Models, drafts: Sequence[Draft]) -> list[Image.Image | None]:
    return [draft.best.filter(_SHARPEN) for draft in drafts]


_STEPS: dict[str, Step] = {"light": _light, "polish": _polish, "face": _face, "texture": _texture}
