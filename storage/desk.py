"""What a run works with: the catalog, the bucket and the generation service."""

from __future__ import annotations

from dataclasses import dataclass

from generation.client import GenerationClient
from storage.catalog import Catalog
from storage.objects import Objects


@dataclass(frozen=True, slots=True)
class Desk:
    """Opened connections, and the run on whose behalf they are used.

    ``run_id`` is recorded with what is planned and published, and makes the ids of jobs: a task that is tried again
    within its run finds its job again.
    """

    catalog: Catalog
    objects: Objects
    service: GenerationClient
    run_id: str
