"""The bucket, on a real S3 server."""

from __future__ import annotations

import base64
import hashlib
import io
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from brief.errors import SettingsError
from embedded.ports import free_port
from storage.bucket.errors import ObjectDamaged, ObjectMissing, ObjectRefused, ObjectStoreUnreachable
from storage.bucket.objects import WHOLE_ATTEMPTS, Objects
from storage.bucket.settings import ObjectSettings

KEY = "catalog/packshots/mug.png"


def raw_client(settings: ObjectSettings) -> boto3.client:
    return boto3.client(
        "s3",
        endpoint_url=settings.endpoint,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        region_name=settings.region,
        config=Config(s3={"addressing_style": "path"}),
    )


def test_what_was_put_is_got_with_its_digest(objects: Objects) -> None:
    stored = objects.put(KEY, b"pixels", "image/png")
    assert stored.sha256 == hashlib.sha256(b"pixels").hexdigest()
    assert not stored.kept
    assert objects.get(KEY, stored.sha256) == b"pixels"
    facts = objects.head(KEY)
    assert facts is not None
    assert (facts.sha256, facts.size, facts.content_type) == (stored.sha256, 6, "image/png")


def test_the_same_put_again_is_success_and_another_one_is_refused(objects: Objects) -> None:
    objects.put(KEY, b"pixels", "image/png")
    assert objects.put(KEY, b"pixels", "image/png").kept
    with pytest.raises(ObjectDamaged, match=f"{KEY}.*never overwritten"):
        objects.put(KEY, b"other", "image/png")
    assert objects.get(KEY) == b"pixels"


def test_keep_first_returns_what_is_there(objects: Objects) -> None:
    first = objects.put(KEY, b"first", "image/png", keep_first=True)
    second = objects.put(KEY, b"second", "image/png", keep_first=True)
    assert second.kept
    assert second.ref == first.ref


def test_one_of_many_writers_at_once_wins_and_all_learn_of_it(objects: Objects) -> None:
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(lambda n: objects.put(KEY, b"%d" % n, "image/png", keep_first=True), range(8)))
    assert sum(not each.kept for each in stored) == 1
    assert len({each.sha256 for each in stored}) == 1


def test_a_missing_object_is_named(objects: Objects) -> None:
    assert objects.head(KEY) is None
    assert not objects.exists(KEY)
    with pytest.raises(ObjectMissing, match=f"{KEY}.*{objects.settings.bucket}"):
        objects.get(KEY)


def test_bytes_that_are_not_the_expected_ones_are_refused(objects: Objects) -> None:
    objects.put(KEY, b"pixels", "image/png")
    with pytest.raises(ObjectDamaged, match=r"instead of 0000.*import its row again"):
        objects.get(KEY, "0" * 64)


def test_an_object_that_others_wrote_is_known_by_its_content(objects: Objects, settings: ObjectSettings) -> None:
    raw_client(settings).put_object(Bucket=settings.bucket, Key=KEY, Body=b"pixels")
    assert objects.put(KEY, b"pixels", "image/png").kept
    assert objects.sha256(KEY) == hashlib.sha256(b"pixels").hexdigest()


def test_an_object_replaced_behind_our_back_is_found_out(objects: Objects, settings: ObjectSettings) -> None:
    ours = objects.put(KEY, b"pixels", "image/png")
    raw_client(settings).put_object(Bucket=settings.bucket, Key=KEY, Body=b"edited")
    with pytest.raises(ObjectDamaged):
        objects.get(KEY, ours.sha256)


def test_the_server_refuses_bytes_that_were_damaged_on_their_way(objects: Objects, settings: ObjectSettings) -> None:
    left = [*range(WHOLE_ATTEMPTS)]

    class Damaging:
        """A client whose network flips a byte of the first writes."""

        def put_object(self, **request: object) -> object:
            if left:
                left.pop()
                request["ChecksumSHA256"] = base64.b64encode(hashlib.sha256(b"sent").digest()).decode()
            return raw_client(settings).put_object(**request)

    objects._connection.client = Damaging  # type: ignore[method-assign]
    with pytest.raises(ObjectDamaged, match="damaged on their way"):
        objects.put(KEY, b"received", "image/png")
    left.append(0)
    assert not objects.put(KEY, b"received", "image/png").kept, "written at the second attempt"


def flipping(objects: Objects, settings: ObjectSettings, times: int) -> None:
    """Let a byte flip in the first ``times`` answers to reads."""
    left = [*range(times)]

    class Flipping:
        def get_object(self, **request: object) -> dict[str, Any]:
            answer = raw_client(settings).get_object(**request)
            data = answer["Body"].read()
            answer["Body"] = io.BytesIO(b"?" + data[1:] if left else data)
            left[:] = left[1:]
            return dict(answer)

    objects._connection.client = Flipping  # type: ignore[method-assign]


def test_a_byte_that_flips_on_its_way_is_read_again(objects: Objects, settings: ObjectSettings) -> None:
    sha256 = objects.put(KEY, b"pixels", "image/png").sha256
    flipping(objects, settings, WHOLE_ATTEMPTS - 1)
    assert objects.get(KEY, sha256) == b"pixels"
    flipping(objects, settings, WHOLE_ATTEMPTS)
    with pytest.raises(ObjectDamaged):
        objects.get(KEY, sha256)


def test_a_server_that_answers_only_with_errors_may_lack_room(settings: ObjectSettings) -> None:
    objects = Objects(replace(settings, deadline=0.5))

    class Full:
        def put_object(self, **request: object) -> object:
            raise ClientError({"Error": {"Code": "InternalError", "Message": "no"}}, "PutObject")

    objects._connection.client = Full  # type: ignore[method-assign]
    with pytest.raises(ObjectStoreUnreachable, match="its disk may be full"):
        objects.put(KEY, b"pixels", "image/png")


def test_keys_are_listed_over_pages_and_deleted_by_folder(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.bucket.objects.KEYS_PER_PAGE", 3)
    keys = [f"takes/a/{n}.png" for n in range(8)]
    for key in [*keys, "takes/ab/kept.png"]:
        objects.put(key, b"x", "image/png")
    assert list(objects.list_keys("takes/a/")) == keys
    assert objects.delete_prefix("takes/a/") == 8
    assert list(objects.list_keys("")) == ["takes/ab/kept.png"]


@pytest.mark.parametrize("prefix", ["", "/", "takes/a"])
def test_a_slip_of_the_pen_does_not_empty_the_bucket(objects: Objects, prefix: str) -> None:
    with pytest.raises(ValueError, match="name a folder"):
        objects.delete_prefix(prefix)


def test_a_presigned_url_opens_one_object_only(objects: Objects) -> None:
    objects.put(KEY, b"pixels", "image/png")
    url = objects.url(KEY, seconds=60)
    answer = httpx.get(url, trust_env=False)
    assert answer.content == b"pixels"
    assert answer.headers["content-type"] == "image/png"
    assert httpx.get(url.replace("mug", "cup"), trust_env=False).status_code == 403


def test_a_wrong_secret_is_said_plainly_and_at_once(settings: ObjectSettings) -> None:
    stranger = Objects(replace(settings, secret_key="guess"))
    with pytest.raises(ObjectRefused, match=r"'a\.png'.*SignatureDoesNotMatch.*secret key"):
        stranger.put("a.png", b"x", "image/png")
    with pytest.raises(ObjectRefused, match=r"'a\.png'.*check the secret key"):
        stranger.head("a.png")
    assert "guess" not in repr(stranger.settings)


def test_a_missing_bucket_is_said_plainly(settings: ObjectSettings) -> None:
    lost = Objects(replace(settings, bucket="no-such-bucket"))
    with pytest.raises(ObjectRefused, match=r"no-such-bucket.*create the bucket"):
        lost.get("a.png")
    assert lost.ensure_bucket()
    assert not lost.ensure_bucket()


def test_a_server_that_is_gone_is_said_within_the_deadline(settings: ObjectSettings) -> None:
    nowhere = f"http://127.0.0.1:{free_port(19000)}"
    objects = Objects(replace(settings, endpoint=nowhere, deadline=0.5))
    with pytest.raises(ObjectStoreUnreachable, match=rf"writing 'a\.png'.*{nowhere}.*check that the server runs"):
        objects.put("a.png", b"x", "image/png")


def test_a_short_outage_goes_unnoticed(objects: Objects) -> None:
    calls = []
    client = objects._connection.client()

    def flaky(**request: object) -> object:
        calls.append(request)
        if len(calls) < 3:
            raise client.exceptions.ClientError({"Error": {"Code": "SlowDown"}}, "PutObject")
        return type(client).put_object(client, **request)

    client.put_object = flaky
    assert not objects.put(KEY, b"pixels", "image/png").kept
    assert len(calls) == 3


def _digest_in_child(objects: Objects, answer: multiprocessing.SimpleQueue[str]) -> None:
    answer.put(objects.sha256(KEY))


def test_a_forked_child_makes_its_own_connection(objects: Objects) -> None:
    stored = objects.put(KEY, b"pixels", "image/png")
    context = multiprocessing.get_context("fork")
    answer = context.SimpleQueue()
    child = context.Process(target=_digest_in_child, args=(objects, answer))
    child.start()
    assert answer.get() == stored.sha256
    child.join()


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOKBOOK_S3_BUCKET", "images")
    monkeypatch.setenv("LOOKBOOK_S3_ENDPOINT", "http://s3:8333")
    settings = ObjectSettings.from_env()
    assert (settings.bucket, settings.endpoint, settings.addressing) == ("images", "http://s3:8333", "path")


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({}, "LOOKBOOK_S3_BUCKET is not set"),
        (
            {"LOOKBOOK_S3_BUCKET": "a", "LOOKBOOK_S3_ENDPOINT": "s3:8333"},
            "LOOKBOOK_S3_ENDPOINT is 's3:8333'.*http",
        ),
        (
            {"LOOKBOOK_S3_BUCKET": "a", "LOOKBOOK_S3_ADDRESSING": "dns"},
            "LOOKBOOK_S3_ADDRESSING is 'dns'.*'path'",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_by_the_name_of_the_variable(
    env: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=message):
        ObjectSettings.from_env()
