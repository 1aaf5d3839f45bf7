"""The judges' models say what they say in the runtimes that they were published for, and find what is in a picture."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from generation.vision.faces import Face, aligned, likeness
from generation.vision.graph import Graph
from generation.vision.models import FOLDER, VisionError, VisionModels, read_cards, verify

HERE = Path(__file__).parent
PICTURES = HERE / "pictures"
FACE = (91, 42, 135, 86)
"""As in ``make_golden.py``."""


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    """Outputs of the original runtimes (``make_golden.py``)."""
    with np.load(HERE / "golden.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def models() -> VisionModels:
    return VisionModels()


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return Image.open(PICTURES / "astronaut.png").convert("RGB")


def only(faces: list[Face]) -> Face:
    """The one face that was found."""
    (face,) = faces
    return face


def test_matting_says_what_onnxruntime_says(golden: dict[str, np.ndarray], astronaut: Image.Image) -> None:
    pixels = torch.from_numpy(np.asarray(astronaut.resize((320, 320)), dtype=np.float32) / 255).permute(2, 0, 1)
    (matte,) = Graph(FOLDER / "matting")(pixels[None].contiguous())
    assert np.abs(matte[0, 0, ::8, ::8].numpy() - golden["matte"]).max() < 1e-4


@pytest.mark.parametrize(("name", "folder", "edge"), [("back", "face_detector", 256), ("front", "face_check", 128)])
def test_both_face_models_say_what_onnxruntime_says(
    golden: dict[str, np.ndarray], astronaut: Image.Image, name: str, folder: str, edge: int
) -> None:
    pixels = np.asarray(astronaut.resize((edge, edge)), dtype=np.float32)[None] / 127.5 - 1
    outputs = Graph(FOLDER / folder)(torch.from_numpy(pixels))
    assert len(outputs) == 4
    for number, output in enumerate(outputs):
        assert np.abs(output[0, ::4].numpy() - golden[f"{name}_{number}"]).max() < 1e-3


def test_a_graph_gives_each_of_a_batch_what_it_gives_it_alone(astronaut: Image.Image) -> None:
    one = torch.from_numpy(np.asarray(astronaut.resize((128, 128)), dtype=np.float32) / 127.5 - 1)
    graph = Graph(FOLDER / "face_check")
    together = graph(torch.stack([one, one.flip(1)]))
    alone = [graph(image[None]) for image in (one, one.flip(1))]
    for number, outputs in enumerate(together):
        for row in range(2):
            assert torch.allclose(outputs[row], alone[row][number][0], atol=1e-4)


def test_the_recogniser_says_what_tensorflow_js_says(
    golden: dict[str, np.ndarray], models: VisionModels, astronaut: Image.Image
) -> None:
    (descriptor,) = models.recogniser.describe([astronaut.crop(FACE).resize((150, 150))])
    assert np.abs(descriptor.numpy() - golden["descriptor"]).max() < 1e-4


def test_the_upscaler_says_what_ncnn_says(
    golden: dict[str, np.ndarray], models: VisionModels, astronaut: Image.Image
) -> None:
    large = models.upscaler.upscale(astronaut.crop(FACE).crop((0, 0, 24, 24)))
    wanted = golden["upscaled"].clip(0, 1).transpose(1, 2, 0) * 255
    assert large.size == (96, 96)
    assert np.abs(np.asarray(large, dtype=np.float32) - wanted).max() < 1


def test_upscaling_in_tiles_leaves_no_seam(models: VisionModels, astronaut: Image.Image) -> None:
    wide = Image.new("RGB", (300, 20))
    wide.paste(astronaut.crop((0, 60, 256, 80)), (22, 0))
    whole = np.asarray(models.upscaler.upscale(wide), dtype=np.int16)
    right = np.asarray(models.upscaler.upscale(wide.crop((200, 0, 300, 20))), dtype=np.int16)
    assert np.abs(whole[:, 220 * 4 : 280 * 4] - right[:, 20 * 4 : 80 * 4]).max() <= 1


def test_a_cup_stands_out_from_its_table(models: VisionModels) -> None:
    coffee = Image.open(PICTURES / "coffee.jpg")
    alpha = models.matting.alpha(coffee)
    assert alpha.shape == (coffee.height, coffee.width)
    assert (alpha.min(), alpha.max()) == (0, 1)
    middle = alpha[coffee.height // 3 : coffee.height * 2 // 3, coffee.width // 3 : coffee.width * 2 // 3]
    border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    assert middle.mean() > 0.9
    assert border.mean() < 0.1


def test_a_face_is_found_where_it_is(models: VisionModels, astronaut: Image.Image) -> None:
    face = only(models.faces.detect(astronaut))
    assert face.score > 0.7
    assert abs(face.middle[0] - 113) < 6
    assert abs(face.middle[1] - 64) < 8
    assert face.eyes[0][0] < face.eyes[1][0]
    assert face.box[1] < face.eyes[0][1] < face.middle[1] + 5


@pytest.mark.parametrize("name", ["coffee.jpg", "chelsea.jpg"])
def test_no_face_is_found_in_other_things(models: VisionModels, name: str) -> None:
    assert models.faces.detect(Image.open(PICTURES / name)) == []


def test_two_faces_are_two_and_small_ones_are_found(models: VisionModels, astronaut: Image.Image) -> None:
    pair = Image.new("RGB", (768, 512), (120, 140, 120))
    pair.paste(astronaut, (30, 100))
    pair.paste(ImageOps.mirror(astronaut).resize((140, 140)), (500, 200))
    faces = models.faces.detect(pair)
    assert len(faces) == 2
    assert sorted(round(face.edge, -1) for face in faces) == [30, 50]


def test_noise_and_flat_colour_hold_no_face(models: VisionModels) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    assert models.faces.detect(Image.fromarray(noise)) == []
    assert models.faces.detect(Image.new("RGB", (200, 320), (130, 130, 130))) == []


def test_one_person_is_recognised_and_another_is_not(models: VisionModels, astronaut: Image.Image) -> None:
    seen = [astronaut, ImageOps.mirror(astronaut), ImageEnhance.Brightness(astronaut).enhance(0.5)]
    faces = [aligned(picture, only(models.faces.detect(picture))) for picture in seen]
    cat = Image.open(PICTURES / "chelsea.jpg")
    faces.append(aligned(cat, Face(1.0, (90, 40, 190, 140), ((115, 80), (165, 85)))))
    first, mirrored, dark, other = models.recogniser.describe(faces)
    assert likeness(first, mirrored) > 0.8
    assert likeness(first, dark) > 0.8
    assert likeness(first, other) < 0.4


def test_the_judges_that_ship_are_whole() -> None:
    verify(FOLDER)
    cards = read_cards(FOLDER)
    assert set(cards) == {"matting", "faces", "identity", "upscaling", "places"}
    assert len({card.digest for card in cards.values()}) == 5


def test_an_altered_file_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "judges"
    shutil.copytree(FOLDER, folder)
    (folder / "matting" / "graph.json").write_text("{}", encoding="utf-8")
    with pytest.raises(VisionError, match=r"graph\.json is missing or not the file"):
        VisionModels(folder)


def test_an_operator_that_is_not_known_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "net"
    shutil.copytree(FOLDER / "face_check", folder)
    text = (folder / "graph.json").read_text(encoding="utf-8").replace('"op": "MaxPool"', '"op": "Softmax"')
    (folder / "graph.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="operator 'Softmax' is unknown"):
        Graph(folder)
