"""What holds for each family of models: the tests that show it are run, and the tables in ``docs/models.md`` and in the
bundles' cards are written.

Every cell is either what named tests said, or a figure: weights are counted from the published shapes, seconds and
memory are those of a full-size checkpoint with random values.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from benchmarks import results
from generation.bundle import hub
from generation.bundle.card import read_card
from tests.published.bundles import BUNDLES, BY_REPOSITORY, FAMILIES
from tests.published.checkpoints import shapes
from tests.published.layouts import LAYOUTS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "models.md"
BEGIN, END = "<!-- table: python -m benchmarks families -->", "<!-- end of table -->"
_FLUX = "test_flux2_klein"
_CLAIMS: dict[str, dict[str, str]] = {
    "files as published": {
        name: f"test_published::test_todays_libraries_have_the_published_keys_and_shapes[{name}]" for name in FAMILIES
    },
    "loads": {
        **{name: f"test_published::test_every_tensor_of_the_files_is_loaded[{name}]" for name in FAMILIES},
        "flux2-klein": f"{_FLUX}::test_every_tensor_that_is_read_is_the_files",
    },
    "draws, all stages": {name: f"test_published::test_every_stage_makes_pictures[{name}]" for name in FAMILIES},
    "service": {name: f"test_published::test_a_shot_goes_through_all_stages[{name}]" for name in FAMILIES},
    "batch = one by one": {
        "sd15": "test_denoise::test_a_batch_equals_its_drawings_one_by_one[",
        "sd15-inpaint": "test_inpaint::test_a_batch_equals_its_pictures_one_by_one[sd15-",
        "sdxl": "test_sdxl::test_a_batch_equals_its_pictures_one_by_one",
        "sdxl-inpaint": "test_inpaint::test_a_batch_equals_its_pictures_one_by_one[sdxl-",
        "flux2-klein": f"{_FLUX}::test_a_batch_equals_its_pictures_one_by_one",
    },
    "equal to stock": {
        "sd15": "test_denoise::test_one_picture_equals_the_stock_pipeline[",
        "sd15-inpaint": "test_inpaint::test_one_picture_equals_the_stock_pipeline[sd15",
        "sdxl": "test_sdxl::test_one_picture_equals_the_stock_pipeline[",
        "sdxl-inpaint": "test_inpaint::test_one_picture_equals_the_stock_pipeline[sdxl",
        "flux2-klein": f"{_FLUX}::test_one_picture_equals_the_stock_pipeline[",
    },
}
"""Column to family to how the tests' names begin that show it."""
_FILES = [
    f"tests/generation/{name}.py" for name in ("test_published", "test_denoise", "test_inpaint", "test_sdxl", _FLUX)
]
_FULL_SIZE = {
    "sd15": (7.8, "64 in float32"),
    "sd15-inpaint": (7.8, "12 in float32"),
    "sdxl": (14.5, "6.8 in bfloat16"),
    "sdxl-inpaint": (13.2, "6.5 in bfloat16"),
}
"""GiB at the peak, and seconds a step of 256 x 256 pixels with its share of the encoders and the autoencoder (two steps
with all that, by two; the processor's where they were noted), as ``pytest -m full_size -s`` said of checkpoints of the
published size with random values, on one thread of a shared CPU that multiplies bfloat16 in hardware."""


def outcomes(report: Path) -> dict[str, bool]:
    """Test ("file::name[case]") to whether it passed, from a JUnit report."""
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 (written by pytest just now)
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        found[name] = not any(case.find(what) is not None for what in ("failure", "error", "skipped"))
    return found


def said(passed: dict[str, bool], begins: str) -> str:
    """What the tests whose names begin so say together."""
    asked = [ok for name, ok in passed.items() if name.startswith(begins)]
    if not asked:
        return "not run"
    return "yes" if all(asked) else f"NO: {asked.count(False)} of {len(asked)} tests failed"


def weights(family: str) -> float:
    """GiB of what is loaded of a family's repositories, in half precision."""
    card = read_card(BUNDLES / family)
    total = 0
    for part in (part for part in hub.PARTS if part in card.source):
        layout = LAYOUTS[BY_REPOSITORY[card.source[part]]]
        for file, keys in shapes(layout, full=True).items():
            if hub.is_wanted(file, hub.wanted_files(card, part)):
                total += sum(2 * math.prod(shape) for shape in keys.values())
    return total / 2**30


def write_between(page: Path, table: str) -> None:
    """Put ``table`` into a page, between the marks that begin and end it there."""
    before, begins, rest = page.read_text().partition(BEGIN)
    _, ends, after = rest.partition(END)
    if not begins or not ends:
        raise ValueError(f"{page} has no place for the table: {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")


def full_size(family: str) -> dict[str, str | float]:
    """The columns about checkpoints of the published size."""
    peak, step = _FULL_SIZE.get(family, ("not run", "not run"))
    return {"peak on a CPU, GiB": peak, "seconds a step on a CPU": step}


def main(arguments: list[str]) -> int:
    """Command line; the exit status is 1 if something does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks families", description=__doc__.splitlines()[0])
    parser.add_argument("--report", type=Path, help="a JUnit report of these tests, in place of running them")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        report = asked.report or Path(temporary) / "report.xml"
        if asked.report is None:
            command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *_FILES]
            subprocess.run([*command, "tests/service/test_published.py"], cwd=ROOT, check=False)
        passed = outcomes(report)
    rows = [
        {
            "family": family,
            **{claim: said(passed, tests[family]) for claim, tests in _CLAIMS.items()},
            "weights, GiB": round(weights(family), 1),
            **full_size(family),
            "on a GPU": "not run",
        }
        for family in FAMILIES
    ]
    write_between(PAGE, results.table(rows))
    for row in rows:
        card = [{"what": what, "holds": value} for what, value in row.items() if what != "family"]
        write_between(BUNDLES / str(row["family"]) / "README.md", results.table(card))
    print(results.table(rows))
    return 0 if all(row[claim] == "yes" for row in rows for claim in _CLAIMS) else 1
