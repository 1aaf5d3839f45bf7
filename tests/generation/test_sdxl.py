"""The SDXL family: two text encoders and time ids, held to the stock pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image

from generation.bundle.card import ROLES
from generation.bundle.load import load
from generation.bundle.miniature import build
from generation.compose import lay_out
from generation.painters.stable_diffusion.denoise import denoise
from generation.painters.stable_diffusion.encoders import adapter_inputs
from generation.painters.stable_diffusion.latents import decode_latents
from generation.painters.stable_diffusion.painter import StableDiffusion
from generation.painters.stable_diffusion.sample import Sample
from generation.studio import Studio
from tests.generation.conftest import picture
from tests.generation.takes import ADA, inputs


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("bundles") / "sdxl", family="sdxl")


@pytest.mark.parametrize("negative", ["", "blurry"])
def test_one_picture_equals_the_stock_pipeline(sdxl: Path, negative: str) -> None:
    bundle = load(sdxl, "cpu")
    painter = StableDiffusion.of(bundle)
    shown = painter.images.encode([picture(role) for role in range(3)])
    masks = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(1))
    ours = Sample(
        size=(64, 64),
        text=painter.texts.encode(["a red shoe on a plinth, snow"])[0],
        negative=painter.texts.negative(negative),
        images=adapter_inputs(bundle, dict(zip(ROLES, shown, strict=True))),
        no_images=adapter_inputs(bundle, dict.fromkeys(ROLES, painter.images.nothing())),
        masks=dict(zip(ROLES, masks, strict=True)),
        seed=5,
        steps=3,
        guidance=4.0,
        guidance_until=1.0,
    )
    pipe = StableDiffusionXLPipeline.from_pretrained(sdxl, local_files_only=True, add_watermarker=False)
    pipe.load_ip_adapter(
        str(sdxl),
        subfolder="ip_adapter",
        weight_name=[f"{role}.safetensors" for role in ROLES],
        image_encoder_folder=None,
    )
    pipe.set_ip_adapter_scale([1.0] * 3)
    stock = pipe(
        prompt="a red shoe on a plinth, snow",
        negative_prompt=negative or None,
        ip_adapter_image_embeds=[torch.stack([ours.no_images[role], ours.images[role]]) for role in ROLES],
        cross_attention_kwargs={"ip_adapter_masks": [ours.masks[role][None, None] for role in ROLES]},
        generator=torch.Generator().manual_seed(5),
        num_inference_steps=3,
        guidance_scale=4.0,
        width=64,
        height=64,
        output_type="latent",
    ).images
    assert (denoise(bundle, [ours]) - stock).abs().max() < 1e-4 * stock.abs().max()


def test_a_batch_equals_its_pictures_one_by_one(sdxl: Path, packshot: Image.Image) -> None:
    bundle = load(sdxl, "cpu")
    painter = StableDiffusion.of(bundle)
    samples = painter.samples([lay_out(painter, inputs(packshot, number)) for number in range(4)])
    together = decode_latents(bundle, denoise(bundle, samples))
    alone = torch.cat([decode_latents(bundle, denoise(bundle, [one])) for one in samples])
    assert (together - alone).abs().max() < 1e-4
    assert (together[0] - together[1]).abs().max() > 0.1


def test_every_stage_makes_pictures(sdxl: Path, packshot: Image.Image) -> None:
    studio = Studio.open(sdxl, "cpu")
    (portrait,) = studio.faces({"ada": ADA})
    made = [*studio.compose([inputs(packshot, 0), inputs(packshot, 3)])]
    assert portrait.image is not None
    assert [result.error for result in made] == [None, None]
