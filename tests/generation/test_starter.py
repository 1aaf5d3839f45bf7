"""The bundle that ships: whole, loadable, and able to draw a portrait of the sample's people."""

from __future__ import annotations

import json
from pathlib import Path

from brief.face_spec import FaceSpec
from brief.types import Persona
from generation.studio import Studio

ROOT = Path(__file__).parents[2]


def test_the_shipped_bundle_draws_different_people() -> None:
    rows = [json.loads(line) for line in (ROOT / "examples/catalog/personas.jsonl").read_text().splitlines()]
    people = {row["name"]: Persona(row["name"], FaceSpec.from_mapping(row["face"]), row["seed"]) for row in rows}
    studio = Studio.open(ROOT / "bundles" / "starter", "cpu")
    assert not studio.card.stand_in
    portraits = {result.key: result.image for result in studio.faces(people)}
    assert set(portraits) == set(people)
    drawn = [image.tobytes() for image in portraits.values() if image is not None]
    assert len(set(drawn)) == len(people)
