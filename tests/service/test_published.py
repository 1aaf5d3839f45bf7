"""The service with each family's bundle on checkpoints in the published layout: all stages, into a real bucket."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from brief.recipe import take
from embedded.seaweedfs import SeaweedServer
from generation.bundle.card import read_card, write_card
from generation.face import CANDIDATES, ROUNDS
from service.protocol import Stage
from storage.bucket import keys as object_keys
from storage.bucket.objects import Objects
from storage.bucket.settings import ObjectSettings
from tests.published.bundles import BUNDLES, BY_REPOSITORY, FAMILIES, local
from tests.published.checkpoints import write
from tests.running_service import running_service
from tests.service.test_service import run, shots


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("name", FAMILIES)
def test_a_shot_goes_through_all_stages(
    name: str, s3_server: SeaweedServer, packshot: Image.Image, tmp_path: Path
) -> None:
    card = read_card(BUNDLES / name)
    for layout in {BY_REPOSITORY[value] for value in card.source.values() if value in BY_REPOSITORY}:
        write(tmp_path / layout, layout)
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    write_card(bundle, local(card, tmp_path))
    settings = ObjectSettings("service", s3_server.endpoint, s3_server.access_key, s3_server.secret_key)
    objects = Objects(settings)
    objects.ensure_bucket()
    with running_service(bundle, settings) as service:
        (shot,) = shots(objects, service, packshot, f"light {name}")
        item = {"shot": shot, "take": take(shot.key, shot.seed, 1)}
        face = run(service, Stage.FACE, [{"portrait_key": shot.portrait_key, "persona": shot.persona}], name)
        made = [run(service, stage, [item], name) for stage in (Stage.COMPOSE, Stage.REFINE, Stage.SCORE)]
    assert [result.error for results in (face, *made) for result in results.values()] == [None] * 4
    assert all(results for results in made)
    assert shot.portrait_key is not None
    chosen = objects.get(object_keys.portrait(shot.portrait_key))
    candidates = [objects.get(key) for key in objects.list_keys(object_keys.candidates(shot.portrait_key))]
    assert len(candidates) == ROUNDS * CANDIDATES
    assert chosen in candidates
