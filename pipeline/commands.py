"""Commands on published pictures: verify a file, bring renditions up to date, describe, make a picture again. Verdicts:
judge again, calibrate."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import click
import numpy as np
from PIL import Image

from brief.errors import LookbookError
from pipeline.run import Run, open_catalog, open_objects, open_service
from service.client import GenerationClient
from storage.catalog.runs import RunKey
from storage.importing.packshots import PackshotModels

NOBODY = "http://127.0.0.1:9"
"""Where no service is, for what needs none."""


@click.command
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def verify(file: Path) -> None:
    """Tell what made FILE and whether it was altered since; anybody's file. Exit code 0: intact, 1: anything else."""
    from pipeline.verify import Answer
    from pipeline.verify import verify as verify_file

    found = verify_file(file.read_bytes())
    click.echo(f"{file.name}: {found.answer.value}")
    for name, value in found.facts:
        click.echo(f"  {name}: {value}")
    sys.exit(0 if found.answer is Answer.INTACT else 1)


@click.command
@click.argument("campaigns", nargs=-1)
def renditions(campaigns: tuple[str, ...]) -> None:
    """Make from the masters what CAMPAIGNS (all) added to or changed of their renditions; no models are needed."""
    from pipeline.current import write_current
    from pipeline.settle import refresh_renditions

    try:
        run = _run(needs_service=False)
        with run.catalog:
            outcomes = refresh_renditions(run, campaigns or None)
            write_current(run.catalog, run.objects, campaigns or None)
    except LookbookError as error:
        raise click.ClickException(str(error)) from error
    click.echo(", ".join(f"{number} {what}" for what, number in sorted(outcomes.items())) or "nothing is published")


@click.command
@click.argument("shot")
@click.argument("text")
@click.option("--who", required=True, help="Who wrote it, for the audit log.")
def describe(shot: str, text: str, who: str) -> None:
    """Give SHOT an alt text of your own, which no template overwrites; the nightly upkeep writes it into the files."""
    try:
        with open_catalog(None) as catalog:
            catalog.describe(shot, text, who)
    except LookbookError as error:
        raise click.ClickException(str(error)) from error


@click.command
@click.argument("shot")
@click.option("--bundle", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--device", default=None, help="cpu, cuda, ...; the best there is.")
def reproduce(shot: str, bundle: Path, device: str | None) -> None:
    """Make SHOT's picture again with BUNDLE's models on this machine and compare its pixels with what is kept."""
    from pipeline.verify import reproduce as make_again

    try:
        found = make_again(open_catalog(None), open_objects(None), shot, bundle, device)
    except (LookbookError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(str(found))
    sys.exit(0 if found.same else 1)


@click.command
@click.argument("campaigns", nargs=-1)
@click.option("--measure", is_flag=True, help="Measure again what other scorers measured; needs the service.")
def judge(campaigns: tuple[str, ...], measure: bool) -> None:
    """Judge the takes of CAMPAIGNS (all) again under today's thresholds, and publish, ask or reject accordingly. What
    is published and what people answered stays."""
    from pipeline.calibration import judge_again

    try:
        counts = judge_again(_run(needs_service=measure), list(campaigns) or None, measure=measure)
    except LookbookError as error:
        raise click.ClickException(str(error)) from error
    click.echo(", ".join(f"{name} {number}" for name, number in counts.items()))


@click.command
@click.argument("shots", nargs=-1, required=True)
def explain(shots: tuple[str, ...]) -> None:
    """Have the best takes of SHOTS (their keys) drawn again, watched: heat maps of which adapter drew what."""
    from pipeline.stages import explain as explain_shots

    try:
        said = explain_shots(_run(), shots)
    except LookbookError as error:
        raise click.ClickException(str(error)) from error
    for shot, sheet in said.items():
        click.echo(f"{shot}: {sheet}")


@click.command
def calibrate() -> None:
    """Make thresholds of the bundle that the service has loaded from what people approved and turned down."""
    from pipeline.calibration import calibrate as make_thresholds

    try:
        thresholds = make_thresholds(_run())
    except LookbookError as error:
        raise click.ClickException(str(error)) from error
    for name, each in thresholds.items():
        click.echo(f"{name}: accept {each.accept:.3f}, review {each.review:.3f}")


def packshot_models() -> PackshotModels:
    """What an import on this machine asks about packshots: how they are cut out, and, with the extra ``label``, what is
    written on them. Models are loaded when first asked."""
    return PackshotModels(_matte, _words if find_spec("rapidocr") else None)


def _matte(packshot: Image.Image) -> np.ndarray:
    from generation.scene.cutout import matte

    return matte(packshot)


def _words(packshot: Image.Image) -> list[str]:
    from generation.score.label import read_lines

    return read_lines(packshot)


COMMANDS = (verify, renditions, describe, reproduce, judge, calibrate, explain)


def _run(*, needs_service: bool = True) -> Run:
    service = open_service(None) if needs_service else GenerationClient(NOBODY, "none")
    return Run(open_catalog(None), open_objects(None), service, RunKey("commands", "commands"))


@click.group
def main() -> None:
    """Published pictures: verify, renditions, alt texts, reproduction. Verdicts: judge again, calibrate."""


for each in COMMANDS:
    main.add_command(each)


if __name__ == "__main__":
    main()
