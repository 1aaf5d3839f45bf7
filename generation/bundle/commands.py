"""Command line for bundles: fetch a bundle's weights, check them, list bundles, tell their licences. Loads no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
from huggingface_hub.constants import HF_HUB_CACHE

from generation.bundle import hub
from generation.bundle.card import BundleCard, BundleError, hash_file, read_card, verify, write_card

_FOLDER = click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))


@click.group()
def bundle() -> None:
    """Models to draw with: fetch, check, list, licences."""


@bundle.command("list")
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path), default="bundles")
def list_bundles(root: Path) -> None:
    """List the bundles in ROOT: family, picture size, where the weights come from, licence."""
    for folder in sorted(file.parent for file in root.glob("*/bundle.toml")):
        try:
            card = read_card(folder)
        except BundleError as error:
            click.echo(f"{folder.name:14} cannot be used: {error}")
            continue
        use = "" if card.commercial else "  NOT FOR COMMERCIAL USE"
        click.echo(
            f"{card.name:14} {card.family:6} {card.width} x {card.height}  {_origin(card):8} {card.licence}{use}"
        )


@bundle.command()
@_FOLDER
@click.option("--non-commercial", is_flag=True, help="Fetch models that may not be used commercially, too.")
def fetch(folder: Path, non_commercial: bool) -> None:
    """Fetch what the bundle in FOLDER names on the hub, at its pinned revisions; find what is on this machine."""
    card = _card(folder)
    click.echo(f"{card.name}: {card.licence}")
    if not card.commercial and not non_commercial:
        raise click.ClickException(
            f"the licence {card.licence!r} does not allow commercial use; choose another bundle, "
            "or say --non-commercial if that is what you want"
        )
    sources = _located(folder, card)
    parts = {"base": sources.base, "vae": sources.vae, "image encoder": sources.image_encoder}
    for name, path in (parts | {"words": sources.words, "safety": sources.safety, "faces": sources.faces}).items():
        if path is not None:
            click.echo(f"  {name}: {path}")
    for role, path in sources.adapters.items():
        click.echo(f"  adapter {role}: {path}")
    for path in sources.loras:
        click.echo(f"  LoRA: {path}")


@bundle.command("verify")
@_FOLDER
@click.option("--record", is_flag=True, help="Write the digests of files on this machine into bundle.toml.")
def verify_bundle(folder: Path, record: bool) -> None:
    """Check the SHA-256 of every file of the bundle in FOLDER: its own, the hub's, those on this machine."""
    card = _card(folder)
    try:
        verify(folder, card)
        sources = hub.locate(folder, card)
        checked = len(card.sha256) + _verify_cache(card)
    except BundleError as error:
        raise click.ClickException(str(error)) from None
    wanted = card.source_sha256
    for name in sorted(set(wanted) | set(sources.sha256)) if wanted and not record else ():
        if wanted.get(name) != sources.sha256.get(name):
            raise click.ClickException(f"{name} is not the file that [source_sha256] lists; get it again, or --record")
    for lora, file in zip(card.loras, sources.loras, strict=True):
        if lora.sha256 and hash_file(file) != lora.sha256:
            raise click.ClickException(f"{file} is not the LoRA whose sha256 the card has; get it again")
    if record and sources.sha256:
        write_card(folder, replace(card, source_sha256=sources.sha256))
        click.echo(f"wrote {len(sources.sha256)} digests into {folder / 'bundle.toml'}")
    unlisted = 0 if wanted or record else len(sources.sha256)
    note = f"; {unlisted} files on this machine have no digest to be checked against (--record)" if unlisted else ""
    click.echo(f"{card.name}: {checked + len(sources.sha256) - unlisted} files are as they should be{note}")


@bundle.command()
@_FOLDER
def licences(folder: Path) -> None:
    """Tell the licences of the bundle in FOLDER, and whether it may be used commercially."""
    card = _card(folder)
    click.echo(f"{card.name}: {card.licence}")
    click.echo(f"commercial use: {'allowed, under these licences' if card.commercial else 'NOT allowed'}")
    for part in hub.PARTS:
        if part in card.source:
            click.echo(f"  {part}: {card.source[part]} {card.source.get(f'{part}_revision', '(this machine)')}")
    for lora in card.loras:
        click.echo(f"  LoRA: {lora.repository or lora.file}: {lora.licence}")
    if card.upscaler:
        click.echo(f"  upscaler: {card.upscaler['file']}: {card.upscaler['licence']}")


def _card(folder: Path) -> BundleCard:
    try:
        return read_card(folder)
    except BundleError as error:
        raise click.ClickException(str(error)) from None


def _located(folder: Path, card: BundleCard) -> hub.Sources:
    try:
        return hub.locate(folder, card)
    except BundleError as error:
        raise click.ClickException(str(error)) from None


def _origin(card: BundleCard) -> str:
    if not card.source:
        return "included"
    return "hub" if not card.local_parts else "local" if len(card.local_parts) == _parts(card) else "both"


def _parts(card: BundleCard) -> int:
    return sum(part in card.source for part in hub.PARTS)


def _verify_cache(card: BundleCard) -> int:
    """Check what was fetched: the cache names each large file by the SHA-256 that the hub has for it.

    Returns:
        How many files were checked.

    Raises:
        BundleError: a file is not what the hub has; says which.
    """
    checked = 0
    for file in _fetched(card):
        blob = file.resolve().name
        if len(blob) == 64:
            if hash_file(file) != blob:
                raise BundleError(f"{file} is damaged: delete {file.resolve()} and fetch the bundle again")
            checked += 1
    return checked


def _fetched(card: BundleCard) -> Iterator[Path]:
    parts = [part for part in hub.PARTS if hub.is_on_hub(card.source, part)]
    wanted = [(card.source[part], card.source[f"{part}_revision"], hub.wanted_files(card, part)) for part in parts]
    wanted += [(lora.repository, lora.revision, [lora.file]) for lora in card.loras if lora.repository]
    for repository, revision, patterns in wanted:
        snapshot = Path(HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "snapshots" / revision
        files = (file for file in sorted(snapshot.rglob("*")) if file.is_file())
        yield from (file for file in files if hub.is_wanted(file.relative_to(snapshot).as_posix(), patterns))
