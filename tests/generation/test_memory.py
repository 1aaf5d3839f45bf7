"""What is kept on a card of 8, 12, 24 or 80 GB."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from generation.bundle.load import Bundle, default_dtype
from generation.bundle.memory import (
    GIB,
    MOST,
    MemoryPlan,
    Weights,
    count_bytes,
    memory_plan_for,
    on_device,
    plan_memory,
)

SD15 = Weights(denoiser=int(1.96e9), autoencoder=int(0.17e9), encoders=int(1.51e9))
SDXL = Weights(denoiser=int(7.52e9), autoencoder=int(0.17e9), encoders=int(2.86e9))
"""Half precision, three adapters and ViT-H, from the published sizes."""


@pytest.mark.parametrize(
    ("weights", "edge", "gigabytes", "plan"),
    [
        (SD15, 512, 8, MemoryPlan(batch=MOST)),
        (SD15, 512, 80, MemoryPlan(batch=MOST)),
        (SDXL, 1024, 8, MemoryPlan(10, encoders_away=True, autoencoder_away=True, denoiser_streamed=True)),
        (SDXL, 1024, 12, MemoryPlan(5, encoders_away=True)),
        (SDXL, 1024, 24, MemoryPlan(batch=MOST)),
        (SDXL, 1024, 80, MemoryPlan(batch=MOST)),
    ],
)
def test_plans_for_the_usual_cards(weights: Weights, edge: int, gigabytes: int, plan: MemoryPlan) -> None:
    assert plan_memory(gigabytes * GIB, weights, edge * edge) == plan


def test_an_autoencoder_in_full_precision_needs_more_room() -> None:
    half, full = (plan_memory(24 * GIB, SDXL, 2048 * 2048, decode_bytes_per_value=size) for size in (2, 4))
    assert half == MemoryPlan(4)
    assert full.encoders_away


@given(
    gigabytes=st.integers(1, 96),
    edge=st.sampled_from([256, 512, 768, 1024, 1536, 2048]),
    weights=st.sampled_from([SD15, SDXL]),
)
def test_a_larger_card_never_does_worse(gigabytes: int, edge: int, weights: Weights) -> None:
    small, large = (plan_memory(size * GIB, weights, edge * edge) for size in (gigabytes, gigabytes + 8))
    away = [(plan.denoiser_streamed, plan.autoencoder_away, plan.encoders_away, plan.tiled) for plan in (small, large)]
    assert 1 <= small.batch <= MOST
    assert away[1] <= away[0]


def test_what_is_away_is_on_the_card_only_while_it_works(bundle: Bundle) -> None:
    moves: list[str] = []

    class Moved(torch.nn.Module):
        def to(self, *places: object, **_: object) -> Moved:
            moves.extend(map(str, places))
            return self

    away = replace(bundle, plan=MemoryPlan(encoders_away=True), device=torch.device("cuda"))
    with on_device(Moved(), away.device, away.plan.encoders_away):
        assert moves == ["cuda"]
    assert moves == ["cuda", "cpu"]
    with on_device(Moved(), bundle.device, bundle.plan.encoders_away):
        assert moves == ["cuda", "cpu"]


def test_weights_are_counted(bundle: Bundle) -> None:
    linear = torch.nn.Linear(3, 5)
    assert count_bytes([linear, linear.half()]) == 2 * (3 * 5 + 5) * 2
    assert memory_plan_for(bundle.device, None, bundle.card, 4) == MemoryPlan()


@pytest.mark.parametrize(("own", "wanted"), [(True, torch.bfloat16), (False, torch.float16)])
def test_cards_that_only_emulate_bfloat16_draw_in_float16(
    monkeypatch: pytest.MonkeyPatch, own: bool, wanted: torch.dtype
) -> None:
    """T4, V100 and RTX 20 say they can, and have no convolutions in it."""

    def supported(including_emulation: bool = True) -> bool:
        return own or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert default_dtype(torch.device("cuda")) is wanted
    assert default_dtype(torch.device("cpu")) is torch.float32
