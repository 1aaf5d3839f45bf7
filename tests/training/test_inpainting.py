"""Collages that a UNet learns to complete: what it is shown, what it must draw, how it begins."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image, ImageFilter
from torch import Tensor

from brief.face_spec import FaceSpec
from brief.types import Persona
from generation.bundle.load import load
from generation.bundle.patches import PatchAutoencoder, fit_patches
from generation.models import Models
from generation.painters.stable_diffusion.portrait_prior import crisp
from training import casting
from training.__main__ import main
from training.adapter_files import attach, make_adapters
from training.device import find_device
from training.inpainting import batches, measures
from training.inpainting.alignment import Alignment
from training.inpainting.batches import Batch, Collages
from training.inpainting.pictures import FIGURE_MASK, THING_ALPHA, read_layers
from training.inpainting.sampling import complete
from training.inpainting.unet import make_inpainting_unet
from training.sizes import TINY, Sizes
from training.text2image import make_unet
from training.workshop import Workshop
from training.world import parts, pool, render
from training.world.kernels import params as p
from training.world.scene import Scene, scene_params

SIZE = 128


def _rendered(vectors: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise in place of renderings, with a person left and a product right: the chain needs no compiler."""
    rng = np.random.default_rng(len(vectors))
    images = rng.integers(0, 256, (len(vectors), size, size, 3), np.uint8)
    ids = np.zeros((len(vectors), size, size), np.uint8)
    for row, vector in enumerate(vectors):
        if vector[p.PERSON] > 0:
            ids[row, 20:100, 10:70] = p.SKIN
        if vector[p.PRODUCT] >= 0:
            ids[row, 60:100, 80:110] = p.PRODUCT_FIRST
    return images, ids


def _drawn(scenes: Sequence[Scene], size: int) -> tuple[np.ndarray, np.ndarray]:
    return _rendered(np.stack([scene_params(scene) for scene in scenes]), size)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rendered parts, a tiny run of the stage ``inpainting`` and the bundle that was exported."""
    folder = tmp_path_factory.mktemp("inpainting")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(parts, "render", _rendered)
        patch.setattr(render, "render_scenes", _drawn)
        for split in ("train", "held-out"):
            plan = pool.Plan(split=split, personas=4, products=4, photos=12)
            render.write_dataset(folder / "data" / split, plan, 4)
            casting.write_castings(folder / "data" / split, plan, 4)
            parts.write_parts(folder / "data" / split, plan, parts.SHARD)
        places = ["--data", f"{folder}/data", "--runs", f"{folder}/runs", "--bundle", f"{folder}/bundle"]
        for stage in ("inpainting", "export", "inpainting-evaluation"):
            main([stage, "--minutes", "0.005", "--tiny", "--threads", "1", *places])
    return folder


@pytest.fixture(scope="module")
def collages(chain: Path) -> Collages:
    shop = Workshop(TINY, find_device(1), chain / "data", chain / "runs", chain / "bundle")
    models = load(chain / "bundle", "cpu")
    return Collages(read_layers(shop.data / "held-out", shop.layer_makers()), models.vae)


def _plain(collages: Collages, rows: Tensor, *, turned: bool = False, blank: bool = False) -> Batch:
    every = torch.ones(len(rows), dtype=torch.bool)
    found: Batch = collages.of(rows, every * turned, every * blank, vary=False)
    return found


def test_patches_lose_nothing() -> None:
    pixels = torch.rand(3, 3, 24, 16) * 2 - 1
    patches = fit_patches(pixels)
    latents = patches.encode(pixels).latents
    assert latents.shape == (3, 48, 6, 4)
    torch.testing.assert_close(patches.decode(latents)[0], pixels, atol=1e-4, rtol=0)
    assert latents.std((0, 2, 3))[0] > latents.std((0, 2, 3))[-1]


def test_a_collage_has_what_the_whole_has_but_for_what_is_drawn(collages: Collages) -> None:
    people = torch.tensor([row for row, stored in enumerate(collages.layers.pictures) if stored[FIGURE_MASK].any()])
    told = _plain(collages, people[:4])
    assert told.target.shape == told.hint.shape == (4, 48, 32, 32)
    product = torch.from_numpy(collages.layers.pictures[int(people[0])][THING_ALPHA]) == 255
    cells = product.view(32, 4, 32, 4).all(3).all(1)
    assert cells.sum() > 10
    assert float(told.mask[0, 0][cells].max()) == 0
    torch.testing.assert_close(told.roles.sum(1), torch.ones(4, 32, 32))
    assert float(told.mask[:, 0, 10:20, 5:12].min()) == 1


def test_a_mirrored_collage_is_the_mirror_image(collages: Collages) -> None:
    rows = torch.arange(4)
    straight, turned = _plain(collages, rows), _plain(collages, rows, turned=True)
    torch.testing.assert_close(turned.mask, straight.mask.flip(3))
    pixels = [collages.patches.decode(told.hint)[0] for told in (straight, turned)]
    torch.testing.assert_close(pixels[1], pixels[0].flip(3), atol=1e-4, rtol=0)


def test_a_blank_collage_shows_nothing_and_has_everything_drawn(collages: Collages) -> None:
    told = _plain(collages, torch.arange(2), blank=True)
    assert float(told.mask.min()) == 1
    assert float(collages.patches.decode(told.hint)[0].abs().max()) < 1e-4


def test_a_collage_may_begin_with_the_portrait_of_the_prior(
    collages: Collages, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = torch.tensor([row for row, stored in enumerate(collages.layers.pictures) if stored[FIGURE_MASK].any()])
    no = torch.zeros(len(rows), dtype=torch.bool)
    hints = []
    for share in (0.0, 1.0):
        monkeypatch.setattr(batches, "_BY_PRIOR", share)
        torch.manual_seed(0)
        hints.append(collages.of(rows, no, no, vary=True).hint)
    heads = collages.patches.decode(hints[1] - hints[0])[0][:, :, 40:60, 20:60]
    assert float(heads.abs().mean()) > 0.1


def test_a_product_that_is_not_shown_has_to_be_drawn(collages: Collages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_NO_PRODUCT", 1.0)
    rows, no = torch.arange(2), torch.zeros(2, dtype=torch.bool)
    told = collages.of(rows, no, no, vary=True)
    product = torch.from_numpy(np.stack([collages.layers.pictures[row][THING_ALPHA] for row in rows.tolist()])) == 255
    shown = collages.patches.decode(told.hint)[0].abs().amax(1)
    assert float(shown[product].max()) < 1e-4
    assert float(told.mask[:, 0][product.view(2, 32, 4, 32, 4).all(4).all(2)].min()) == 1


def test_onlookers_know_the_right_face_and_product_from_another(collages: Collages, chain: Path) -> None:
    shop = Workshop(TINY, find_device(1), chain / "data", chain / "runs", chain / "bundle")
    onlookers = Alignment(shop.reader(), shop.image_encoder(), collages.patches, torch.device("cpu"))
    people = torch.tensor([row for row, stored in enumerate(collages.layers.pictures) if stored[FIGURE_MASK].any()])
    told = _plain(collages, people[:6], blank=True)
    torch.manual_seed(0)
    right, wrong = (onlookers.errors(found, told) for found in (told.target, told.target.roll(1, 0)))
    assert right[0] < wrong[0] and right[1] < wrong[1]
    # A product that the collage shows is kept: nothing is to be learnt of it.
    assert float(onlookers.errors(told.target, _plain(collages, people[:6]))[1]) == 0


def test_layers_of_a_version_before_are_made_again(collages: Collages, chain: Path) -> None:
    shop = Workshop(TINY, find_device(1), chain / "data", chain / "runs", chain / "bundle")
    kept = next((shop.data / "held-out" / "layers").glob("*.npz"))
    with np.load(kept) as found:
        parts_of = dict(found)
    np.savez(kept, **{**parts_of, "pictures": parts_of["pictures"][:, :-3]})
    again = read_layers(shop.data / "held-out", shop.layer_makers())
    assert again.pictures[0].shape == collages.layers.pictures[0].shape
    np.testing.assert_array_equal(again.pictures[0][:-3], collages.layers.pictures[0][:-3])


def test_an_untrained_unet_leaves_the_collage_as_it_is(collages: Collages, chain: Path) -> None:
    unet = make_inpainting_unet(make_unet(TINY), 48)
    attach(unet, make_adapters(unet, TINY))
    told = _plain(collages, torch.arange(2))
    drawn = complete(unet, load(chain / "bundle", "cpu").text_encoders[0], told, steps=2)
    torch.testing.assert_close(drawn, told.hint)


def test_weights_that_fit_are_taken_over() -> None:
    source = make_unet(TINY)
    unet = make_inpainting_unet(source, 48)
    assert unet.config.in_channels == 97
    for mine, theirs in ((unet.mid_block, source.mid_block), (unet.down_blocks[2], source.down_blocks[1])):
        torch.testing.assert_close(mine.attentions.state_dict(), theirs.attentions.state_dict())
        torch.testing.assert_close(mine.resnets[0].conv1.weight, theirs.resnets[0].conv1.weight)


def test_lookbook_draws_with_what_is_exported(chain: Path) -> None:
    models = Models.open(chain / "bundle", "cpu")
    assert models.painter.hint == "figure"
    assert (chain / "runs" / "inpainting" / "completed.png").exists()
    portraits = models.painter.portraits([Persona("Ann", FaceSpec(), 3)])
    assert portraits[0].size == (SIZE, SIZE)
    assert np.asarray(portraits[0]).std() > 0


def test_a_soft_portrait_gets_its_edges_back() -> None:
    eye = Image.new("RGB", (SIZE, SIZE), "white")
    eye.paste("navy", (40, 40, 90, 60))
    soft = eye.filter(ImageFilter.GaussianBlur(2))
    wrong = [np.abs(np.asarray(each, float) - np.asarray(eye, float)).mean() for each in (soft, crisp(soft))]
    assert wrong[1] < 0.8 * wrong[0]


def test_what_is_exported_loads_where_nothing_else_was_imported(chain: Path) -> None:
    code = "import sys; from pathlib import Path; from generation.bundle.load import load; load(Path(sys.argv[1]))"
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(chain / "bundle")], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def test_the_evaluation_compares_collages_and_completed_ones_with_renderings(chain: Path) -> None:
    report = json.loads((chain / "runs" / "inpainting" / "evaluation.json").read_text(encoding="utf-8"))
    assert report["rendered"]["likeness"] == pytest.approx(1)
    assert report["rendered"]["frechet"] == pytest.approx(0, abs=1e-3)
    assert report["completed"].keys() == report["collage"].keys() >= {"likeness", "seam", "psnr_face"}
    assert (chain / "runs" / "inpainting" / "evaluation.png").exists()


def test_training_goes_on_from_the_bundle_that_ships(tmp_path: Path) -> None:
    shop = Workshop(Sizes(), find_device(1), tmp_path, tmp_path, Path(__file__).parents[2] / "bundles" / "starter")
    models = shop.inpainting()
    assert models["unet"].config.in_channels == 2 * models["vae"].config.latent_channels + 1
    # It has learnt something: a new UNet's last layer is zero.
    assert float(models["unet"].conv_out.weight.detach().abs().max()) > 0


def test_stock_diffusers_loads_its_components(chain: Path) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(chain / "bundle", safety_checker=None, dtype=torch.float32)
    assert isinstance(pipe.vae, PatchAutoencoder)
    assert pipe.unet.config.in_channels == 2 * pipe.vae.config.latent_channels + 1


def test_measures_tell_what_they_are_named_after() -> None:
    rng = np.random.default_rng(0)
    real = rng.integers(60, 200, (2, 32, 32, 3), np.uint8)
    mask = torch.zeros(2, 32, 32)
    mask[:, 8:24, 8:24] = 1
    halo = real.copy()
    halo[:, 7:9, 7:25] = 255
    soft = np.stack([np.asarray(Image.fromarray(image).filter(ImageFilter.BoxBlur(1))) for image in real])
    assert measures.seam(halo, mask) > measures.seam(real, mask)
    assert measures.sharpness(soft, mask) < 0.5 * measures.sharpness(real, mask)
    assert measures.psnr(soft, real, mask) < measures.psnr(halo, real, mask)
    points = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    assert measures.frechet_distance(points, points) == pytest.approx(0, abs=1e-3)
    assert measures.frechet_distance(points, points + 1) == pytest.approx(4, abs=1e-2)
