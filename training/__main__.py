"""One command per stage: ``python -m training STAGE --minutes N``, in the order of the list below.

Every stage saves ``checkpoint.safetensors``, ``curve.csv`` and ``curve.png`` under ``--runs``, goes on from its
checkpoint when run again, and from the bundle that ships when there is no checkpoint.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from training import sizes
from training.adapters import train_adapters
from training.autoencoder import train_autoencoder
from training.clip import train_clip
from training.device import find_device
from training.export import export
from training.inpainting.batches import Collages
from training.inpainting.evaluate import evaluate_inpainting
from training.inpainting.pictures import read_layers
from training.inpainting.stage import train_inpainting
from training.peers import Peers
from training.reader import train_reader
from training.sketch import train_sketch
from training.text2image import train_text2image
from training.words import train_words
from training.workshop import Workshop
from training.world.dataset import World


def autoencoder(shop: Workshop, minutes: float) -> None:
    settled = shop.begun or shop.checkpoint("text2image").exists()
    train_autoencoder(
        shop.autoencoder(),
        shop.corpus,
        shop.held_out,
        shop.device,
        shop.runs / "autoencoder",
        minutes,
        begun=settled or shop.checkpoint("autoencoder").exists(),
        settled=settled,
    )


def reader(shop: Workshop, minutes: float) -> None:
    train_reader(shop.reader(), shop.corpus, shop.held_out, shop.device, shop.runs / "reader", minutes)


def sketch(shop: Workshop, minutes: float) -> None:
    folder = shop.runs / "sketch"
    fresh = not shop.begun and not shop.checkpoint("sketch").exists()
    model, vae, peers = shop.sketch(), shop.autoencoder(), Peers(folder, *shop.worker)
    train_sketch(model, shop.corpus, shop.held_out, vae, shop.device, folder, minutes, peers, fresh=fresh)


def words(shop: Workshop, minutes: float) -> None:
    models, vae, tokenizer = shop.words(), shop.autoencoder(), shop.tokenizer()
    train_words(models, shop.corpus, shop.held_out, vae, tokenizer, shop.device, shop.runs / "words", minutes)


def text2image(shop: Workshop, minutes: float) -> None:
    if shop.completes and not shop.checkpoint("text2image").exists():
        raise SystemExit(
            f"the UNet of {shop.bundle} completes collages and cannot draw whole pictures: train it by `inpainting`, "
            "or begin again with another --bundle"
        )
    models, vae, tokenizer = shop.painter(), shop.autoencoder(), shop.tokenizer()
    folder = shop.runs / "text2image"
    peers = Peers(folder, *shop.worker)
    train_text2image(models, shop.corpus, shop.held_out, vae, tokenizer, shop.device, folder, minutes, peers)


def clip(shop: Workshop, minutes: float) -> None:
    text, tokenizer = shop.painter()["text"], shop.tokenizer()
    heads = shop.heads()
    train_clip(shop.image_encoder(), heads, text, shop.corpus, tokenizer, shop.device, shop.runs / "clip", minutes)


def adapters(shop: Workshop, minutes: float) -> None:
    models, tokenizer = shop.painter(), shop.tokenizer()
    train_adapters(
        shop.adapters(models["unet"]),
        models,
        shop.image_encoder(),
        shop.autoencoder(),
        shop.corpus,
        tokenizer,
        shop.device,
        shop.runs / "adapters",
        minutes,
        Peers(shop.runs / "adapters", *shop.worker),
    )


def inpainting(shop: Workshop, minutes: float) -> None:
    makers = shop.layer_makers()
    train, held_out = (read_layers(shop.data / split, makers) for split in ("train", "held-out"))
    folder = shop.runs / "inpainting"
    train_inpainting(
        shop.inpainting(),
        shop.reader(),
        makers.encoder,
        train,
        held_out,
        shop.device,
        folder,
        minutes,
        Peers(folder, *shop.worker),
    )


def inpainting_evaluation(shop: Workshop, minutes: float) -> None:
    makers, models, folder = shop.layer_makers(), shop.inpainting().eval(), shop.data / "held-out"
    collages = Collages(read_layers(folder, makers), models["vae"])
    reader, plan = shop.reader().eval(), World(folder).plan
    evaluate_inpainting(models, makers.encoder, reader, collages, plan, shop.runs / "inpainting")


def write_bundle(shop: Workshop, minutes: float) -> None:
    export(shop)


STAGES: dict[str, Callable[[Workshop, float], None]] = {
    "autoencoder": autoencoder,
    "reader": reader,
    "sketch": sketch,
    "words": words,
    "text2image": text2image,
    "clip": clip,
    "adapters": adapters,
    "inpainting": inpainting,
    "inpainting-evaluation": inpainting_evaluation,
    "export": write_bundle,
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--data", type=Path, default=Path("training/data"))
    parser.add_argument("--runs", type=Path, default=Path("training/runs"))
    parser.add_argument("--bundle", type=Path, default=Path("bundles/starter"))
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    parser.add_argument(
        "--worker",
        default="0/1",
        help="of sketch, text2image, adapters and inpainting: number/count of this process, when several train",
    )
    parser.add_argument("--tiny", action="store_true", help="the smallest models, to try the whole chain")
    asked = parser.parse_args(arguments)
    # Both libraries tell at every load of a small bundle what is missing on purpose (torchvision, a safety checker).
    diffusers_logging.set_verbosity_error()
    transformers_logging.set_verbosity_error()
    size = sizes.TINY if asked.tiny else sizes.Sizes()
    shop = Workshop(size, find_device(asked.threads), asked.data, asked.runs, asked.bundle, _worker(asked.worker))
    STAGES[asked.stage](shop, asked.minutes)


def _worker(text: str) -> tuple[int, int]:
    rank, _, count = text.partition("/")
    return int(rank), int(count)


if __name__ == "__main__":
    main()
