"""AuraFace's way into a bundle, with a net of the same form that knows the mean colour alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from generation.bundle.card import BundleError, read_card, write_card
from generation.bundle.hub import FACES
from generation.models import Models
from generation.vision.aura_face import EDGE, AuraFace, aligned
from generation.vision.faces import Face
from tests.published.bundles import BUNDLES, local
from tests.published.checkpoints import write

FACE = Face(1.0, (40, 40, 120, 120), ((60.0, 70.0), (100.0, 70.0)))


def _field(number: int, value: bytes | int) -> bytes:
    """A field of a protocol buffer."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def _tensor(name: bytes, *shape: int) -> bytes:
    dims = b"".join(_field(1, _field(1, edge)) for edge in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, dims)))


def net(folder: Path, edge: int = EDGE) -> Path:
    """An ONNX file: the mean over the picture, flattened."""
    pool = _field(1, b"face") + _field(2, b"mean") + _field(4, b"GlobalAveragePool")
    flat = _field(1, b"mean") + _field(2, b"found") + _field(4, b"Flatten")
    graph = _field(1, pool) + _field(1, flat) + _field(2, b"g")
    graph += _field(11, _tensor(b"face", 1, 3, edge, edge)) + _field(12, _tensor(b"found", 1, 3))
    folder.mkdir(exist_ok=True)
    file = folder / FACES
    file.write_bytes(_field(1, 8) + _field(7, graph) + _field(8, _field(2, 13)))
    return file


def test_faces_are_compared_by_its_vectors(tmp_path: Path) -> None:
    matcher = AuraFace(net(tmp_path))
    red, dark_red, blue = (Image.new("RGB", (160, 160), each) for each in ("#ff2020", "#c02020", "#2020ff"))
    assert matcher.likeness((red, FACE), (red, FACE)) == 1
    assert matcher.likeness((red, FACE), (dark_red, FACE)) > matcher.likeness((red, FACE), (blue, FACE)) == 0


def test_a_turned_face_is_set_upright_with_its_eyes_in_place() -> None:
    picture = Image.new("RGB", (160, 160), "white")
    picture.paste("red", (58, 58, 63, 63))
    picture.paste("blue", (98, 98, 103, 103))
    shown = aligned(picture, replace(FACE, eyes=((60.0, 60.0), (100.0, 100.0))))
    assert shown.getpixel((38, 51)) == (255, 0, 0)
    assert shown.getpixel((73, 51)) == (0, 0, 255)


def test_another_net_or_no_net_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not faces of 112 x 112 pixels"):
        AuraFace(net(tmp_path, 64))
    (tmp_path / FACES).write_bytes(b"nothing")
    with pytest.raises(BundleError, match="get it again"):
        AuraFace(tmp_path / FACES)


@pytest.mark.filterwarnings("ignore")
def test_a_bundle_names_it_and_is_another_bundle_with_it(tmp_path: Path) -> None:
    for name in ("sd15", "ip-adapter"):
        write(tmp_path / name, name)
    net(tmp_path / "aura")
    card = local(read_card(BUNDLES / "sd15"), tmp_path)
    plain = {part: where for part, where in card.source.items() if part not in ("words", "safety")}
    found = []
    for number, source in enumerate((plain, {**plain, "faces": str(tmp_path / "aura")})):
        folder = tmp_path / f"bundle{number}"
        folder.mkdir()
        write_card(folder, replace(card, source=source))
        models = Models.open(folder, "cpu")
        found.append((models.scoring.matcher is not None, models.scoring.fingerprint, models.painter.card.fingerprint))
    assert [each[0] for each in found] == [False, True]
    assert len({each[1] for each in found}) == len({each[2] for each in found}) == 2
