"""The measures of the starter bundle: features, identity, product, place. All shares are 0 to 1, higher is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageChops
from torch import Tensor
from torch.nn import functional

from brief.types import Persona
from generation.models import Models
from generation.scene.collage import fit
from generation.scene.cutout import PORTRAIT_HEAD, cut_out, on_white
from generation.scene.layout import Box
from generation.scene.regions import to_mask, to_shares
from generation.scene.scene import Scene
from generation.score.face_reader import FaceReader, Reading, read_faces
from generation.score.likeness import covered, crop_square
from training.evaluate.cast import Cast, TrueShot
from training.inpainting.measures import frechet_distance, seam


@dataclass(frozen=True, slots=True)
class Features:
    """How often a feature was read as asked: on generated portraits, on renderings of the same people, and their
    quotient; and per feature."""

    generated: float
    rendered: float
    ratio: float
    per_field: dict[str, tuple[float, float]]


def measure_features(
    reader: FaceReader,
    personas: Mapping[str, Persona],
    generated: Mapping[str, Image.Image],
    rendered: Mapping[str, Image.Image],
) -> Features:
    """Share of chosen features that the reader finds, over all people."""
    names = list(personas)
    hits = [
        _hits(personas, names, read_faces(reader, [crop_square(images[name], PORTRAIT_HEAD) for name in names]))
        for images in (generated, rendered)
    ]
    per_field = {field: (_mean(hits[0][field]), _mean(hits[1][field])) for field in hits[0]}
    both = [_mean([hit for found in side.values() for hit in found]) for side in hits]
    return Features(both[0], both[1], both[0] / max(both[1], 1e-9), per_field)


def measure_people(
    models: Models, scenes: Sequence[Scene], pictures: Sequence[Image.Image], true: Sequence[TrueShot]
) -> dict[str, float]:
    """Drawn people beside the renderings ``true`` of the same shots.

    ``likeness``: mean cosine of the reader's identity; ``features_drawn``: share of features read as asked, divided by
    the renderings'; ``sharpness``: spread of the Laplacian over the face, likewise; ``seam``: gradient across the
    person's outline, likewise; ``frechet``: distance of all pictures from all renderings by the bundle's own CLIP, as
    in FID (Heusel et al., 2017, arXiv:1706.08500).
    """
    reader = models.scoring.face_reader
    if reader is None:
        raise ValueError("this bundle has no face reader, so nothing can be said about its people")
    rendered = [each.image for each in true]
    sides = [
        [crop_square(image, _face(scene)) for scene, image in zip(scenes, images, strict=True)]
        for images in (pictures, rendered)
    ]
    drawn, real = (read_faces(reader, faces) for faces in sides)
    people = {number: scene.material.shot.persona for number, scene in enumerate(scenes)}
    known = {str(number): persona for number, persona in people.items() if persona is not None}
    asked, wanted = (
        _mean([hit for found in _hits(known, list(known), readings).values() for hit in found])
        for readings in (drawn, real)
    )
    spreads = [_mean([_laplacian(face) for face in faces]) for faces in sides]
    return {
        "likeness": _mean([float(one.identity @ two.identity) for one, two in zip(drawn, real, strict=True)]),
        "features_drawn": asked / max(wanted, 1e-9),
        "sharpness": spreads[0] / max(spreads[1], 1e-9),
        "seam": _seam(pictures, [_person(scene) for scene in scenes]) / _seam(rendered, [each.person for each in true]),
        "frechet": frechet_distance(_embedded(models, pictures), _embedded(models, rendered)),
    }


def _seam(pictures: Sequence[Image.Image], people: Sequence[Image.Image]) -> float:
    return seam(np.stack([np.asarray(each) for each in pictures]), torch.stack([to_shares(each) for each in people]))


def _person(scene: Scene) -> Image.Image:
    """Where the person of the portrait is seen, mode L."""
    if scene.figure is None:
        raise ValueError("this shot does not start from a portrait")
    return ImageChops.subtract(scene.figure.getchannel("A"), scene.product.getchannel("A"))


def _laplacian(image: Image.Image) -> float:
    grey = to_shares(image.convert("L"))[None, None]
    kernel = torch.tensor([[[[0, 1, 0], [1, -4, 1], [0, 1, 0.0]]]])
    return float(functional.conv2d(grey, kernel).std())


def _hits(personas: Mapping[str, Persona], names: Sequence[str], readings: Sequence[Reading]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for name, reading in zip(names, readings, strict=True):
        for field, value in personas[name].face.chosen().items():
            if field in reading.shares:
                found.setdefault(field, []).append(float(reading.best(field) == value))
    return found


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))


def identity_auc(reader: FaceReader, scenes: Sequence[Scene], pictures: Sequence[Image.Image]) -> float:
    """Chance that two shots of one persona are more alike than two shots of different ones."""
    faces = [crop_square(picture, _face(scene)) for scene, picture in zip(scenes, pictures, strict=True)]
    vectors = torch.stack([reading.identity for reading in read_faces(reader, faces)])
    people = [scene.material.shot.persona.name for scene in scenes if scene.material.shot.persona]
    return area_under_curve(vectors @ vectors.T, people)


def _face(scene: Scene) -> Box:
    if scene.material.layout.face is None:
        raise ValueError("this shot shows nobody")
    return scene.material.layout.face


def area_under_curve(likeness: Tensor, names: Sequence[str]) -> float:
    """Area under the ROC curve of ``likeness`` [n, n] for telling pairs of one name from pairs of two."""
    count = len(names)
    above = torch.ones(count, count).triu(1).bool()
    same = torch.tensor([[one == other for other in names] for one in names])
    alike, others = likeness[above & same], likeness[above & ~same]
    if not len(alike) or not len(others):
        return float("nan")
    wins = (alike[:, None] > others[None]).float() + 0.5 * (alike[:, None] == others[None]).float()
    return float(wins.mean())


def identity_to_portrait(reader: FaceReader, scenes: Sequence[Scene], pictures: Sequence[Image.Image]) -> float:
    """Mean cosine of the face in the picture and the portrait's."""
    faces = [crop_square(picture, _face(scene)) for scene, picture in zip(scenes, pictures, strict=True)]
    portraits = [crop_square(scene.material.person, PORTRAIT_HEAD) for scene in scenes if scene.material.person]
    found, wanted = read_faces(reader, faces), read_faces(reader, portraits)
    return _mean([float(one.identity @ two.identity) for one, two in zip(found, wanted, strict=True)])


def _embedded(models: Models, images: Sequence[Image.Image]) -> Tensor:
    if models.scoring.clip is None:
        raise ValueError("this bundle has no CLIP to compare pictures with")
    return functional.normalize(torch.stack([found.float() for found in models.scoring.clip.images(images)]), dim=1)


def product_retrieval(
    models: Models, scenes: Sequence[Scene], pictures: Sequence[Image.Image], cast: Cast, among: int = 50
) -> float:
    """Top-1: the right packshot among ``among``, from the picture inside the product's outline."""
    rows = list(cast.products.values())[:among]
    library = _embedded(models, [on_white(cut_out(cast.images[row.packshot.sha256]).image) for row in rows])
    skus = [row.sku for row in rows]
    hits, shown = [], []
    for scene, picture in zip(scenes, pictures, strict=True):
        if scene.material.shot.product.sku in skus:
            shown.append(_cut(scene, picture))
            hits.append(skus.index(scene.material.shot.product.sku))
    found = (_embedded(models, shown) @ library.T).argmax(1)
    return float((found == torch.tensor(hits)).float().mean())


def _cut(scene: Scene, picture: Image.Image) -> Image.Image:
    """The picture inside the product's outline, on white, framed as a packshot."""
    inside = picture.convert("RGBA")
    inside.putalpha(scene.product.getchannel("A"))
    box = scene.product.getchannel("A").getbbox()
    return on_white(inside.crop(box))


def place_accuracy(models: Models, scenes: Sequence[Scene], pictures: Sequence[Image.Image], cast: Cast) -> float:
    """Top-1: the right place of all, from the background alone, compared with each place's photo covered alike."""
    names = list(cast.places)
    hits = []
    for scene, picture in zip(scenes, pictures, strict=True):
        others = to_mask(1 - scene.regions.kept_place)
        photos = [covered(fit(cast.images[cast.places[name].photo.sha256], scene.size), others) for name in names]
        vectors = _embedded(models, [covered(picture, others), *photos])
        hits.append(float(names[int((vectors[1:] @ vectors[0]).argmax())] == scene.material.shot.environment.name))
    return _mean(hits)
