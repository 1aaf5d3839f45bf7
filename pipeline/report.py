"""A run's report as a page that stands alone and as JSON, both in the bucket; the gallery shows the same page."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from pipeline.run import Run
from storage.bucket import keys as object_keys
from storage.bucket.objects import Objects
from storage.catalog.report import Report, run_report
from storage.catalog.runs import RunKey

_LOG = logging.getLogger(__name__)
FOLDER = Path(__file__).parent
STYLE = FOLDER / "report.css"

Link = Callable[..., str | None]


def cost(seconds: float, hour_price: float | None) -> str:
    """What so much machine time costs, in whatever money the price is in; empty where there is no price."""
    if hour_price is None:
        return ""
    money = seconds / 3600 * hour_price
    return f"{money:.2f}" if money >= 1 or not money else f"{money:.4f}"


def duration(seconds: float) -> str:
    """A time span as people say it: "45 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def write_report(run: Run) -> None:
    """Put the run's report into the bucket, over the one of an earlier attempt; a run that never planned has none.

    Raises:
        ObjectError, CatalogError: the bucket or the database is unreachable or refuses.
    """
    with run.catalog.begin() as session:
        report = run_report(session, run.id)
    if report is None:
        return
    keys = put_report(run.objects, run.id, report, run.hour_price)
    _LOG.info("report: %s", ", ".join(keys))
    for warning in report.warnings:
        _LOG.warning("fails nearly always: %s", warning)


def put_report(objects: Objects, key: RunKey, report: Report, hour_price: float | None) -> tuple[str, str]:
    """Write both files, over those of a summary that was made before; returns their object keys."""
    html, data = (object_keys.report(key.dag_id, key.run_id, extension) for extension in (".html", ".json"))
    said = json.dumps(as_json(report, hour_price), indent=1)
    for name, text in ((html, _page(report, hour_price)), (data, said)):
        objects.replace(name, text.encode(), object_keys.content_type(name))
    return html, data


def as_json(report: Report, hour_price: float | None) -> dict[str, Any]:
    """The report's numbers for another program."""
    found = {
        **asdict(report),
        "shots": report.shots,
        "accepted": report.accepted,
        "takes_per_accepted": report.takes_per_accepted,
        "warnings": report.warnings,
    }
    if hour_price is not None:
        found["cost"] = {stage: seconds / 3600 * hour_price for stage, seconds in report.seconds.items()}
    data: dict[str, Any] = json.loads(json.dumps(found, default=_written))
    return data


def _written(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _page(report: Report, hour_price: float | None) -> str:
    template = _ENVIRONMENT.get_template("report_page.html")
    style = STYLE.read_text()
    return template.render(report=report, hour_price=hour_price, style=style, link=lambda *_, **__: None)


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(FOLDER),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {"duration": duration, "cost": cost}
