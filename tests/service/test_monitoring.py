"""The dashboard and the alert rules ask for metrics that really exist."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from generation.counts import Counts
from pipeline.airflow_assets import SECONDS_METRIC, SHOTS_METRIC
from service.protocol import ItemResult, Job, JobState, Stage
from service.telemetry import Metrics

FOLDER = Path(__file__).parents[2] / "docs" / "monitoring"
METRIC = re.compile(r"\b((?:lookbook|airflow)_[a-z_]+)\b")


def expressions() -> list[str]:
    """All queries of the dashboard and of the alert rules."""
    panels = json.loads((FOLDER / "grafana.json").read_text())["panels"]
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    return asked + [rule["expr"] for group in groups for rule in group["rules"]]


def names(prefix: str) -> set[str]:
    return {name for each in expressions() for name in METRIC.findall(each) if name.startswith(prefix)}


def test_what_is_asked_of_the_services_is_what_they_export() -> None:
    metrics, counts = Metrics(lambda: 1), Counts()
    metrics.watch(counts)
    counts.images["compose"], counts.seconds["compose"] = 1, 2.5
    metrics.item(Stage.COMPOSE, ItemResult("key"))
    metrics.job(Job("id", Stage.COMPOSE, JobState.DONE, 1, 1, ()))
    exported = {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }
    asked = names("lookbook_")
    assert len(asked) >= 8
    assert asked <= exported.keys()
    for each in expressions():
        for name, labels in re.findall(r"\b(lookbook_[a-z_]+)\{([^}]*)\}", each):
            assert {label.partition("=")[0] for label in labels.split(",")} <= exported[name]


def test_what_is_asked_of_airflow_is_in_its_own_list_of_metrics() -> None:
    listed = yaml.safe_load((files("airflow") / "_shared/observability/metrics/metrics_template.yaml").read_text())
    known = {f"airflow_{each['name'].replace('.', '_')}" for each in listed["metrics"]}
    ours = {f"airflow_{name.replace('.', '_')}" for name in (SHOTS_METRIC, SECONDS_METRIC)}
    timers = {f"airflow_{each['name'].replace('.', '_')}" for each in listed["metrics"] if each["type"] == "timer"}
    asked = names("airflow_")
    assert len(asked) >= 6
    assert ours <= asked
    assert asked - ours <= known
    assert not asked & timers  # exponential histograms: of that name alone Prometheus has none
    labelled = {
        f"airflow_{each['name'].replace('.', '_')}": each.get("name_variables", []) for each in listed["metrics"]
    }
    for each in expressions():
        for name, labels in re.findall(r"(airflow_[a-z_]+)\{([^}]*)\}", each):
            if name not in ours:
                assert {label.partition("=")[0] for label in labels.split(",")} <= set(labelled[name])


def test_every_alert_says_what_to_do() -> None:
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            assert set(rule["annotations"]) == {"summary", "do"}
            assert rule["labels"]["severity"] in ("page", "ticket")


@pytest.mark.timeout(600)
def test_the_services_log_has_no_lines_but_its_own() -> None:
    """Loading the starter, the libraries say nothing."""
    code = """
import generation.bundle.load, generation.models, service.telemetry
service.telemetry.log_as_json()
generation.bundle.load.have_libraries_log_here()
generation.models.Models.open("bundles/starter", "cpu")
"""
    loading = [sys.executable, "-c", code]
    done = subprocess.run(loading, capture_output=True, text=True, cwd=FOLDER.parents[1])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
