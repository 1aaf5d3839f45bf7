"""The loop: rows that do not touch each other, equality with the stock pipeline, and parts that stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    StableDiffusionPipeline,
)
from torch._dynamo.utils import counters

from generation.bundle.card import ROLES
from generation.bundle.load import Bundle, compiled, load
from generation.painters.stable_diffusion.denoise import denoise
from generation.painters.stable_diffusion.encoders import adapter_inputs
from generation.painters.stable_diffusion.latents import decode_latents, encode_images
from generation.painters.stable_diffusion.painter import StableDiffusion
from generation.painters.stable_diffusion.sample import Sample
from tests.generation.conftest import picture

SIZE, LATENT = (64, 64), 8
LONG = "a person holding a blue striped mug, on a beach, " * 4
# diffusers' schedulers hand tensors to NumPy the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SCHEDULERS = (DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler)


def sample(bundle: Bundle, number: int, **changes: Any) -> Sample:
    """A sample that differs from the others in everything that may differ."""
    painter = StableDiffusion.of(bundle)
    words = ("a face", LONG, "a red shoe on a plinth, snow", "perfume")[number]
    text, negative = painter.texts.encode([words, "blurry"])
    shown = painter.images.encode([picture(10 * number + role) for role in range(3)])
    masks = torch.rand(3, LATENT, LATENT, generator=(generator := torch.Generator().manual_seed(number)))
    made = Sample(
        size=SIZE,
        text=text,
        negative=negative,
        images=adapter_inputs(bundle, dict(zip(ROLES, shown, strict=True))),
        no_images=adapter_inputs(bundle, dict.fromkeys(ROLES, painter.images.nothing())),
        masks=dict(zip(ROLES, masks, strict=True)),
        seed=100 + number,
        steps=4,
        guidance=(1.0, 3.0, 5.0, 7.5)[number],
        guidance_until=(1.0, 0.5, 0.8, 1.0)[number],
        reference=encode_images(bundle, [picture(50 + number, SIZE)])[0] if number % 2 else None,
        keep=torch.rand(LATENT, LATENT, generator=generator) * 0.2 if number % 2 else None,
    )
    return replace(made, **changes)


@pytest.fixture(params=SCHEDULERS, ids=lambda kind: kind.__name__)
def scheduled(request: pytest.FixtureRequest, bundle: Bundle) -> Bundle:
    return replace(bundle, scheduler=request.param.from_config(bundle.scheduler.config))


def test_a_batch_equals_its_drawings_one_by_one(scheduled: Bundle) -> None:
    samples = [sample(scheduled, number) for number in range(4)]
    together = decode_latents(scheduled, denoise(scheduled, samples))
    alone = torch.cat([decode_latents(scheduled, denoise(scheduled, [one])) for one in samples])
    assert (together - alone).abs().max() < 1e-4
    assert (together[0] - together[1]).abs().max() > 0.1


def test_compiled_blocks_draw_the_same_and_once_compiled_draw_any_smaller_batch(miniature: Path) -> None:
    """Batches of 3 and 4 are padded to the same number of rows. Traced here and not translated to machine code, which
    takes a compiler minutes; what that gains stands in docs/models.md."""
    plain, traced = load(miniature, "cpu"), compiled(load(miniature, "cpu"), backend="aot_eager")
    alike = {"guidance": 3.0, "guidance_until": 1.0, "text": sample(plain, 0).text}
    samples = [sample(plain, number, **alike) for number in range(4)]
    whole = denoise(traced, samples)
    traces = counters["stats"]["unique_graphs"]
    assert traces > 0
    assert (whole - denoise(plain, samples)).abs().max() < 1e-4
    assert (denoise(traced, samples[:3]) - whole[:3]).abs().max() < 1e-4
    assert counters["stats"]["unique_graphs"] == traces
    assert not counters["graph_break"]
    torch._dynamo.reset()


def test_on_a_cpu_nothing_is_compiled_and_the_log_says_what_it_would_cost(
    miniature: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert not load(miniature, "cpu", compile_blocks=True).compiled
    assert "on a CPU that costs: 1.4 to 1.6 processor seconds" in caplog.text


def test_equal_seeds_give_equal_pixels(bundle: Bundle) -> None:
    first, again, other = (denoise(bundle, [sample(bundle, 2, seed=seed)]) for seed in (7, 7, 8))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=0.1)


def test_one_picture_equals_the_stock_pipeline(scheduled: Bundle, miniature: Path) -> None:
    assert _apart(scheduled, miniature) < 1e-4


def test_zero_snr_models_are_guided_as_the_stock_pipeline_guides_them(bundle: Bundle, miniature: Path) -> None:
    scheduler = DDIMScheduler.from_config(
        bundle.scheduler.config,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )
    assert _apart(replace(bundle, scheduler=scheduler), miniature, guidance_rescale=0.7) < 1e-4


def _apart(scheduled: Bundle, miniature: Path, **options: float) -> float:
    """Largest difference of our latents from the stock pipeline's, relative to their size."""
    pipe = StableDiffusionPipeline.from_pretrained(miniature, safety_checker=None, local_files_only=True)
    pipe.load_ip_adapter(
        str(miniature),
        subfolder="ip_adapter",
        weight_name=[f"{role}.safetensors" for role in ROLES],
        image_encoder_folder=None,
    )
    pipe.set_ip_adapter_scale([1.0] * 3)
    pipe.scheduler = scheduled.scheduler
    ours = sample(scheduled, 2, guidance=4.0, guidance_until=1.0)
    stock = pipe(
        prompt="a red shoe on a plinth, snow",
        negative_prompt="blurry",
        ip_adapter_image_embeds=[torch.stack([ours.no_images[role], ours.images[role]]) for role in ROLES],
        cross_attention_kwargs={"ip_adapter_masks": [ours.masks[role][None, None] for role in ROLES]},
        generator=torch.Generator().manual_seed(ours.seed),
        num_inference_steps=4,
        guidance_scale=4.0,
        width=64,
        height=64,
        output_type="latent",
        **options,
    ).images
    found = denoise(scheduled, [ours])
    return float((found - stock).abs().max() / stock.abs().max())


def test_what_is_kept_to_the_end_is_the_reference(scheduled: Bundle) -> None:
    reference = encode_images(scheduled, [picture(1, SIZE)])[0]
    keep = torch.zeros(LATENT, LATENT)
    keep[:, :4] = 1
    found = denoise(scheduled, [sample(scheduled, 0, reference=reference, keep=keep)])[0]
    assert torch.equal(found[..., :4], reference[..., :4])
    assert (found[..., 4:] - reference[..., 4:]).abs().max() > 0.1


def test_the_longer_the_keep_the_nearer_the_reference(bundle: Bundle) -> None:
    reference = encode_images(bundle, [picture(1, SIZE)])[0]
    distances = []
    for share in (0.0, 0.5, 0.75, 1.0):
        keep = torch.full((LATENT, LATENT), share)
        found = denoise(bundle, [sample(bundle, 0, reference=reference, keep=keep)])[0]
        distances.append(float((found - reference).abs().mean()))
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] == 0


def test_steps_that_would_be_overwritten_are_not_run(bundle: Bundle) -> None:
    reference = encode_images(bundle, [picture(1, SIZE)])[0]
    before = bundle.counts.unet_forwards
    denoise(bundle, [sample(bundle, 0, reference=reference, keep=torch.full((LATENT, LATENT), 0.5))])
    assert bundle.counts.unet_forwards - before == 2


def test_a_text_of_any_length_is_read_to_its_end(bundle: Bundle) -> None:
    painter = StableDiffusion.of(bundle)
    one, two = painter.texts.encode([LONG + "with a red hat", LONG + "with a blue hat"])
    assert one.tokens.shape[0] > 77
    assert one.tokens.shape[0] % 77 == 0
    assert not torch.equal(one.tokens, two.tokens)


def test_drawings_of_different_steps_are_refused(bundle: Bundle) -> None:
    with pytest.raises(ValueError, match="one number of steps"):
        denoise(bundle, [sample(bundle, 0), sample(bundle, 1, steps=5)])


def test_a_scheduler_of_two_calls_per_step_is_refused(bundle: Bundle) -> None:
    heun = replace(bundle, scheduler=HeunDiscreteScheduler.from_config(bundle.scheduler.config))
    with pytest.raises(ValueError, match="more than once per step"):
        denoise(heun, [sample(heun, 0)])


def test_keys_and_values_are_computed_once_a_run(bundle: Bundle) -> None:
    """For all steps with the same guided rows, and not carried into the next run, whose words are others."""
    layers = [module for name, module in bundle.unet.named_modules() if name.endswith("attn2")]
    cache, each = bundle.keys_and_values, len(layers) * 2 * (1 + len(bundle.roles))
    one, other = sample(bundle, 2, guidance_until=0.5), sample(bundle, 3)
    before = cache.computed
    first = denoise(bundle, [one])
    assert cache.computed - before == 2 * each
    assert (cache.sources, cache.made) == ((), {})
    second = denoise(bundle, [other])
    assert cache.computed - before == 3 * each
    assert not torch.allclose(first, second, atol=0.1)
    assert torch.equal(denoise(bundle, [one]), first)


def test_what_is_no_source_is_computed_each_time(bundle: Bundle) -> None:
    """A tensor that takes the place of another in memory is not taken for it."""
    cache = bundle.keys_and_values
    layer = next(module for name, module in bundle.unet.named_modules() if name.endswith("attn2")).to_k
    given = torch.ones(1, 3, layer.in_features)
    with cache.run():
        before = layer(given)
        given.zero_()
        assert float(layer(given).abs().max()) == 0
        assert float(before.abs().max()) > 0
        cache.tell([given])
        assert layer(given) is layer(given)
