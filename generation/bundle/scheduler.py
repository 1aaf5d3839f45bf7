"""The scheduler a bundle draws with: the one its ``[scheduler]`` names, else its repository's own, tried at load.

A repository's own scheduler is often the one its training code happened to use: Stable Diffusion 1.5 is published with
PNDM, which calls the UNet 31 times for 30 steps. ``[scheduler]`` names another class of diffusers and its numbers; it
is built from the repository's own configuration, so that betas and prediction type stay the model's.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import diffusers
import torch

from generation.bundle.card import BundleError

ALTERNATIVES = (
    "DPMSolverMultistepScheduler",
    "UniPCMultistepScheduler",
    "EulerDiscreteScheduler",
    "DDIMScheduler",
    "LCMScheduler",
)
"""Schedulers that are tested here, the one to choose first at the front; LCM is for few-step models."""


def choose_scheduler(own: Any, wanted: Mapping[str, Any], steps: Sequence[int]) -> Any:
    """The scheduler to draw with, tried for every number of ``steps`` that a recipe asks for.

    Args:
        own: the repository's scheduler.
        wanted: ``[scheduler]`` of the bundle: ``class`` and that class' numbers; empty for ``own``.

    Raises:
        BundleError: there is no such scheduler, it does not have such a number, or it cannot draw here; names others.
    """
    chosen = _build(own, wanted) if wanted else own
    for count in sorted(set(steps)):
        reason = _why_not(chosen, count)
        if reason:
            raise BundleError(f"{type(chosen).__name__} cannot be used: {reason}. {_advice()}")
    return chosen


def _build(own: Any, wanted: Mapping[str, Any]) -> Any:
    numbers = dict(wanted)
    name = numbers.pop("class", None)
    kind = getattr(diffusers, str(name), None)
    # By name as well as by class: where a library is missing, diffusers puts a dummy in the scheduler's place.
    if not (isinstance(kind, type) and kind.__name__.endswith("Scheduler")):
        raise BundleError(f"[scheduler] class {name!r} is not a scheduler of diffusers. {_advice()}")
    known = set(inspect.signature(kind).parameters)
    unknown = sorted(set(numbers) - known)
    if unknown:
        raise BundleError(f"[scheduler] {name} has no {unknown[0]!r}; it has {', '.join(sorted(known))}")
    try:
        with _quiet():
            return kind.from_config(own.config, **numbers)  # type: ignore[attr-defined]
    except (ImportError, NotImplementedError, TypeError, ValueError) as error:
        raise BundleError(f"[scheduler] {name} cannot be built: {str(error).strip()}. {_advice()}") from error


def _why_not(scheduler: Any, steps: int) -> str:
    """What keeps ``scheduler`` from the denoising loop at that many steps, found by running it on zeros."""
    missing = [part for part in ("add_noise", "scale_model_input", "init_noise_sigma") if not hasattr(scheduler, part)]
    if missing:
        return f"it has no {missing[0]}, so no part of a picture can be kept"
    zeros = torch.zeros(1, 4, 8, 8)
    try:
        with _quiet():
            trial = type(scheduler).from_config(scheduler.config)
            trial.set_timesteps(steps)
            if len(trial.timesteps) != steps:
                return f"it calls the UNet {len(trial.timesteps)} times for {steps} steps, and here a step is one call"
            if hasattr(trial, "set_begin_index"):
                trial.set_begin_index(0)
            latents = trial.add_noise(zeros, zeros, trial.timesteps[:1])
            for timestep in trial.timesteps:
                shown = trial.scale_model_input(latents, timestep)
                latents = trial.step(shown, timestep, latents, return_dict=False)[0]
    except Exception as error:
        return f"{type(error).__name__} at {steps} steps: {str(error).strip()}"
    return "" if bool(torch.isfinite(latents).all()) else f"it does not stay finite over {steps} steps"


def _advice() -> str:
    return f"Name another one under [scheduler] in bundle.toml: class = one of {', '.join(ALTERNATIVES)}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warning that the other class' numbers are not this one's: they are meant to fall away."""
    log = logging.getLogger("diffusers.configuration_utils")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
