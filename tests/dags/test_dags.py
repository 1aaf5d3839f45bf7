"""The DAG files as Airflow reads them: in a process of their own, since what they import counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.airflow_assets import APPROVALS, RETAKES

PROJECT = Path(__file__).parents[2]
HEAVY = ("torch", "diffusers", "transformers", "boto3", "fastapi", "storage", "generation", "gallery_web")

READ = """
import json, pathlib, sys, time
from airflow.dag_processing.dagbag import BundleDagBag
before = set(sys.modules)
started = time.perf_counter()
folder = pathlib.Path(sys.argv[1])
bag = BundleDagBag(str(folder), bundle_path=folder, bundle_name="dags-folder")
seconds = time.perf_counter() - started
def uris(timetable):
    return [asset.uri for asset in getattr(getattr(timetable, "asset_condition", None), "objects", [])]
def shown(dag):
    return {"tags": list(dag.tags), "doc": dag.doc_md or "", "catchup": dag.catchup,
            "when": getattr(dag.timetable, "expression", ""), "assets": uris(dag.timetable),
            "runs": dag.max_active_runs,
            "params": {name: dag.params.get_param(name).schema for name in dag.params},
            "tasks": {task.task_id: {"pool": task.pool, "retries": task.retries, "owner": task.owner,
                "timeout": task.execution_timeout is not None, "after": sorted(task.downstream_task_ids),
                "label": task.map_index_template, "rule": task.trigger_rule.value} for task in dag.tasks}}
print(json.dumps({"errors": bag.import_errors, "seconds": seconds, "new": sorted(set(sys.modules) - before),
                  "dags": {name: shown(dag) for name, dag in bag.dags.items()}}))
"""
LOAD_PLUGIN = """
import json, sys
from airflow import plugins_manager
plugins, errors = plugins_manager._get_plugins()
print(json.dumps({"errors": errors, "plugins": [plugin.name for plugin in plugins], "modules": sorted(sys.modules)}))
"""


def run_apart(code: str, home: Path, *arguments: str) -> Any:
    """What ``code`` prints as JSON, run in a fresh interpreter with an Airflow that is not set up."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    }
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=home)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """All that the dag-processor finds in ``dags/``."""
    return run_apart(READ, tmp_path_factory.mktemp("airflow"), str(PROJECT / "dags"))


def test_every_file_is_read_and_says_what_it_is(read: Any) -> None:
    assert read["errors"] == {}
    assert sorted(read["dags"]) == ["campaign", "casting", "catalog", "publish_approved", "retakes", "upkeep"]
    for dag in read["dags"].values():
        assert "lookbook" in dag["tags"]
        assert dag["doc"].strip()
        assert not dag["catchup"]


def test_clearing_and_healing_are_nightly_and_apart_from_publishing(read: Any) -> None:
    assert list(read["dags"]["upkeep"]["tasks"]) == ["clear_takes", "heal_published"]
    assert read["dags"]["upkeep"]["when"] == "30 4 * * *"
    assert list(read["dags"]["publish_approved"]["tasks"]) == ["publish"]


def test_an_approval_starts_its_publication(read: Any) -> None:
    assert read["dags"]["publish_approved"]["assets"] == [APPROVALS]


def test_a_retake_that_is_asked_for_is_made_at_once(read: Any) -> None:
    assert read["dags"]["retakes"]["assets"] == [RETAKES]


def test_reading_imports_nothing_heavy(read: Any) -> None:
    assert [name for name in read["new"] if name.partition(".")[0] in HEAVY] == []
    assert read["seconds"] < 5


def test_no_file_hides_a_package() -> None:
    """Airflow puts both folders on ``sys.path``, where a file would take the place of a package of its name."""
    entries = [path for folder in ("dags", "plugins") for path in (PROJECT / folder).iterdir()]
    names = sorted(path.stem for path in entries if path.suffix == ".py" or (path / "__init__.py").exists())
    code = (
        "import importlib.util, json, sys; print(json.dumps([n for n in sys.argv[1:] if importlib.util.find_spec(n)]))"
    )
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, cwd="/", check=True)
    assert names
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("dag", ["catalog", "campaign", "retakes"])
def test_the_stages_follow_each_other_and_survive_a_bad_hour(read: Any, dag: str) -> None:
    tasks = read["dags"][dag]["tasks"]
    stages = ["face", "compose", "refine", "score", "retake", "publish"]
    for stage, after in zip(stages, [*(f"shard.{name}" for name in stages[1:]), "summary"], strict=True):
        assert after in tasks[f"shard.{stage}"]["after"]
        assert "shard" in tasks[f"shard.{stage}"]["label"]
        assert (tasks[f"shard.{stage}"]["pool"] == "gpu") is (stage != "publish")
    for task in tasks.values():
        assert (task["retries"], task["timeout"], task["owner"]) == (3, True, "content")
    assert tasks["summary"]["rule"] == "all_done"


def test_the_form_of_a_campaign_offers_what_can_be_chosen(read: Any) -> None:
    params = read["dags"]["campaign"]["params"]
    assert params["reprocess"]["enum"] == ["missing", "failed", "rejected", "all"]
    assert params["campaign"]["minLength"] == 1
    assert params["shard_size"]["minimum"] == 1


def test_the_plugin_costs_a_task_nothing(tmp_path: Path) -> None:
    loaded = run_apart(LOAD_PLUGIN, tmp_path)
    assert loaded["errors"] == {}
    assert "lookbook_gallery" in loaded["plugins"]
    assert not {"fastapi", "gallery_web", "storage", "torch"} & set(loaded["modules"])
