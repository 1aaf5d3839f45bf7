"""Where a bundle's weights lie: in its own folder, in folders and files of one's own, or in hub repositories.

``[source]`` of ``bundle.toml`` names each part. A part with a revision beside it is a hub repository at that commit;
without one it is a folder or file on this machine, relative to the bundle's folder. So a mistyped path is an error
here, and its name never goes out to the hub.

| name | what it is | local |
|---|---|---|
| ``base``, ``base_revision`` | pipeline in the diffusers layout | folder, or one ``.safetensors`` file |
| ``config``, ``config_revision`` | configurations and tokenizers, only where ``base`` is one file | folder |
| ``vae``, ``vae_revision`` | another autoencoder than ``base``'s | folder, or one ``.safetensors`` file |
| ``adapters``, ``adapters_revision`` | IP-Adapters of ``[adapters]`` | folder |
| ``image_encoder`` | folder inside ``adapters`` | |
| ``words``, ``words_revision`` | a SigLIP 2 or CLIP that scores pictures by words | folder |
| ``faces``, ``faces_revision`` | AuraFace, which recognises faces | folder |
| ``safety``, ``safety_revision`` | pipeline whose ``safety_checker`` looks at pictures | folder |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from generation.bundle.card import BundleCard, BundleError, hash_file

PARTS = ("base", "config", "vae", "adapters", "words", "safety", "faces")
"""What ``[source]`` may name beside ``image_encoder``, each with its revision."""

_CONFIGS = ["*.json", "*/*.json", "*/*.txt", "*/*.jinja"]
_PARTS_OF_A_FILE = "-?????-of-?????"
_DENOISERS = ("unet", "transformer")
_CHECKER = "safety_checker"
FACES = "glintr100.onnx"
"""AuraFace's net that tells whose a face is."""
_NOT_NEEDED = [f"{_CHECKER}/*", "vae_1_0/*", "vae_encoder/*", "vae_decoder/*"]
_WORDS = """config.json model.safetensors preprocessor_config.json tokenizer.json tokenizer_config.json
special_tokens_map.json vocab.json merges.txt""".split()  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class Sources:
    """Local paths of everything that is loaded.

    Attributes:
        base: folder in the diffusers layout, or one checkpoint file.
        image_encoder: folder; ``None`` for models that need none.
        config: folder with the configurations that belong to a checkpoint file, else ``None``.
        vae: folder or file of a separate autoencoder, else ``None``.
        adapters: role to file.
        loras: files in the order of the card.
        words: folder of the model that scores pictures by words, else ``None``.
        safety: folder of the safety checker's weights, else ``None``.
        faces: file of AuraFace, else ``None``.
        sha256: "part/path" to digest of every file that lies outside of the bundle and of the hub.
    """

    base: Path
    image_encoder: Path | None
    adapters: Mapping[str, Path]
    config: Path | None = None
    vae: Path | None = None
    loras: tuple[Path, ...] = ()
    words: Path | None = None
    safety: Path | None = None
    faces: Path | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)


def locate(folder: Path, card: BundleCard) -> Sources:
    """Local paths for ``card``; what ``[source]`` names on the hub is downloaded first, or found in the cache.

    Raises:
        BundleError: a file or folder that is named is not there, or the hub cannot be reached and the cache lacks it.
    """
    if not card.source:
        adapters = {role: folder / card.adapters[role] for role in card.roles}
        encoder = folder / "image_encoder"
        sources = Sources(folder, encoder if encoder.is_dir() else None, adapters, loras=_loras(folder, card))
        return _checked(sources, card.variant)
    together = ("adapters", "image_encoder")
    for name in ("base", *(together if card.adapters or any(part in card.source for part in together) else ())):
        if name not in card.source:
            raise BundleError(f"{folder / 'bundle.toml'}: [source] lacks {name!r}")
    found = {part: _find(folder, card, part) for part in PARTS if part in card.source}
    if found["base"].is_file() and "config" not in found:
        raise BundleError(
            f"{folder / 'bundle.toml'}: [source] base is one file, which holds no tokenizer; "
            "name the repository or folder that its configurations are read from as config"
        )
    root = found.get("adapters", found["base"])
    sources = Sources(
        base=found["base"],
        image_encoder=root / card.source["image_encoder"] if "adapters" in found else None,
        adapters={role: root / card.adapters[role] for role in card.roles},
        config=found.get("config"),
        vae=found.get("vae"),
        loras=_loras(folder, card),
        words=found.get("words"),
        safety=found["safety"] / _CHECKER if "safety" in found else None,
        faces=found["faces"] / FACES if "faces" in found else None,
        sha256=_digests(card, found),
    )
    return _checked(sources, card.variant)


def is_on_hub(source: Mapping[str, str], part: str) -> bool:
    """Whether ``part`` is a hub repository: it has a revision."""
    return f"{part}_revision" in source


def wanted_files(card: BundleCard, part: str) -> list[str]:
    """Patterns of the files of ``part`` that are loaded: safetensors and configurations, one precision, no pickles."""
    if part == "adapters":
        encoder = card.source["image_encoder"]
        return [*(card.adapters[role] for role in card.roles), f"{encoder}/*.json", f"{encoder}/model*.safetensors"]
    if part == "config":
        return _CONFIGS
    if part == "vae":
        return ["config.json", "diffusion_pytorch_model.safetensors"]
    if part == "faces":
        return [FACES]
    if part == "words":
        return _WORDS
    precision = f".{card.variant}" if card.variant else ""
    if part == "safety":
        return [f"{_CHECKER}/config.json", f"{_CHECKER}/model{precision}.safetensors"]
    weights = (
        f"*/{name}{precision}{numbers}.safetensors"
        for name in ("model", "diffusion_pytorch_model")
        for numbers in ("", _PARTS_OF_A_FILE)
    )
    return [*_CONFIGS, *weights]


def is_wanted(file: str, patterns: Sequence[str]) -> bool:
    """Whether ``file`` of a repository is one of ``patterns``, as the hub's client matches them."""
    return any(fnmatch(file, p) for p in patterns) and not any(fnmatch(file, p) for p in _unneeded(patterns))


def _unneeded(patterns: Sequence[str]) -> list[str]:
    """What is left out although ``patterns`` fit it, unless they ask for it by name."""
    named = {pattern.split("/")[0] for pattern in patterns}
    return [pattern for pattern in _NOT_NEEDED if pattern.split("/")[0] not in named]


def local_path(folder: Path, text: str) -> Path:
    """``text`` from ``bundle.toml`` as a path: ``~`` is the home, what is relative begins at the bundle's folder."""
    return folder / Path(text).expanduser()


def _find(folder: Path, card: BundleCard, part: str) -> Path:
    named = card.source[part]
    if is_on_hub(card.source, part):
        return fetch(named, card.source[f"{part}_revision"], wanted_files(card, part))
    path = local_path(folder, named)
    if path.is_dir() or (path.suffix == ".safetensors" and path.is_file() and part in ("base", "vae")):
        return path
    raise BundleError(
        f"{folder / 'bundle.toml'}: [source] {part} = {named!r}: there is no folder {path}; "
        f"fix the path, or, if it is a repository of the hub, name its commit as {part}_revision"
    )


def fetch(repository: str, revision: str, patterns: Sequence[str]) -> Path:
    """The folder of ``repository`` at ``revision`` in the cache, with the files of ``patterns``; shows progress.

    Raises:
        BundleError: the hub cannot be reached, or has no such thing, and the cache lacks it.
    """
    try:
        return Path(
            snapshot_download(
                repository, revision=revision, allow_patterns=[*patterns], ignore_patterns=_unneeded(patterns)
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise BundleError(
            f"{repository} at {revision} could not be fetched ({error}); "
            "reach the hub once, or put the models into a local folder and name that"
        ) from error


def _loras(folder: Path, card: BundleCard) -> tuple[Path, ...]:
    return tuple(
        fetch(lora.repository, lora.revision, [lora.file]) / lora.file
        if lora.repository
        else local_path(folder, lora.file)
        for lora in card.loras
    )


def _digests(card: BundleCard, found: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 of every file of a local part that is loaded: other weights are another bundle, wherever they lie."""
    digests: dict[str, str] = {}
    for part, path in found.items():
        if is_on_hub(card.source, part):
            continue
        files = {path.name: path} if path.is_file() else _files_of(path, wanted_files(card, part))
        digests |= {f"{part}/{name}": hash_file(file) for name, file in sorted(files.items())}
    return digests


def _files_of(folder: Path, patterns: Sequence[str]) -> dict[str, Path]:
    files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    return {name: file for name, file in files.items() if is_wanted(name, patterns)}


def _checked(sources: Sources, variant: str) -> Sources:
    folders = [each for each in (sources.image_encoder, sources.words, sources.safety) if each is not None]
    needed = [*(each / "config.json" for each in folders), *sources.adapters.values(), *sources.loras]
    needed += [sources.faces] if sources.faces else []
    if sources.base.is_dir():
        needed.append(sources.base / "model_index.json")
    for path in needed:
        if not path.is_file():
            raise BundleError(f"{path} is missing")
    part = next((part for part in _DENOISERS if (sources.base / part).is_dir()), _DENOISERS[0])
    weights = sources.base / part / f"diffusion_pytorch_model{f'.{variant}' if variant else ''}.safetensors"
    if sources.base.is_dir() and not weights.is_file():
        raise BundleError(
            f'{weights} is missing. A repository that holds half precision only needs variant = "fp16" in '
            "bundle.toml; pickled weights (.bin, .ckpt) are never loaded"
        )
    return sources
