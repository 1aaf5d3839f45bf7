"""Stage ``export``: the bundle, float16 in the standard layout, every file with its SHA-256."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from diffusers import AutoencoderTiny, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPImageProcessor

from generation.bundle.card import ROLES, BundleCard, hash_files, read_card, write_card
from generation.painters.stable_diffusion.portrait_prior import save_portrait_prior
from generation.score.face_reader import save_reader
from training.adapter_files import attach, attached, to_files
from training.diffusion import make_scheduler
from training.loop import Models
from training.reader import accuracy, with_accuracy
from training.workshop import DOMAIN, FACE_READER, SKETCH, SKETCH_DECODER, TEXT_PROJECTION, Workshop

NAME = "starter"
RECIPE: dict[str, float] = {
    "steps": 20,
    "guidance": 3.0,
    "face_keep": 1.0,
    "environment_keep": 1.0,
    "free_keep": 0.95,
    "polish_strength": 0.0,
}
"""Numbers of :class:`brief.recipe.Recipe` that suit a UNet which cannot better its references yet: person and
place are kept to the end, and it draws the last steps of what is between them."""
UNTRAINED: dict[str, float] = {"face_strength": 0.0, "product_strength": 0.0, "environment_strength": 0.0}
"""Numbers for a bundle whose adapters have learnt nothing yet: they would add noise, so they are off."""

COMPLETING: dict[str, float] = {
    "steps": 1,
    "guidance": 1.0,
    "face_strength": 1.0,
    "product_strength": 1.0,
    "environment_strength": 1.0,
    "polish_strength": 0.0,
}
"""Numbers for a UNet that completes collages: the place stays outside of what it draws, whatever is kept; its adapters
are as strong as in training."""

_PARTS = (
    "tokenizer",
    "text_encoder",
    "unet",
    "vae",
    "scheduler",
    "image_encoder",
    "ip_adapter",
    FACE_READER,
    SKETCH,
    SKETCH_DECODER,
)

_ORIGIN = ("_name_or_path", "is_local", "local_files_only")


def export(shop: Workshop) -> Path:
    """Write the latest weights of every stage to the workshop's bundle folder and return it.

    What was calibrated before is kept: thresholds, and what tells the bundle's world by an image encoder that is still
    the same.
    """
    folder = shop.bundle
    completes = shop.completes or shop.checkpoint("inpainting").exists()
    painter, first, decoder = shop.inpainting() if completes else _whole(shop), shop.sketch(), shop.autoencoder()
    pipe = _pipeline(shop, painter, "sample" if completes else "v_prediction")
    encoder, reader = shop.image_encoder().half(), shop.reader().eval()
    adapters = to_files(attached(painter["unet"]))
    projection = shop.text_projection().half()
    if shop.checkpoint("reader").exists() or not shop.begun:
        reader = with_accuracy(reader, accuracy(reader, shop.held_out, shop.device))
    before = read_card(folder) if (folder / "bundle.toml").exists() else None
    for part in _PARTS if shop.keeps_encoder else (*_PARTS, DOMAIN):
        shutil.rmtree(folder / part, ignore_errors=True)
    pipe.save_pretrained(folder)
    _forget_origin(folder)
    encoder.save_pretrained(folder / "image_encoder")
    edge = encoder.config.image_size
    CLIPImageProcessor(size={"shortest_edge": edge}, crop_size=edge).save_pretrained(folder / "image_encoder")
    (folder / "ip_adapter").mkdir()
    for role, tensors in adapters.items():
        save_file(tensors, folder / "ip_adapter" / f"{role}.safetensors")
    save_reader(reader, folder / FACE_READER)
    save_portrait_prior(first, folder / SKETCH)
    if completes:
        decoder.half().save_pretrained(folder / SKETCH_DECODER)
    save_file({"weight": projection.contiguous()}, folder / TEXT_PROJECTION)
    write_card(folder, _card(shop, before, folder, completes=completes))
    return folder


def _forget_origin(folder: Path) -> None:
    """Take out where on this machine weights were loaded from: nobody else's business, and it would change digests."""
    for file in [*folder.glob("*/config.json"), *folder.glob("*/tokenizer_config.json")]:
        config = json.loads(file.read_text(encoding="utf-8"))
        if [name for name in _ORIGIN if config.pop(name, None) is not None]:
            file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _whole(shop: Workshop) -> Models:
    """Text encoder, autoencoder and a UNet with its adapters that draws whole pictures."""
    painter = shop.painter()
    attach(painter["unet"], shop.adapters(painter["unet"]))
    painter["vae"] = shop.autoencoder()
    return painter


def _pipeline(shop: Workshop, painter: Models, prediction: str) -> StableDiffusionPipeline:
    parts: dict[str, nn.Module] = {
        "unet": _without_adapters(painter["unet"]),
        "text_encoder": painter["text"].half(),
        "vae": painter["vae"],
    }
    if isinstance(parts["vae"], AutoencoderTiny):
        parts["vae"].half()
    return StableDiffusionPipeline(
        tokenizer=shop.tokenizer(),
        scheduler=make_scheduler(prediction),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
        **parts,
    )


def _without_adapters(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """A copy of ``unet`` in float16 as it is stored, its adapters in files of their own."""
    bare = UNet2DConditionModel.from_config({**unet.config, "encoder_hid_dim_type": None})
    bare.load_state_dict({name: unet.state_dict()[name] for name in bare.state_dict()})
    return bare.half()


def _card(shop: Workshop, before: BundleCard | None, folder: Path, *, completes: bool) -> BundleCard:
    scorers = {"face_reader": FACE_READER, "text_projection": TEXT_PROJECTION, "sketch": SKETCH}
    if completes:
        scorers["sketch_decoder"] = SKETCH_DECODER
    if (folder / DOMAIN).exists():
        scorers["domain"] = DOMAIN
    recipe = RECIPE if shop.checkpoint("adapters").exists() else {**RECIPE, **UNTRAINED}
    return BundleCard(
        name=NAME,
        family="sd15",
        licence="Apache-2.0",
        commercial=True,
        width=shop.sizes.pixels,
        height=shop.sizes.pixels,
        adapters={role: f"ip_adapter/{role}.safetensors" for role in ROLES},
        scorers=scorers,
        recipe=COMPLETING if completes else recipe,
        thresholds=before.thresholds if before else {},
        calibration=before.calibration if before else {},
        scales=before.scales if before and shop.keeps_encoder else {},
        inpaint={"hint": "figure"} if completes else {},
        sha256=hash_files(folder),
    )
