"""Every mark of origin, read back from the bytes of the published files."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import c2pa
import pytest
from click.testing import CliRunner
from PIL import Image

from brief.formats import RENDITION_FORMATS
from brief.types import Publication, Rendition, Shot
from pipeline.commands import main
from pipeline.credentials import (
    CERTIFICATE_VARIABLE,
    DEVELOPMENT,
    KEY_VARIABLE,
    Signer,
    SigningError,
    development_signer,
    read_credentials,
)
from pipeline.publish import Publishing, publish
from pipeline.verify import Answer, verify
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from tests.pipeline.test_publish import refined
from tests.storage.pictures import plain
from tests.storage.samples import RUN, campaign, planned

EVERY_FORMAT = tuple(Rendition(name, 64, 64, name) for name in RENDITION_FORMATS)
SIGNER = development_signer()


@pytest.fixture
def signed(catalog: Catalog, objects: Objects) -> tuple[Shot, Publication, dict[str, bytes]]:
    wanted = campaign(renditions=EVERY_FORMAT)
    (shot,) = planned(catalog, renditions=EVERY_FORMAT)
    publication = publish(Publishing(*refined(catalog, objects, shot), wanted, objects, SIGNER), catalog, RUN)
    files = {"master": publication.master, **publication.renditions}
    return shot, publication, {name: objects.get(ref.key, ref.sha256) for name, ref in files.items()}


def mime(data: bytes) -> str:
    with Image.open(io.BytesIO(data)) as image:
        return str(image.get_format_mimetype())


def test_every_published_file_is_signed_and_says_what_it_is_made_of(
    signed: tuple[Shot, Publication, dict[str, bytes]],
) -> None:
    shot, _, files = signed
    assert len(files) == 1 + len(RENDITION_FORMATS)
    for data in files.values():
        found = read_credentials(data, mime(data))
        assert found is not None and found.origin is not None
        assert (found.intact, found.signer, found.problems) == (True, DEVELOPMENT, ())
        assert (
            found.source_type == "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
        )
        assert found.origin["shot"] == shot.key
        assert found.origin["sources"]["packshot"] == shot.product.packshot.sha256
        told = verify(data)
        assert (told.answer, dict(told.facts)["shot"]) == (Answer.INTACT, shot.key)
        assert dict(told.facts)["alt text"] == "red mug, held by a person, on a beach"


def test_the_place_is_the_parent_and_what_was_placed_in_it_are_components(
    signed: tuple[Shot, Publication, dict[str, bytes]],
) -> None:
    for data in signed[2].values():
        with c2pa.Reader(mime(data), io.BytesIO(data)) as reader:
            told = json.loads(reader.json())
        active = told["manifests"][told["active_manifest"]]
        relations = [each["relationship"] for each in active["ingredients"]]
        assert (relations[0], set(relations[1:]), len(relations)) == ("parentOf", {"componentOf"}, 3)
        assert "thumbnail" not in active
        actions = next(each["data"]["actions"] for each in active["assertions"] if "actions" in each["label"])
        assert {"c2pa.opened", "c2pa.placed"} <= {each["action"] for each in actions}


def test_signing_again_after_a_crash_keeps_the_first_files(
    catalog: Catalog, objects: Objects, signed: tuple[Shot, Publication, dict[str, bytes]]
) -> None:
    shot, publication, _ = signed
    objects.delete(publication.manifest.key)
    (record,) = catalog.takes([shot.key])[shot.key]
    again = publish(Publishing(shot, record, campaign(renditions=EVERY_FORMAT), objects, SIGNER), catalog, RUN)
    assert (again.master, again.renditions) == (publication.master, publication.renditions)


@pytest.mark.parametrize("name", ["master", *RENDITION_FORMATS])
def test_an_altered_file_is_told(signed: tuple[Shot, Publication, dict[str, bytes]], name: str) -> None:
    data = bytearray(signed[2][name])
    data[-40] ^= 1
    assert verify(bytes(data)).answer in (Answer.ALTERED, Answer.NO_PICTURE)
    larger = len(data) // 2
    data = bytearray(signed[2][name])
    data[larger] ^= 0xFF
    assert verify(bytes(data)).answer is not Answer.INTACT


@pytest.mark.parametrize("name", ["jpeg", "webp", "png", "avif"])
def test_the_xmp_survives_a_save_by_pillow_and_the_signature_does_not(
    signed: tuple[Shot, Publication, dict[str, bytes]], name: str
) -> None:
    with Image.open(io.BytesIO(signed[2][name])) as image:
        image.load()
        saved = io.BytesIO()
        kept = {} if image.format == "PNG" else {"xmp": image.info["xmp"]}
        if image.format == "PNG":
            from PIL.PngImagePlugin import PngInfo

            info = PngInfo()
            info.add_itxt("XML:com.adobe.xmp", image.info["xmp"].decode())
            kept = {"pnginfo": info}
        image.save(saved, image.format, **kept)
    told = verify(saved.getvalue())
    assert told.answer is Answer.MARKED
    assert dict(told.facts)["shot"] == signed[0].key


def test_a_strangers_file_gets_a_clear_no(tmp_path: Path, signed: tuple[Shot, Publication, dict[str, bytes]]) -> None:
    assert verify(plain("red")).answer is Answer.STRANGER
    assert verify(b"hello").answer is Answer.NO_PICTURE
    stranger, ours = tmp_path / "red.png", tmp_path / "ours.jpg"
    stranger.write_bytes(plain("red"))
    ours.write_bytes(signed[2]["jpeg"])
    said = CliRunner().invoke(main, ["verify", str(stranger)])
    assert (said.exit_code, "not made by Lookbook, as far as can be told" in said.output) == (1, True)
    said = CliRunner().invoke(main, ["verify", str(ours)])
    assert (said.exit_code, "made by Lookbook and not altered since" in said.output) == (0, True)
    assert f"signed by: {DEVELOPMENT}; anybody can make such a one" in said.output


def test_the_users_certificate_is_read_and_a_wrong_one_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalog: Catalog, objects: Objects
) -> None:
    assert Signer.from_environment() is None
    certificate, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificate.write_bytes(SIGNER.certificate)
    monkeypatch.setenv(CERTIFICATE_VARIABLE, str(certificate))
    with pytest.raises(SigningError, match="go together; set both, or neither"):
        Signer.from_environment()
    monkeypatch.setenv(KEY_VARIABLE, str(key))
    with pytest.raises(SigningError, match=r"cannot be read.*key\.pem"):
        Signer.from_environment()
    key.write_bytes(SIGNER.key)
    assert Signer.from_environment() == SIGNER
    (shot,) = planned(catalog)
    other = replace(SIGNER, key=b"no key")
    with pytest.raises(SigningError, match="cannot be signed"):
        publish(Publishing(*refined(catalog, objects, shot), campaign(), objects, other), catalog, RUN)
