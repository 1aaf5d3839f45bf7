"""Where a bundle's weights lie: in its own folder, or in hub repositories that ``bundle.toml`` names with revisions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from generation.bundle.card import BundleCard, BundleError

_BASE_FILES = ["*.json", "*/*.json", "*/*.txt", "*/model.safetensors", "*/diffusion_pytorch_model.safetensors"]
_NOT_NEEDED = ["safety_checker/*", "vae_1_0/*"]


@dataclass(frozen=True, slots=True)
class Sources:
    """Local paths of everything that is loaded."""

    base: Path
    image_encoder: Path
    adapters: dict[str, Path]


def locate(folder: Path, card: BundleCard) -> Sources:
    """Local paths for ``card``; repositories that ``[source]`` names are downloaded first, or found in the cache.

    ``[source]`` holds ``base`` and ``adapters`` (hub ids or local folders), ``base_revision`` and
    ``adapters_revision`` (commits), and ``image_encoder`` (a folder inside ``adapters``).

    Raises:
        BundleError: a file that is named is not there, or the hub cannot be reached and the cache lacks it.
    """
    if not card.source:
        adapters = {role: folder / path for role, path in card.adapters.items()}
        return _checked(Sources(folder, folder / "image_encoder", adapters))
    for name in ("base", "adapters", "image_encoder"):
        if name not in card.source:
            raise BundleError(f"{folder / 'bundle.toml'}: [source] lacks {name!r}")
    encoder = card.source["image_encoder"]
    wanted = [*card.adapters.values(), f"{encoder}/*.json", f"{encoder}/*.safetensors"]
    base = _fetch(card.source["base"], card.source.get("base_revision"), _BASE_FILES)
    root = _fetch(card.source["adapters"], card.source.get("adapters_revision"), wanted)
    return _checked(Sources(base, root / encoder, {role: root / path for role, path in card.adapters.items()}))


def _fetch(repository: str, revision: str | None, patterns: list[str]) -> Path:
    if Path(repository).is_dir():
        return Path(repository)
    if revision is None:
        raise BundleError(f"{repository}: name the commit as its revision, so that pictures can be made again")
    try:
        return Path(
            snapshot_download(repository, revision=revision, allow_patterns=patterns, ignore_patterns=_NOT_NEEDED)
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise BundleError(
            f"{repository} at {revision} could not be fetched ({error}); "
            "reach the hub once, or put the models into a local folder and name that"
        ) from error


def _checked(sources: Sources) -> Sources:
    for path in (sources.base / "model_index.json", sources.image_encoder / "config.json", *sources.adapters.values()):
        if not path.is_file():
            raise BundleError(f"{path} is missing")
    return sources
