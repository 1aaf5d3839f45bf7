"""The service with a real bucket and a stand-in bundle."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from brief.errors import ServiceError
from brief.face_spec import FaceSpec
from brief.plan import plan
from brief.recipe import RECIPE_VERSION, portrait_key, take
from brief.types import Environment, Framing, ImageRef, Persona, Product, Shot
from embedded.seaweedfs import SeaweedServer
from service.app import MAX_BODY, create_app
from service.client import GenerationClient, JobNotFound
from service.protocol import ItemResult, Job, JobState, Stage
from service.settings import ServiceSettings
from storage.bucket import keys as object_keys
from storage.bucket.objects import Objects
from storage.bucket.settings import ObjectSettings
from tests.generation.conftest import picture
from tests.running_service import TOKEN, running_service
from tests.storage.samples import campaign

MUG = "MUG-1"
KEPT_FACES = 'lookbook_items_total{outcome="kept",stage="face"}'


@pytest.fixture(scope="module")
def settings(s3_server: SeaweedServer) -> ObjectSettings:
    chosen = ObjectSettings("service", s3_server.endpoint, s3_server.access_key, s3_server.secret_key)
    Objects(chosen).ensure_bucket()
    return chosen


@pytest.fixture(scope="module")
def objects(settings: ObjectSettings) -> Objects:
    return Objects(settings)


@pytest.fixture(scope="module")
def service(miniature: Path, settings: ObjectSettings) -> Iterator[GenerationClient]:
    """One service for all tests of this file: each asks for shots with a prompt of its own."""
    with running_service(miniature, settings) as client:
        yield client


@pytest.fixture
def door(miniature: Path, settings: ObjectSettings) -> TestClient:
    """A service whose worker never starts: what it takes in stays in its queue of one."""
    app = create_app(ServiceSettings(miniature, TOKEN, settings, queue=1))
    return TestClient(app, headers={"Authorization": f"Bearer {TOKEN}"})


def stored(objects: Objects, image: Image.Image, name: str) -> ImageRef:
    data = io.BytesIO()
    image.save(data, "PNG")
    return objects.put(f"catalog/{name}.png", data.getvalue(), "image/png").ref


def shots(objects: Objects, service: GenerationClient, packshot: Image.Image, prompt: str, **brief: Any) -> list[Shot]:
    """A campaign's shots with their input images in the bucket."""
    info = service.bundle()
    wanted = campaign(prompt=prompt, **brief)
    products = {MUG: Product(MUG, "red mug", "mug", stored(objects, packshot, "packshot"))}
    places = {
        name: Environment(name, f"on a {name}", stored(objects, picture(number), name))
        for number, name in enumerate(wanted.environments)
    }
    people = {"ana": Persona("ana", FaceSpec(age_band="senior"), 7)}
    return list(plan(wanted, products, places, people, info).shots)


def first(shot: Shot) -> dict[str, Any]:
    return {"shot": shot, "take": take(shot.key, shot.seed, 1)}


def ended(service: GenerationClient, job: Job) -> Job:
    deadline = time.monotonic() + 60
    while not (job := service.job(job.id)).state.over:
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
    return job


def run(
    service: GenerationClient, stage: Stage, items: list[dict[str, Any]], job: str = "job"
) -> dict[str, ItemResult]:
    over = ended(service, service.submit(f"{job}-{stage.value}", stage, items))
    assert (over.state, over.done) == (JobState.DONE, over.total)
    return {result.key: result for result in over.results}


def test_a_shot_goes_through_all_stages_and_lies_in_the_bucket(
    service: GenerationClient, objects: Objects, packshot: Image.Image
) -> None:
    (shot,) = shots(objects, service, packshot, "light 1")
    item = first(shot)
    face = run(service, Stage.FACE, [{"portrait_key": shot.portrait_key, "persona": shot.persona}])
    composed, refined, scored = (run(service, stage, [item]) for stage in (Stage.COMPOSE, Stage.REFINE, Stage.SCORE))
    made = take(shot.key, shot.seed, 1)
    for results, key in (
        (face, object_keys.portrait(shot.portrait_key or "")),
        (composed, object_keys.composed(made)),
        (refined, object_keys.refined(made)),
        (scored, object_keys.measurements(made, service.bundle().scorers)),
    ):
        (result,) = results.values()
        assert (result.object, result.error, result.kept) == (key, None, False)
        assert objects.sha256(key) == result.sha256
    measured = scored[made.key].measured
    assert measured is not None and measured.scorers == service.bundle().scorers
    cut = Image.open(io.BytesIO(objects.get(object_keys.cut_product(shot.product.packshot.sha256))))
    assert cut.mode == "RGBA"
    steps = json.loads((objects.head(object_keys.refined(made)) or pytest.fail("gone")).notes[object_keys.STEPS])
    assert [each.split(":")[0] for each in steps][-1] == "texture"
    assert Image.open(io.BytesIO(objects.get(object_keys.refined(made)))).size == (shot.width, shot.height)


def test_what_exists_is_kept_and_the_models_stay_idle(
    service: GenerationClient, objects: Objects, packshot: Image.Image
) -> None:
    (shot,) = shots(objects, service, packshot, "light 2")
    face = [{"portrait_key": shot.portrait_key, "persona": shot.persona}]
    (made,) = run(service, Stage.FACE, face, "once").values()
    before, kept_before = metric(service, "lookbook_unet_forwards_total"), metric(service, KEPT_FACES)
    (kept,) = run(service, Stage.FACE, face, "twice").values()
    assert (kept.kept, kept.sha256) == (True, made.sha256)
    assert metric(service, "lookbook_unet_forwards_total") == before
    assert metric(service, "lookbook_model_loads_total") == 1
    assert metric(service, KEPT_FACES) == kept_before + 1


def test_an_item_that_fails_says_why_and_the_others_go_on(
    service: GenerationClient, objects: Objects, packshot: Image.Image
) -> None:
    good, bad = shots(objects, service, packshot, "light 3", environments=("beach", "attic"), framings=(Framing.STILL,))
    lost = replace(bad.environment, photo=replace(bad.environment.photo, key="catalog/lost.png"))
    bad = replace(bad, environment=lost)
    results = run(service, Stage.COMPOSE, [first(bad), first(good)], "lost")
    assert results[take(good.key, good.seed, 1).key].error is None
    failed = results[take(bad.key, bad.seed, 1).key]
    assert failed.object is None
    assert not failed.transient
    assert "catalog/lost.png" in (failed.error or "")


def test_a_shot_of_another_bundle_is_not_made_under_its_key(
    service: GenerationClient, objects: Objects, packshot: Image.Image
) -> None:
    (shot,) = shots(objects, service, packshot, "at dawn")
    item = {"shot": {**asdict(shot), "prompt": "at dusk"}, "take": take(shot.key, shot.seed, 1)}
    (result,) = run(service, Stage.COMPOSE, [item], "dusk").values()
    assert "planned for another model bundle" in (result.error or "")
    assert not list(objects.list_keys(object_keys.takes_of(shot.key)))


def test_same_id_and_items_give_the_same_job_and_other_items_are_refused(service: GenerationClient) -> None:
    ana, ben = (Persona(name, FaceSpec(age_band="senior"), number) for number, name in enumerate(("ana", "ben")))
    bundle = service.bundle().fingerprint
    items = [[{"portrait_key": portrait_key(each, bundle), "persona": each}] for each in (ana, ben)]
    job = ended(service, service.submit("same", Stage.FACE, items[0]))
    assert service.submit("same", Stage.FACE, items[0]) == job
    with pytest.raises(ServiceError, match=r"409.*other items"):
        service.submit("same", Stage.FACE, items[1])


def test_a_bucket_that_is_gone_is_no_fault_of_the_item_and_the_job_can_be_asked_for_again(
    miniature: Path, settings: ObjectSettings, objects: Objects, packshot: Image.Image
) -> None:
    nowhere = ObjectSettings(settings.bucket, "http://127.0.0.1:9", "key", "secret-of-no-use", deadline=0.1)
    persona = Persona("ana", FaceSpec(age_band="senior"), 7)
    with running_service(miniature, nowhere) as service:
        items = [{"portrait_key": portrait_key(persona, service.bundle().fingerprint), "persona": persona}]
        for _ in range(2):
            job = ended(service, service.submit("again", Stage.FACE, items))
            assert [result.transient for result in job.results] == [True]
            assert "http://127.0.0.1:9" in (job.results[0].error or "")


def test_a_cancelled_job_ends_and_goes_on_when_asked_for_again(
    service: GenerationClient, objects: Objects, packshot: Image.Image
) -> None:
    wanted = shots(objects, service, packshot, "light 5", framings=(Framing.STILL,), variants=8)
    items = [first(shot) for shot in wanted]
    service.submit("long", Stage.COMPOSE, items)
    service.cancel("long")
    job = ended(service, service.job("long"))
    assert job.state is JobState.CANCELLED
    assert job.done < job.total
    again = ended(service, service.submit("long", Stage.COMPOSE, items))
    assert (again.state, again.done) == (JobState.DONE, 8)
    assert sum(result.kept for result in again.results) == job.done


def test_a_restarted_service_keeps_what_was_made(
    miniature: Path, settings: ObjectSettings, objects: Objects, packshot: Image.Image
) -> None:
    with running_service(miniature, settings) as service:
        wanted = [
            first(shot) for shot in shots(objects, service, packshot, "light 6", framings=(Framing.STILL,), variants=6)
        ]
        run(service, Stage.COMPOSE, wanted[:2])
    with running_service(miniature, settings) as service:
        with pytest.raises(JobNotFound, match="submit it again"):
            service.job("job-compose")
        kept = [result.kept for result in run(service, Stage.COMPOSE, wanted).values()]
    assert sorted(kept) == [False] * 4 + [True] * 2


def test_a_full_queue_answers_429_with_advice(door: TestClient) -> None:
    answers = [door.post("/v1/jobs", json=a_portrait(f"job-{number}", number)) for number in range(2)]
    assert [answer.status_code for answer in answers] == [202, 429]
    assert int(answers[1].headers["Retry-After"]) > 0
    assert door.post("/v1/jobs", json=a_portrait("job-0", 0)).status_code == 202


def test_nobody_gets_in_without_the_token(door: TestClient) -> None:
    for wrong in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}):
        for path in ("/v1/bundle", "/metrics", "/v1/jobs/x"):
            assert door.get(path, headers=wrong).status_code == 401
        assert door.post("/v1/jobs", json=a_portrait("job"), headers=wrong).status_code == 401
    assert door.get("/openapi.json").status_code == 404


def test_a_body_is_not_read_before_the_token_and_its_size_are_right(miniature: Path, settings: ObjectSettings) -> None:
    app = create_app(ServiceSettings(miniature, TOKEN, settings, queue=1))
    reads = 0

    async def receive() -> dict[str, Any]:
        nonlocal reads
        reads += 1
        return {"type": "http.request", "body": b"[" * 1_000_000, "more_body": True}

    def posted(token: str, *headers: tuple[bytes, bytes]) -> int:
        answers: list[Any] = []

        async def send(message: Any) -> None:
            answers.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/jobs",
            "raw_path": b"/v1/jobs",
            "query_string": b"",
            "headers": [(b"authorization", f"Bearer {token}".encode()), *headers],
        }
        asyncio.run(app(scope, receive, send))
        return int(answers[0]["status"])

    assert (posted("wrong"), reads) == (401, 0)
    assert (posted(TOKEN, (b"content-length", b"100000000")), reads) == (413, 0)
    # Without a length, as in chunks, it is counted while it comes.
    assert posted(TOKEN, (b"content-type", b"application/json")) == 413
    assert reads <= MAX_BODY // 1_000_000 + 1


def test_numbers_that_only_grow_are_counters(
    service: GenerationClient, objects: Objects, packshot: Image.Image
) -> None:
    (shot,) = shots(objects, service, packshot, "light 9")
    run(service, Stage.FACE, [{"portrait_key": shot.portrait_key, "persona": shot.persona}], "counted")
    text = httpx.get(f"{service.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text
    kinds = dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE"))
    counters = {"model_loads", "text_forwards", "image_forwards", "unet_forwards", "text_cache_hits", "stage_seconds"}
    assert {name: kinds[f"lookbook_{name}_total"] for name in counters} == dict.fromkeys(counters, "counter")
    assert 'lookbook_stage_seconds_total{stage="face"}' in text


def test_an_output_tells_who_made_it_also_when_it_was_kept(
    service: GenerationClient, objects: Objects, packshot: Image.Image
) -> None:
    (shot,) = shots(objects, service, packshot, "light 9")
    face = [{"portrait_key": shot.portrait_key, "persona": shot.persona}]
    (made,) = run(service, Stage.FACE, face, "maker").values()
    (kept,) = run(service, Stage.FACE, face, "maker-again").values()
    assert made.made_by is not None
    assert made.made_by.bundle == service.bundle()
    assert made.made_by.recipe_version == RECIPE_VERSION
    assert {"torch", "diffusers", "python"} <= set(made.made_by.software)
    assert made.made_by.device == "cpu"
    assert (kept.kept, kept.made_by) == (True, made.made_by)


def test_health_is_open_and_says_what_is_missing(door: TestClient, service: GenerationClient) -> None:
    loading = door.get("/health", headers={"Authorization": ""})
    assert loading.status_code == 503
    assert "loading the bundle" in loading.json()["reason"]
    assert httpx.get(f"{service.url}/health").json()["state"] == "ready"


@pytest.mark.parametrize(
    ("stage", "items", "said"),
    [
        ("compose", [{"shot": {}, "take": {}}], "items.0.shot"),
        ("face", [{"portrait_key": "0" * 32}], "items.0.persona: Field required"),
        ("face", [{"portrait_key": "../../published/x", "persona": {"name": "x", "face": {}, "seed": 1}}], "a digest"),
        ("face", [], "at least 1"),
        ("paint", [{}], "'face', 'compose'"),
    ],
)
def test_items_that_are_no_items_are_refused_with_the_field(
    door: TestClient, stage: str, items: list[dict[str, Any]], said: str
) -> None:
    answer = door.post("/v1/jobs", json={"id": "bad", "stage": stage, "items": items})
    assert answer.status_code == 422
    assert said in answer.text


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("LOOKBOOK_BUNDLE", "LOOKBOOK_BUNDLE is not set"),
        ("LOOKBOOK_SERVICE_TOKEN", "LOOKBOOK_SERVICE_TOKEN is not set"),
        ("LOOKBOOK_S3_BUCKET", "LOOKBOOK_S3_BUCKET is not set"),
        ("LOOKBOOK_S3_SECRET_KEY", "LOOKBOOK_S3_SECRET_KEY must be set"),
    ],
)
def test_it_does_not_start_without_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, miniature: Path, missing: str, said: str
) -> None:
    complete = {
        "LOOKBOOK_BUNDLE": str(miniature),
        "LOOKBOOK_SERVICE_TOKEN": TOKEN,
        "LOOKBOOK_S3_BUCKET": "pictures",
        "LOOKBOOK_S3_ENDPOINT": "http://127.0.0.1:9",
        "LOOKBOOK_S3_ACCESS_KEY": "key",
        "LOOKBOOK_S3_SECRET_KEY": "secret",
    }
    for name, value in complete.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)
    with pytest.raises(SystemExit, match=said):
        create_app()


def a_portrait(job: str, number: int = 0) -> dict[str, Any]:
    item = {"portrait_key": f"{number:032x}", "persona": {"name": "ana", "face": {}, "seed": number}}
    return {"id": job, "stage": "face", "items": [item]}


def metric(service: GenerationClient, name: str) -> float:
    text = httpx.get(f"{service.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} "))
