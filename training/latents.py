"""A corpus as latents, encoded once by the frozen autoencoder, together with its mirror image."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from training.corpus import Corpus
from training.device import Device
from training.world.picture import FACE_IDS, PRODUCT_IDS

_BATCH = 16
_PROBES, _STEP = 24, 0.5


def encode_corpus(vae: AutoencoderTiny, corpus: Corpus, device: Device, cache: Path) -> Tensor:
    """Scaled latents [n, 2, channels, h, w], float16 on the CPU; the second axis is the picture and its mirror image.

    They are kept in the folder ``cache`` under a digest of the encoder's weights and the number of pictures.
    """
    weights = hashlib.sha256(b"".join(value.cpu().numpy().tobytes() for value in vae.encoder.state_dict().values()))
    file = cache / f"{len(corpus)}-{weights.hexdigest()[:12]}.safetensors"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        save_file({"latents": _encode(vae, corpus, device)}, file)
    return load_file(file)["latents"]


@torch.no_grad()
def _encode(vae: AutoencoderTiny, corpus: Corpus, device: Device) -> Tensor:
    found = []
    vae = vae.to(device.torch, memory_format=torch.channels_last).eval()
    with device.autocast():
        for rows in tqdm(torch.arange(len(corpus)).split(_BATCH), desc="latents", unit="batch", mininterval=2.0):
            pixels = corpus.pixels(rows).to(device.torch)
            both = [vae.encode(turned).latents * vae.config.scaling_factor for turned in (pixels, pixels.flip(3))]
            found.append(torch.stack(both, 1).half().cpu())
    return torch.cat(found)


def region_weights(corpus: Corpus, edge: int, face: float, product: float) -> Tensor:
    """[n, 2, 1, edge, edge]: 1 plus ``face`` or ``product`` times the share of a latent pixel that shows it."""
    found = torch.ones(len(corpus), 1, edge, edge)
    for materials, extra in ((FACE_IDS, face), (PRODUCT_IDS, product)):
        found += extra * region_shares(corpus, materials, edge)
    return torch.stack([found, found.flip(3)], 1)


def region_shares(corpus: Corpus, materials: tuple[int, ...], edge: int) -> Tensor:
    """[n, 1, edge, edge]: share of each latent pixel that is made of ``materials``."""
    known = torch.zeros(256)
    known[list(materials)] = 1
    rows = [
        functional.adaptive_avg_pool2d(known[torch.from_numpy(ids).long()][:, None], edge)
        for ids in torch.arange(len(corpus)).split(256)
        for ids in [corpus.ids[ids.numpy()]]
    ]
    return torch.cat(rows)


@torch.no_grad()
def channel_weights(vae: AutoencoderTiny, latents: Tensor, device: Device) -> Tensor:
    """[channels, 1, 1], mean 1: how much a step along each latent channel changes the picture, as root mean square.

    A few channels hold brightness and colour, most hold fine detail that nobody could predict. Weighed alike, the
    detail would drown what a face is recognised by.
    """
    some = latents[torch.linspace(0, len(latents) - 1, _PROBES).long(), 0].float().to(device.torch)
    vae = vae.to(device.torch).eval()
    before = vae.decode(some / vae.config.scaling_factor).sample
    found = []
    for channel in range(some.shape[1]):
        moved = some.clone()
        moved[:, channel] += _STEP
        gap = vae.decode(moved / vae.config.scaling_factor).sample - before
        found.append(gap.square().mean().sqrt())
    weights = torch.stack(found)
    return (weights / weights.mean()).view(-1, 1, 1).cpu()
