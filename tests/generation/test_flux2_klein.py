"""FLUX.2 klein on a checkpoint in the published layout: held to diffusers' pipelines, and a batch as one by one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import Flux2KleinInpaintPipeline, Flux2KleinPipeline
from PIL import Image, ImageFilter
from safetensors.torch import load_file

from generation.bundle import hub
from generation.bundle.card import BundleError, read_card, write_card
from generation.compose import lay_out
from generation.models import Models
from generation.painter import Repaint
from generation.painters.flux2_klein.denoise import Sample, denoise
from generation.painters.flux2_klein.load import TEXT_LAYERS
from generation.painters.flux2_klein.painter import Flux2Klein, asked, decode
from generation.studio import Studio
from tests.generation.conftest import picture
from tests.generation.takes import ADA, inputs
from tests.published.bundles import BUNDLES, local
from tests.published.checkpoints import write
from tests.published.layouts import FLUX2_KLEIN

WORDS = "photo of a woman holding a red bottle, on a beach"


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    for name in ("flux2-klein", "siglip2"):
        write(folder / name, name)
    return folder


@pytest.fixture(scope="module")
def folder(repositories: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle that ships, with the published layout as its source."""
    folder = tmp_path_factory.mktemp("bundle")
    write_card(folder, local(read_card(BUNDLES / "flux2-klein"), repositories))
    return folder


@pytest.fixture(scope="module")
def painter(folder: Path) -> Flux2Klein:
    return Flux2Klein.open(folder, "cpu")


@pytest.fixture(scope="module")
def stock(repositories: Path) -> Any:
    pipe = Flux2KleinPipeline.from_pretrained(repositories / "flux2-klein", local_files_only=True, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(latents: torch.Tensor, painter: Flux2Klein) -> torch.Tensor:
    return decode(painter.klein, latents)


def test_what_is_fetched_is_what_is_loaded_and_nothing_else() -> None:
    card = read_card(BUNDLES / "flux2-klein")
    assert (card.source["base"], card.source["base_revision"]) == (FLUX2_KLEIN.repository, FLUX2_KLEIN.revision)
    fetched = {file for file in FLUX2_KLEIN.files if hub.is_wanted(file, hub.wanted_files(card, "base"))}
    assert set(FLUX2_KLEIN.files) - fetched == {
        ".gitattributes",
        "LICENSE.md",
        "README.md",
        "flux-2-klein-4b.safetensors",
    }


def test_every_tensor_that_is_read_is_the_files(painter: Flux2Klein, repositories: Path) -> None:
    klein, root = painter.klein, repositories / "flux2-klein"
    text = {k: v for file in (root / "text_encoder").glob("*.safetensors") for k, v in load_file(file).items()}
    beyond = tuple(f"model.layers.{number}." for number in range(max(TEXT_LAYERS) + 1, 36))
    text = {k.removeprefix("model."): v for k, v in text.items() if not k.startswith(beyond)}
    for module, file in (
        (klein.transformer, load_file(root / "transformer" / "diffusion_pytorch_model.safetensors")),
        (klein.vae, load_file(root / "vae" / "diffusion_pytorch_model.safetensors")),
        (klein.text_encoder, text),
    ):
        loaded = module.state_dict()
        assert loaded.keys() == file.keys()
        assert all(torch.equal(loaded[key], value.to(loaded[key])) for key, value in file.items())


def test_words_are_read_as_the_pipeline_reads_them(painter: Flux2Klein, stock: Any) -> None:
    theirs, _ = stock.encode_prompt(WORDS)
    assert torch.allclose(painter.read(WORDS), theirs[0], atol=1e-5)
    assert (painter.read("a mug") - theirs[0]).abs().max() > 0.1


@pytest.mark.parametrize("shown", [0, 2])
def test_one_picture_equals_the_stock_pipeline(painter: Flux2Klein, stock: Any, shown: int) -> None:
    """By words alone, and with two references of different sizes."""
    pictures = [picture(1, (64, 96)), picture(2, (80, 64))][:shown]
    theirs = stock(
        prompt=WORDS,
        image=pictures or None,
        height=64,
        width=96,
        num_inference_steps=4,
        guidance_scale=1.0,
        generator=generator(7),
        output_type="np",
    ).images
    sample = Sample((4, 6), painter.read(WORDS), tuple(painter.look(each) for each in pictures), seed=7, steps=4)
    ours = pixels(denoise(painter.klein, [sample]), painter).permute(0, 2, 3, 1).numpy()
    assert np.abs(ours - theirs).max() < 1e-4


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_a_part_that_is_kept_equals_the_stock_inpainting_pipeline(
    painter: Flux2Klein, stock: Any, strength: float
) -> None:
    """The picture itself is the first reference; what is kept is kept to the end."""
    inpaint = Flux2KleinInpaintPipeline(**stock.components, is_distilled=True)
    inpaint.set_progress_bar_config(disable=True)
    there, shown = picture(3, (96, 64)), picture(4, (64, 64))
    mask = Image.new("L", there.size)
    mask.paste(255, (32, 16, 96, 64))
    theirs = inpaint(
        prompt=WORDS,
        image=there,
        image_reference=shown,
        mask_image=mask,
        height=64,
        width=96,
        strength=strength,
        num_inference_steps=4,
        guidance_scale=1.0,
        generator=generator(9),
        output_type="np",
    ).images
    keep = torch.full((4, 6), 1 - strength)
    keep[:1], keep[:, :2] = 1, 1
    began = painter.look(there)
    sample = Sample((4, 6), painter.read(WORDS), (began, painter.look(shown)), 9, 4, began, keep)
    ours = pixels(denoise(painter.klein, [sample]), painter).permute(0, 2, 3, 1).numpy()
    assert np.abs(ours - theirs).max() < 1e-4


def test_a_batch_equals_its_pictures_one_by_one(painter: Flux2Klein, packshot: Image.Image) -> None:
    """Other words, portraits, places, seeds and layouts: stills, shown one reference less, are a batch of their own."""
    samples = [painter.sample(lay_out(painter, inputs(packshot, number))) for number in range(4)]
    together = [sample for sample in samples if sample.group == samples[0].group]
    assert len(together) == 3
    batch = pixels(denoise(painter.klein, together), painter)
    alone = torch.cat([pixels(denoise(painter.klein, [one]), painter) for one in together])
    assert (batch - alone).abs().max() < 1e-4
    assert (batch[0] - batch[1]).abs().max() > 0.1
    with pytest.raises(ValueError, match="a batch needs one size"):
        denoise(painter.klein, samples)


def test_each_reference_decides_the_picture(painter: Flux2Klein, packshot: Image.Image) -> None:
    """Seen in the latents: so small a model with random values hardly shows it in its pictures."""
    take = inputs(packshot, 0)
    blue = Image.merge("RGBA", [packshot.getchannel(band) for band in "BGRA"])
    changes: tuple[dict[str, Any], ...] = (
        {},
        {},
        {"portrait": picture(91, (64, 64))},
        {"packshot": blue},
        {"photo": picture(92)},
    )
    scenes = [lay_out(painter, replace(take, **change)) for change in changes]
    base, again, *made = (denoise(painter.klein, [painter.sample(scene)]) for scene in scenes)
    assert torch.equal(again, base)
    assert all((one - base).abs().max() > 1e-3 for one in made)


def test_the_product_keeps_its_pixels_through_every_stage(folder: Path, packshot: Image.Image) -> None:
    models = Models.open(folder, "cpu")
    studio = Studio(models)
    (portrait,) = studio.faces({"ada": ADA})
    takes = [inputs(packshot, number) for number in range(4)]
    composed = {made.key: made.image for made in studio.compose(takes)}
    refined = {made.key: made for made in studio.refine([replace(t, picture=composed[t.key]) for t in takes])}
    scored = list(studio.score([replace(t, picture=refined[t.key].image) for t in takes]))
    assert portrait.error is None
    assert [made.error for made in (*refined.values(), *scored)] == [None] * 8
    for take in takes:
        scene = lay_out(models.painter, take)
        inside = np.asarray(scene.product.getchannel("A").filter(ImageFilter.MinFilter(5))) == 255
        wanted = np.asarray(scene.product.convert("RGB"), dtype=int)
        assert inside.sum() > 20
        for image in (composed[take.key], refined[take.key].image):
            assert np.abs(np.asarray(image, dtype=int) - wanted)[inside].max() <= 2


def test_drawing_again_changes_a_part(painter: Flux2Klein, packshot: Image.Image) -> None:
    scene = lay_out(painter, inputs(packshot, 0))
    before = picture(5, scene.size)
    same, light, whole = painter.repaint([Repaint(scene, before, strength) for strength in (0.0, 0.25, 1.0)])
    (through,) = pixels(painter.look(before)[None], painter)
    assert np.abs(np.asarray(same) / 255 - through.permute(1, 2, 0).numpy()).max() < 0.01
    one, two, three = (np.asarray(made, dtype=int) for made in (same, light, whole))
    assert min(np.abs(one - two).max(), np.abs(two - three).max()) > 10


def test_words_and_references_are_encoded_once(folder: Path, packshot: Image.Image) -> None:
    painter = Flux2Klein.open(folder, "cpu")
    for seed in (1, 2, 3):
        painter.sample(lay_out(painter, inputs(packshot, 0, seed=seed)))
    counts = painter.counts
    assert (counts.text_forwards, counts.text_hits) == (1, 2)
    assert counts.image_forwards < 3 * 3


def test_words_that_are_too_many_are_refused_and_not_cut(folder: Path, packshot: Image.Image) -> None:
    studio = Studio.open(folder, "cpu")
    long = inputs(packshot, 1, prompt="a red bottle on a beach, " * 40)
    refused, made = sorted(studio.compose([inputs(packshot, 0), long]), key=lambda result: result.error is None)
    assert made.image is not None
    assert refused.error is not None and "these models read 512; shorten the campaign's words" in refused.error


def test_it_is_told_which_reference_is_which() -> None:
    assert "person is the one in image 2" in asked("a woman", person=True)
    assert "product is the one in image 3" in asked("a woman", person=True)
    assert "product is the one in image 2" in asked("a bottle", person=False)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"adapters": {"face": "models/ip-adapter-plus-face_sd15.safetensors"}}, "lacks 'adapters'"),
        ({"scheduler": {"class": "DDIMScheduler"}}, "have no 'scheduler'"),
        ({"inpaint": {"hint": "figure"}}, "have no 'inpaint'"),
    ],
)
def test_what_the_family_has_not_is_refused(folder: Path, tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    write_card(tmp_path, replace(read_card(folder), **changes))
    with pytest.raises(BundleError, match=named):
        Flux2Klein.open(tmp_path, "cpu")


def test_a_base_that_is_not_distilled_is_refused(folder: Path, repositories: Path, tmp_path: Path) -> None:
    """It would need guidance, and make nonsense in four steps."""
    copy = tmp_path / "base"
    copy.mkdir()
    for part in (repositories / "flux2-klein").iterdir():
        (copy / part.name).symlink_to(part)
    index = json.loads((copy / "model_index.json").read_text())
    (copy / "model_index.json").unlink()
    (copy / "model_index.json").write_text(json.dumps({**index, "is_distilled": False}))
    write_card(tmp_path, replace(read_card(folder), source={"base": str(copy)}))
    with pytest.raises(BundleError, match="not a distilled checkpoint"):
        Flux2Klein.open(tmp_path, "cpu")
