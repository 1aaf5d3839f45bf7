"""Stage ``export``: the bundle, float16 in the standard layout, every file with its SHA-256."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPImageProcessor

from generation.bundle.card import ROLES, BundleCard, Threshold, hash_files, read_card, write_card
from generation.painters.stable_diffusion.portrait_prior import save_sketch
from generation.score.face_reader import save_reader
from training.adapter_files import to_files
from training.diffusion import make_scheduler
from training.reader import accuracy, with_accuracy
from training.workshop import SKETCH, TEXT_PROJECTION, Workshop

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


def export(shop: Workshop) -> Path:
    """Write the latest weights of every stage to the workshop's bundle folder and return it.

    Thresholds that an evaluation calibrated before are kept.
    """
    folder = shop.bundle
    pipe, first = _pipeline(shop), shop.sketch()
    encoder, reader = shop.image_encoder().half(), shop.reader().eval()
    adapters = to_files(shop.adapters(shop.painter()["unet"]))
    projection = shop.heads().text.weight.detach().half()
    reader = with_accuracy(reader, accuracy(reader, shop.held_out, shop.device))
    thresholds = read_card(folder).thresholds if (folder / "bundle.toml").exists() else {}
    for part in ("tokenizer", "text_encoder", "unet", "vae", "scheduler", "image_encoder", "ip_adapter", "scorers"):
        shutil.rmtree(folder / part, ignore_errors=True)
    pipe.save_pretrained(folder)
    _forget_origin(folder)
    encoder.save_pretrained(folder / "image_encoder")
    edge = encoder.config.image_size
    CLIPImageProcessor(size={"shortest_edge": edge}, crop_size=edge).save_pretrained(folder / "image_encoder")
    (folder / "ip_adapter").mkdir()
    for role, tensors in adapters.items():
        save_file(tensors, folder / "ip_adapter" / f"{role}.safetensors")
    save_reader(reader, folder / "scorers" / "face_reader")
    save_sketch(first, folder / SKETCH)
    save_file({"weight": projection.contiguous()}, folder / TEXT_PROJECTION)
    write_card(folder, _card(shop, thresholds, folder))
    return folder


def _forget_origin(folder: Path) -> None:
    """Take out where on this machine weights were loaded from: nobody else's business, and it would change digests."""
    for file in folder.glob("*/config.json"):
        config = json.loads(file.read_text(encoding="utf-8"))
        if config.pop("_name_or_path", None) is not None:
            file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _pipeline(shop: Workshop) -> StableDiffusionPipeline:
    painter = shop.painter()
    parts: dict[str, nn.Module] = {"unet": painter["unet"], "text_encoder": painter["text"], "vae": shop.autoencoder()}
    return StableDiffusionPipeline(
        tokenizer=shop.tokenizer(),
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
        **{name: part.to(torch.float16) for name, part in parts.items()},
    )


def _card(shop: Workshop, thresholds: Mapping[str, Threshold], folder: Path) -> BundleCard:
    return BundleCard(
        name=NAME,
        family="sd15",
        licence="Apache-2.0",
        commercial=True,
        width=shop.sizes.pixels,
        height=shop.sizes.pixels,
        adapters={role: f"ip_adapter/{role}.safetensors" for role in ROLES},
        scorers={"face_reader": "scorers/face_reader", "text_projection": TEXT_PROJECTION, "sketch": SKETCH},
        recipe=RECIPE if shop.checkpoint("adapters").exists() else {**RECIPE, **UNTRAINED},
        thresholds=thresholds,
        sha256=hash_files(folder),
    )
