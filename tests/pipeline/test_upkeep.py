"""What is published is compared every night, and healed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from brief.types import BundleInfo, Publication, Shot
from pipeline.plan import plan_run
from pipeline.run import Run, RunRequest
from pipeline.upkeep import heal_published
from service.client import GenerationClient
from storage.bucket import keys as object_keys
from storage.bucket.errors import ObjectDamaged
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.catalog.records import TakeRecord
from storage.catalog.shots import Choice, Reprocess
from storage.catalog.tables import ShotState
from tests.pipeline.test_publish import RENDITIONS, refined
from tests.pipeline.test_publish import run as published_by
from tests.storage.samples import BUNDLE, RUN, campaign, planned

NOWHERE = GenerationClient("http://127.0.0.1:1", "nobody is asked")


def remove(objects: Objects, key: str) -> None:
    objects.delete(key)


def alter(objects: Objects, key: str) -> None:
    data = objects.get(key)
    objects.delete(key)
    objects.put(key, data[:-1] + b"?", object_keys.content_type(key))


@pytest.fixture
def published(catalog: Catalog, objects: Objects) -> tuple[Run, Shot, TakeRecord, Publication]:
    (shot,) = planned(catalog)
    catalog.save_campaigns([campaign(renditions=RENDITIONS)])
    ready = refined(catalog, objects, shot)
    return Run(catalog, objects, NOWHERE, RUN), *ready, published_by(ready, catalog, objects)


def files(publication: Publication) -> list[str]:
    return [publication.master.key, publication.manifest.key, *(ref.key for ref in publication.renditions.values())]


def assert_whole(run: Run, shot: Shot) -> None:
    now = run.catalog.history(shot.key).record
    assert now.state is ShotState.PUBLISHED
    assert now.publication is not None
    for ref in (now.publication.master, now.publication.manifest, *now.publication.renditions.values()):
        run.objects.get(ref.key, ref.sha256)


class KnowsItsBundle(GenerationClient):
    """A service that is asked for its bundle alone."""

    def bundle(self) -> BundleInfo:
        return BUNDLE


def test_a_run_that_is_asked_for_everything_heals_what_its_campaigns_published(
    published: tuple[Run, Shot, TakeRecord, Publication],
) -> None:
    run, shot, _, publication = published
    run = replace(run, service=KnowsItsBundle("http://127.0.0.1:1", "nobody is asked"))
    alter(run.objects, publication.master.key)
    everything = Choice(reprocess=Reprocess.ALL)
    for untouched in (RunRequest(), RunRequest(choice=everything, dry_run=True)):
        plan_run(run, untouched)
        with pytest.raises(ObjectDamaged):
            run.objects.get(publication.master.key, publication.master.sha256)
    plan_run(run, RunRequest(choice=everything))
    assert_whole(run, shot)


@pytest.mark.parametrize("harm", [remove, alter])
def test_every_file_that_is_lost_is_published_again(
    published: tuple[Run, Shot, TakeRecord, Publication], harm: Callable[[Objects, str], None]
) -> None:
    run, shot, _, publication = published
    assert heal_published(run) == {"whole": 1}
    keys = files(publication)
    assert len(keys) == 4
    for key in keys:
        harm(run.objects, key)
        assert heal_published(run) == {"healed": 1}, key
        assert_whole(run, shot)


def test_without_the_takes_picture_it_is_healed_from_the_master(
    published: tuple[Run, Shot, TakeRecord, Publication],
) -> None:
    run, shot, record, publication = published
    assert record.refined is not None
    run.objects.delete(record.refined.key)
    run.objects.delete(publication.renditions["web"].key)
    assert heal_published(run) == {"healed": 1}
    assert_whole(run, shot)


def test_where_nothing_is_left_it_is_made_again(published: tuple[Run, Shot, TakeRecord, Publication]) -> None:
    run, shot, record, publication = published
    assert record.refined is not None
    run.objects.delete(record.refined.key)
    run.objects.delete(publication.master.key)
    assert heal_published(run) == {"planned": 1}
    assert run.catalog.outstanding(shot.campaign) == [shot]
    assert list(run.objects.list_keys(object_keys.published(shot))) == []
