"""When memory runs out in the middle of a batch, and when a picture cannot be drawn."""

from __future__ import annotations

import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from brief.face_spec import FaceSpec
from brief.types import Persona
from generation.bundle.load import Bundle, load
from generation.models import Models
from generation.painters.pixels import NotFinite
from generation.painters.stable_diffusion.latents import decode_latents
from generation.studio import Studio


class SmallCard:
    """Makes a UNet run out of memory for more than ``rows`` rows, and watches what the failed batches leave behind."""

    def __init__(self, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
        self.rows, self.forward = rows, bundle.unet.forward
        self.left: list[weakref.ref[Tensor]] = []
        self.failed: list[int] = []
        self.alive: list[bool] = []
        monkeypatch.setattr(bundle.unet, "forward", self)

    def __call__(self, sample: Tensor, *arguments: Any, **options: Any) -> Any:
        if len(sample) > self.rows:
            activations = torch.zeros(1024)
            self.left.append(weakref.ref(activations))
            self.failed.append(len(sample))
            raise torch.OutOfMemoryError("CUDA out of memory (simulated)")
        self.alive += [left() is not None for left in self.left]
        return self.forward(sample, *arguments, **options)


@pytest.fixture
def fresh(miniature: Path) -> Bundle:
    return load(miniature, "cpu")


def people(count: int, first: int = 0) -> dict[str, Persona]:
    return {f"p{number}": Persona(f"p{number}", FaceSpec(), number) for number in range(first, first + count)}


def test_a_batch_that_does_not_fit_is_halved_and_its_tensors_are_gone(
    fresh: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = SmallCard(fresh, monkeypatch, rows=4)
    made = list(Studio(Models.of(fresh), batch=8).faces(people(8)))
    assert [(result.key, result.error) for result in made] == [(f"p{number}", None) for number in range(8)]
    assert card.failed == [16, 8]
    assert card.alive
    assert not any(card.alive)


def test_the_smaller_batch_is_remembered(fresh: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    card = SmallCard(fresh, monkeypatch, rows=4)
    studio = Studio(Models.of(fresh), batch=4)
    assert [result.error for result in studio.faces(people(4))] == [None] * 4
    assert card.failed == [8]
    assert [result.error for result in studio.faces(people(5, first=4))] == [None] * 5
    assert card.failed == [8]


def test_one_picture_that_does_not_fit_says_what_to_do(fresh: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    SmallCard(fresh, monkeypatch, rows=1)
    (made,) = Studio(Models.of(fresh)).faces(people(1))
    assert "one picture of this size does not fit into memory; ask for a smaller one" in str(made.error)


def test_pictures_that_are_no_numbers_fail_alone_with_a_reason(fresh: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = fresh.vae.decode
    seen: list[Tensor] = []

    def overflowing(latents: Tensor, **options: Any) -> Any:
        seen.append(latents)
        scale = float("nan") if torch.allclose(latents, seen[0], atol=1e-3) else 1.0
        return (decode(latents, **options)[0] * scale,)

    monkeypatch.setattr(fresh.vae, "decode", overflowing)
    made = {result.key: result for result in Studio(Models.of(fresh), batch=3).faces(people(3))}
    assert "pixels that are no numbers" in (made["p0"].error or "")
    assert [made[key].error for key in ("p1", "p2")] == [None, None]


def test_an_autoencoder_that_overflows_in_half_precision_goes_on_in_full(miniature: Path) -> None:
    bundle = load(miniature, "cpu", torch.bfloat16)
    half = bundle.vae.decode

    def overflowing(latents: Tensor, **options: Any) -> Any:
        scale = 1.0 if latents.dtype == torch.float32 else float("inf")
        return (half(latents, **options)[0] * scale,)

    bundle.vae.decode = overflowing
    pixels = decode_latents(bundle, torch.ones(2, 4, 8, 8))
    assert bool(torch.isfinite(pixels).all())
    assert bundle.vae.dtype == torch.float32
    with pytest.raises(NotFinite, match="drew values that are no numbers"):
        decode_latents(bundle, torch.full((1, 4, 8, 8), float("nan")))


def test_a_batch_is_decoded_one_by_one(fresh: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = fresh.vae.decode
    sizes: list[int] = []

    def counted(latents: Tensor, **options: Any) -> Any:
        sizes.append(len(latents))
        return decode(latents, **options)

    monkeypatch.setattr(fresh.vae, "decode", counted)
    assert decode_latents(fresh, torch.zeros(3, 4, 8, 8)).shape == (3, 3, 64, 64)
    assert sizes == [1, 1, 1]


def test_no_more_pictures_are_drawn_together_than_fit(fresh: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(fresh, plan=replace(fresh.plan, batch=2))
    card = SmallCard(small, monkeypatch, rows=4)
    assert [result.error for result in Studio(Models.of(small), batch=8).faces(people(5))] == [None] * 5
    assert card.failed == []
