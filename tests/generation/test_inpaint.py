"""Inpainting checkpoints: held to the stock pipelines, a batch as one by one, and nothing drawn where all is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
)
from PIL import Image, ImageFilter

from brief.recipe import Recipe
from brief.types import Persona
from generation.bundle.card import ROLES, read_card, write_card
from generation.bundle.load import Bundle, load
from generation.bundle.miniature import build
from generation.compose import lay_out
from generation.models import Models
from generation.painters.stable_diffusion.denoise import denoise
from generation.painters.stable_diffusion.latents import decode_latents
from generation.painters.stable_diffusion.painter import StableDiffusion
from generation.scene.regions import drawn_share, grown, to_mask, to_shares
from generation.scene.scene import Scene, put_back
from generation.studio import Studio
from tests.generation.takes import ADA, inputs

STOCK: dict[str, tuple[Any, Any]] = {
    "sd15": (StableDiffusionPipeline, StableDiffusionInpaintPipeline),
    "sdxl": (StableDiffusionXLPipeline, StableDiffusionXLInpaintPipeline),
}
WHOLE = {"guidance_until": 1.0}
# diffusers' schedulers hand tensors to NumPy the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module", params=["sd15", "sdxl"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("bundles") / request.param, family=request.param, completes=True)


@pytest.fixture(scope="module")
def completing(folder: Path) -> Bundle:
    return load(folder, "cpu")


def _stock(folder: Path, scheduler: Any) -> Any:
    family = read_card(folder).family
    plain, inpaint = STOCK[family]
    options = {"safety_checker": None, "requires_safety_checker": False} if family == "sd15" else {}
    pipe = plain.from_pretrained(folder, local_files_only=True, **options)
    pipe.load_ip_adapter(
        str(folder),
        subfolder="ip_adapter",
        weight_name=[f"{role}.safetensors" for role in ROLES],
        image_encoder_folder=None,
    )
    pipe.set_ip_adapter_scale([1.0] * len(ROLES))
    made = inpaint(
        **{**pipe.components, "scheduler": scheduler}, **({"requires_safety_checker": False} if options else {})
    )
    made.set_progress_bar_config(disable=True)
    return made


def test_one_picture_equals_the_stock_pipeline(completing: Bundle, folder: Path, packshot: Image.Image) -> None:
    """Stock is given the collage, the mask and the image prompts as pictures and features, and comes to our latents."""
    painter = StableDiffusion.of(completing)
    scene = lay_out(painter, inputs(packshot, 0, changes=WHOLE))
    (ours,) = painter.samples([scene])
    assert ours.completion is not None
    pipe = _stock(folder, completing.scheduler)
    mask = to_mask(scene.drawn)
    prepared = pipe.image_processor.preprocess(scene.collage, 64, 64)
    blanked = prepared * (pipe.mask_processor.preprocess(mask, 64, 64) < 0.5)
    hint = completing.vae.encode(blanked).latent_dist.mode() * completing.vae.config.scaling_factor
    assert torch.allclose(hint[0], ours.completion.hint, atol=1e-5)
    stock = pipe(
        prompt=scene.material.shot.prompt,
        image=scene.collage,
        mask_image=mask,
        masked_image_latents=hint,
        strength=1.0,
        ip_adapter_image_embeds=[torch.stack([ours.no_images[role], ours.images[role]]) for role in ROLES],
        cross_attention_kwargs={"ip_adapter_masks": [ours.masks[role][None, None] for role in ROLES]},
        generator=torch.Generator().manual_seed(ours.seed),
        num_inference_steps=ours.steps,
        guidance_scale=ours.guidance,
        width=64,
        height=64,
        output_type="latent",
    ).images
    assert (denoise(completing, [ours]) - stock).abs().max() < 1e-4 * stock.abs().max()


@pytest.mark.parametrize("solver", [None, DPMSolverMultistepScheduler])
def test_a_batch_equals_its_pictures_one_by_one(completing: Bundle, packshot: Image.Image, solver: Any) -> None:
    if solver is not None:
        completing = replace(completing, scheduler=solver.from_config(completing.scheduler.config))
    painter = StableDiffusion.of(completing)
    samples = painter.samples([lay_out(painter, inputs(packshot, number)) for number in range(4)])
    together = decode_latents(completing, denoise(completing, samples))
    alone = torch.cat([decode_latents(completing, denoise(completing, [one])) for one in samples])
    assert (together - alone).abs().max() < 1e-4
    assert (together[0] - together[1]).abs().max() > 0.1


def test_what_is_there_already_stays_and_the_rest_is_drawn(completing: Bundle, packshot: Image.Image) -> None:
    """Whatever the recipe keeps: the place where nothing is to be drawn, and the product."""
    asked = inputs(packshot, 0, changes={"environment_keep": 0.0, "product_keep": 0.0})
    (made,) = Studio(Models.of(completing)).compose([asked])
    assert made.image is not None
    scene = lay_out(StableDiffusion.of(completing), asked)
    pixels, before = (np.asarray(image, dtype=int) for image in (made.image, scene.backdrop))
    place = (scene.drawn == 0).numpy() & (
        np.asarray(scene.product.getchannel("A").filter(ImageFilter.MaxFilter(5))) == 0
    )
    assert place.sum() > 300
    assert np.array_equal(pixels[place], before[place])
    product = np.asarray(scene.product.getchannel("A").filter(ImageFilter.MinFilter(5))) == 255
    assert product.sum() > 20
    assert np.abs(pixels - before)[product].max() <= 2
    assert np.abs(pixels - before)[(scene.drawn > 0.9).numpy()].mean() > 10


def test_every_stage_makes_pictures(completing: Bundle, packshot: Image.Image) -> None:
    studio = Studio(Models.of(completing))
    (portrait,) = studio.faces({"ada": ADA})
    takes = [inputs(packshot, number) for number in range(4)]
    composed = {made.key: made.image for made in studio.compose(takes)}
    refined = list(studio.refine([replace(take, picture=composed[take.key]) for take in takes]))
    assert portrait.image is not None
    assert [made.error for made in refined] == [None] * 4
    assert all(any(note.startswith("polish") for note in made.notes) for made in refined)


def test_the_product_is_never_drawn_and_its_surroundings_are(packshot: Image.Image) -> None:
    product = torch.zeros(128, 128)
    product[50:80, 50:80] = 1
    shares = drawn_share(torch.zeros(128, 128), torch.zeros(128, 128), product)
    assert float(shares[50:80, 50:80].max()) == 0
    assert float(shares[82, 65]) == 1
    assert float(shares[:30].max()) == 0
    edge = shares[65, 80:100]
    assert bool((edge[1:] <= edge[:-1] + 1e-6).all())
    assert 0 < float(edge[12]) < 1


def test_a_bundle_may_show_the_figure_where_it_draws(folder: Path, packshot: Image.Image, tmp_path: Path) -> None:
    """Then the UNet's output counts from what it was shown, so one that says nothing leaves the collage as it is."""
    bundle = load(folder, "cpu")
    card = replace(bundle.card, inpaint={"hint": "figure"})
    scheduler = type(bundle.scheduler).from_config(
        bundle.scheduler.config, prediction_type="sample", set_alpha_to_one=True
    )
    bundle = replace(bundle, card=card, scheduler=scheduler)
    bundle.unet.conv_out.weight.zero_()
    bundle.unet.conv_out.bias.zero_()
    painter = StableDiffusion.of(bundle)
    scene = lay_out(painter, inputs(packshot, 0, changes={"guidance": 1.0}))
    assert scene.figure is not None
    (sample,) = painter.samples([scene])
    assert sample.completion is not None
    assert torch.allclose(denoise(bundle, [sample])[0], sample.completion.hint, atol=1e-4)
    figure = to_shares(scene.figure.getchannel("A")) * (1 - scene.regions.product)
    assert float(scene.drawn[figure > 0.99].min()) > 0.5
    black = np.asarray(put_back(Image.new("RGB", scene.size), scene))
    drawn = torch.maximum(figure, -grown(-scene.regions.free, 2) * (1 - scene.regions.product)) > 0.99
    assert black[(drawn & (scene.drawn == 1)).numpy()].max() <= 1
    assert black[(scene.drawn == 0).numpy()].mean() > 10


def test_the_hint_is_part_of_a_bundles_fingerprint(folder: Path, tmp_path: Path) -> None:
    card = read_card(folder)
    figure = replace(card, inpaint={"hint": "figure"})
    write_card(tmp_path, figure)
    assert read_card(tmp_path) == figure
    assert figure.fingerprint != card.fingerprint


def test_a_portrait_is_drawn_on_a_blank_page(completing: Bundle) -> None:
    one, other = StableDiffusion.of(completing).portraits([ADA, Persona("bob", ADA.face, seed=9)])
    assert np.abs(np.asarray(one, dtype=int) - np.asarray(other, dtype=int)).max() > 10
    assert one.size == (64, 64)


def test_what_is_drawn_of_the_place_gives_way_to_the_photo(packshot: Image.Image) -> None:
    """A painter that is shown the figure draws grass again, softer, and a haze round the head."""
    grass = np.full((128, 128, 3), (60, 140, 50), np.uint8)
    grass[::2] += 12
    material = replace(inputs(packshot, 0, width=128, height=128), photo=Image.fromarray(grass))
    scene = Scene(material, Recipe(), (128, 128), "figure")
    figure, free = scene.figure, scene.regions.free.numpy() == 1
    assert figure is not None
    shown = to_shares(figure.getchannel("A")).numpy()
    soft = np.asarray(scene.backdrop.filter(ImageFilter.GaussianBlur(1.5)))
    arm = np.zeros((128, 128), bool)
    rows, columns = np.nonzero(free & (shown == 0) & (to_shares(scene.product.getchannel("A")).numpy() == 0))
    arm[rows.max() - 12 : rows.max() - 2, columns.min() : columns.min() + 14] = True
    arm &= free
    drawn = np.where(arm[..., None], np.uint8(250), np.clip(soft.astype(int) + 4, 0, 255).astype(np.uint8))
    made = np.asarray(put_back(Image.fromarray(drawn), scene), int)
    photo = np.asarray(scene.backdrop, int)
    product = to_shares(scene.product.getchannel("A")).numpy() > 0
    far = np.asarray(Image.fromarray(arm | (shown > 0) | product).convert("L").filter(ImageFilter.MaxFilter(13))) == 0
    assert far.sum() > 1000
    assert np.abs(made - photo)[far].max() <= 1
    inner = np.asarray(Image.fromarray(arm).convert("L").filter(ImageFilter.MinFilter(5))) == 255
    assert (made[inner & ~product] == 250).mean() > 0.95
    assert (np.abs(made - photo).max(2) > 0)[(shown == 1) & ~product].mean() > 0.9
