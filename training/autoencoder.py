"""Stage ``autoencoder``: 128x128 pixels to 16x16 latents of 16 channels and back."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn
from torch.nn import functional

from training.corpus import Corpus, pixel_weights
from training.device import Device
from training.loop import Losses, Models, Schedule, train
from training.principal import Components, find_components
from training.sheets import save_sheet
from training.sizes import Sizes
from training.world.picture import FACE_IDS, PRODUCT_IDS

_CROP = 64
_NOISE = 0.08
_CROPS = 16
_HANDOVER = 1500
"""Steps over which the decoder is weaned from the linear latents to the encoder's own."""
_HELD_OUT = 64


def make_autoencoder(sizes: Sizes) -> AutoencoderTiny:
    """AutoencoderTiny (TAESD, Bohan 2023) with more latent channels; its latents need no scaling or shift."""
    encoder, decoder = sizes.encoder_blocks, sizes.decoder_blocks
    return AutoencoderTiny(
        encoder_block_out_channels=(sizes.encoder_width,) * len(encoder),
        decoder_block_out_channels=(sizes.decoder_width,) * len(decoder),
        num_encoder_blocks=encoder,
        num_decoder_blocks=decoder,
        latent_channels=sizes.latent_channels,
        scaling_factor=1.0,
        shift_factor=0.0,
        force_upcast=False,
    )


def train_autoencoder(
    vae: AutoencoderTiny,
    corpus: Corpus,
    held_out: Corpus,
    device: Device,
    folder: Path,
    minutes: float,
    *,
    begun: bool,
    settled: bool,
) -> None:
    """Train on crops, half of them round a face or a product.

    Args:
        begun: ``vae`` has been trained before.
        settled: a UNet has learnt the latents, so they must stay as they are: only the decoder is trained.
    """
    vae.encoder.requires_grad_(not settled)
    vae = vae.to(device.torch, memory_format=torch.channels_last)
    some = corpus.pixels(torch.randperm(len(corpus))[:256])
    components = find_components(some, vae.config.latent_channels).to(device.torch)
    state = {"steps": 0}
    batch = _CROPS * (16 if device.fast else 1)
    crops = Crops(corpus)
    shown = held_out.pixels(torch.linspace(0, len(held_out) - 1, 16).long()).to(device.torch)

    def losses(models: Models) -> Losses:
        pixels, weight = crops.draw(batch)
        state["steps"] += 1
        own = 1.0 if begun else min(1.0, state["steps"] / _HANDOVER)
        return _losses(models["vae"], pixels.to(device.torch), weight.to(device.torch), components, own)

    def look(models: Models) -> None:
        print(f"held-out PSNR {psnr(models['vae'], held_out, device):.2f} dB", flush=True)
        pairs = torch.stack([shown, _through(models["vae"], shown)], 1).flatten(0, 1)
        save_sheet(pairs / 2 + 0.5, 8, folder / "pairs.png")

    schedule = Schedule(minutes, batch, rate=3e-3, warm_up=40, mean=0.995, weight_decay=1e-4)
    train("autoencoder", nn.ModuleDict({"vae": vae}), losses, schedule, device, folder, look)


class Crops:
    """Random crops of a corpus, half of them round a face or a product."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._boxes = corpus.boxes((*FACE_IDS, *PRODUCT_IDS)).tolist()
        self._weights = pixel_weights()

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """``count`` crops in -1 to 1, and what each pixel weighs [n, 1, h, w]."""
        pictures, weights = [], []
        for row in torch.randint(len(self._corpus), (count,)).tolist():
            top, left = self._corner(row)
            part = slice(top, top + _CROP), slice(left, left + _CROP)
            pictures.append(torch.from_numpy(self._corpus.images[row][part]))
            weights.append(torch.from_numpy(self._weights[self._corpus.ids[row][part]]))
        pixels = torch.stack(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
        weight = torch.stack(weights)[:, None]
        if torch.rand(()) < 0.5:
            pixels, weight = pixels.flip(3), weight.flip(3)
        return pixels.contiguous(memory_format=torch.channels_last), weight

    def _corner(self, row: int) -> tuple[int, int]:
        edge = self._corpus.images.shape[1] - _CROP
        down, right, near = torch.rand(3).tolist()
        left, top, far, low = self._boxes[row]
        if near < 0.5 or far == 0:
            return round(down * edge), round(right * edge)
        centre = top + down * (low - top), left + right * (far - left)
        return min(max(round(centre[0]) - _CROP // 2, 0), edge), min(max(round(centre[1]) - _CROP // 2, 0), edge)


def _losses(vae: AutoencoderTiny, pixels: Tensor, weight: Tensor, components: Components, own: float) -> Losses:
    latents = vae.encode(pixels).latents
    linear = components.latents(pixels)
    # Noise makes the decoder forgive what the UNet does not get exactly right.
    shown = linear + own * (latents - linear) + _NOISE * torch.randn_like(linear)
    drawn = vae.decode(shown).sample.float()
    gap = drawn - pixels
    square = (gap.square() * weight).mean()
    edges = sum((gap.diff(dim=axis).abs()).mean() for axis in (2, 3))
    coarse = functional.avg_pool2d(gap, 4).abs().mean()
    pull = functional.mse_loss(latents.float(), linear)
    loss = (gap.abs() * weight).mean() + 2 * square + 0.5 * edges + 0.5 * coarse + (1 - 0.9 * own) * pull
    return {"loss": loss, "mse": gap.square().mean(), "pull": pull}


def _through(vae: AutoencoderTiny, pixels: Tensor) -> Tensor:
    drawn: Tensor = vae.decode(vae.encode(pixels).latents).sample.float()
    return drawn.clamp(-1, 1)


@torch.no_grad()
def psnr(vae: AutoencoderTiny, corpus: Corpus, device: Device, count: int = _HELD_OUT) -> float:
    """Mean peak signal-to-noise ratio in dB over ``count`` pictures spread over a corpus, encoded and decoded."""
    found = []
    for rows in torch.linspace(0, len(corpus) - 1, count).long().split(16):
        pixels = corpus.pixels(rows).to(device.torch)
        error = (_through(vae, pixels) - pixels).square().mean((1, 2, 3)) / 4
        found.append(-10 * torch.log10(error))
    return float(torch.cat(found).mean())
