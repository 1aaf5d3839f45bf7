"""Contact sheets to look at: the same things next to each other, so that eyes can judge what numbers miss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from brief.plan import plan as plan_campaign
from brief.types import Campaign, Environment, Framing, Persona, Product, Shot
from generation.models import Models
from training.evaluate.cast import Cast
from training.evaluate.draw import ANCHORS_OFF, blank_pages, draw_shots, scenes_of, wordless
from training.sheets import save_images

_PEOPLE, _PLACES, _PRODUCTS = 8, 4, 8
_RETAKEN, _TAKES = 3, 4


def draw_sheets(
    models: Models, cast: Cast, portraits: Mapping[str, Image.Image], shots: Sequence[Shot], folder: Path
) -> None:
    """Write people by places, products, takes, ablation and the text-only baseline as PNG files."""
    people = list(cast.personas.values())[:_PEOPLE]
    products, places = list(cast.products.values()), list(cast.places.values())
    many = _shots(models, people, products[:1], places[1 : 1 + _PLACES], Framing.HELD)
    _sheet(models, many, cast, portraits, folder / "people-by-places.png", _PLACES)
    things = _shots(models, people[:1], products[:_PRODUCTS], places[1:2], Framing.PLINTH)
    _sheet(models, things, cast, portraits, folder / "products.png", _PRODUCTS)
    _takes_sheet(models, shots[:_RETAKEN], cast, portraits, folder / "takes.png")
    _ablation_sheet(models, shots[:4], cast, portraits, folder / "ablation.png")


def draw_portrait_sheet(cast: Cast, portraits: Mapping[str, Image.Image], folder: Path) -> None:
    """Write what the renderer and the bundle make of the same people, side by side."""
    people = list(cast.personas.values())[: 2 * _PEOPLE]
    pairs = [image for who in people for image in (cast.rendered[who.name], portraits[who.name])]
    labels = [text for _ in people for text in ("rendered", "generated")]
    save_images(pairs, 8, folder / "portraits.png", labels)


def _shots(
    models: Models,
    people: Sequence[Persona],
    products: Sequence[Product],
    places: Sequence[Environment],
    framing: Framing,
) -> list[Shot]:
    """Every combination, in the order of people, products, places, all with the product on the same side."""
    card = models.painter.card
    campaign = Campaign(
        name="sheet",
        title="Sheet",
        products=(),
        environments=tuple(place.name for place in places),
        personas=tuple(person.name for person in people),
        framings=(framing,),
    )
    rows = (
        {product.sku: product for product in products},
        {place.name: place for place in places},
        {person.name: person for person in people},
    )
    found = plan_campaign(campaign, *rows, card.info).shots
    order = {person.name: number for number, person in enumerate(people)}
    return sorted(found, key=lambda shot: (order[shot.persona.name] if shot.persona else -1, shot.environment.name))


def _sheet(
    models: Models, shots: Sequence[Shot], cast: Cast, portraits: Mapping[str, Image.Image], file: Path, columns: int
) -> None:
    scenes = scenes_of(models, shots, cast, portraits)
    labels = [f"{shot.persona.name if shot.persona else ''} {shot.environment.name}" for shot in shots]
    save_images(draw_shots(models, scenes, paste=True, label=file.stem), columns, file, labels)


def _takes_sheet(
    models: Models, shots: Sequence[Shot], cast: Cast, portraits: Mapping[str, Image.Image], file: Path
) -> None:
    """A row per shot: what a person gets who asks for another take."""
    numbers = range(1, _TAKES + 1)
    scenes = [scenes_of(models, shots, cast, portraits, number=number) for number in numbers]
    drawn = [draw_shots(models, each, paste=True, label=file.stem) for each in scenes]
    images = [row[at] for at in range(len(shots)) for row in drawn]
    save_images(images, _TAKES, file, [f"take {number}" for _ in shots for number in numbers])


def _ablation_sheet(
    models: Models, shots: Sequence[Shot], cast: Cast, portraits: Mapping[str, Image.Image], file: Path
) -> None:
    """Per shot: as shipped; adapters alone, without words; each adapter off; words alone."""
    off = {name: {f"{name}_strength": 0.0} for name in ("face", "product", "environment")}
    silent = wordless(shots)
    cases = {
        "adapters": (silent, ANCHORS_OFF),
        **{f"no {name}": (silent, {**ANCHORS_OFF, **changes}) for name, changes in off.items()},
        "words only": (shots, {**ANCHORS_OFF, **off["face"], **off["product"], **off["environment"]}),
    }
    rows = [draw_shots(models, scenes_of(models, shots, cast, portraits), paste=True, label="shipped")]
    for case, (told, changes) in cases.items():
        scenes = scenes_of(models, told, cast, portraits, changes)
        shown = scenes if models.painter.hint is None else blank_pages(scenes)
        rows.append(draw_shots(models, shown, paste=False, label=case))
    names = ["shipped", *cases]
    images = [row[at] for at in range(len(shots)) for row in rows]
    save_images(images, len(names), file, names * len(shots))
