"""Which adapter drew what: shares of the decoupled cross-attention per pixel, as heat maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from generation.bundle.load import Bundle
from generation.painters.pixels import to_images
from generation.painters.stable_diffusion.denoise import denoise
from generation.painters.stable_diffusion.latents import decode_latents
from generation.painters.stable_diffusion.sample import Sample


@dataclass(slots=True)
class _Shares:
    """Sums over layers and steps: per role [n, h, w] at latent resolution, and how many were added."""

    latent: tuple[int, int]
    count: int
    sums: dict[str, Tensor] = field(default_factory=dict)
    added: int = 0


@torch.inference_mode()
def attribute(bundle: Bundle, samples: Sequence[Sample]) -> tuple[list[Image.Image], list[dict[str, Tensor]]]:
    """Draw ``samples``, which must be of one group, and say whose doing each pixel is.

    What an adapter adds to a layer of cross-attention is measured against what all adapters and the words add there
    (norms over channels), and averaged over layers and steps. Costs some three times the layers' attention.

    Returns:
        The pictures, the same as without; and per picture and role of the bundle a map [h, w] at latent resolution, 0
        to 1: the adapter's share. What is left to 1 is the words'.
    """
    width, height = (edge // bundle.scale_factor for edge in samples[0].size)
    shares = _Shares((height, width), len(samples))
    with _watched(bundle, shares):
        latents = denoise(bundle, samples)
    maps = [
        {role: total[row] / max(1, shares.added) for role, total in shares.sums.items()} for row in range(shares.count)
    ]
    return to_images(decode_latents(bundle, latents)), maps


@contextmanager
def _watched(bundle: Bundle, shares: _Shares) -> Iterator[None]:
    # A compiled block calls no hooks that came after it.
    with ExitStack() as stack, torch.compiler.set_stance("force_eager"):
        for module in bundle.unet.modules():
            if hasattr(getattr(module, "processor", None), "to_k_ip"):
                handle = module.register_forward_hook(_hook(bundle, shares), with_kwargs=True)
                stack.callback(handle.remove)
        yield


def _hook(bundle: Bundle, shares: _Shares) -> Any:
    def note(module: Any, arguments: tuple[Any, ...], options: dict[str, Any], output: Tensor) -> None:
        processor, hidden = module.processor, arguments[0]
        scales, parts = list(processor.scale), []
        try:
            for shown in (None, *range(len(scales))):
                processor.scale = [scale if number == shown else 0.0 for number, scale in enumerate(scales)]
                parts.append(processor(module, hidden, **options)[-shares.count :].float())
        finally:
            processor.scale = scales
        words, *with_one = parts
        bias = 0 if module.to_out[0].bias is None else module.to_out[0].bias.float()
        sizes = [(words - bias).norm(dim=-1), *((each - words).norm(dim=-1) for each in with_one)]
        whole = torch.stack(sizes).sum(0).clamp(min=1e-9)
        shares.added += 1
        for role, size in zip(bundle.roles, sizes[1:], strict=True):
            share = _as_map(size / whole, shares.latent)
            shares.sums[role] = shares.sums[role] + share if role in shares.sums else share

    return note


def _as_map(tokens: Tensor, latent: tuple[int, int]) -> Tensor:
    """A value per token [n, tokens] as [n, h, w] at latent resolution; layers see it halved several times."""
    height, width = latent
    factor = max(1, round((height * width / tokens.shape[1]) ** 0.5))
    small = tokens.reshape(-1, 1, -(-height // factor), -(-width // factor))
    return functional.interpolate(small, size=latent, mode="bilinear", align_corners=False)[:, 0].cpu()
