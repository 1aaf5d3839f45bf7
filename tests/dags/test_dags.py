"""The DAG files as Airflow reads them: in a process of their own, since what they import counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from brief.types import Framing
from embedded.airflow import NOT_WARNED_OF
from pipeline.airflow_assets import APPROVALS, IMPORTS, RETAKES

PROJECT = Path(__file__).parents[2]
HEAVY = ("torch", "diffusers", "transformers", "boto3", "fastapi", "storage", "generation", "gallery_web")

READ = """
import json, pathlib, sys, time
from airflow.serialization.serialized_objects import DagSerialization
from airflow.dag_processing.dagbag import BundleDagBag
before = set(sys.modules)
started = time.perf_counter()
folder = pathlib.Path(sys.argv[1])
class Bag(BundleDagBag):
    def serialized(self, dag):
        return DagSerialization.from_dict(DagSerialization.to_dict(dag))
bag = Bag(str(folder), bundle_path=folder, bundle_name="dags-folder")
seconds = time.perf_counter() - started
def days(dag):
    # The data intervals of a backfill over three days in November, and what the scheduler would run by itself.
    from datetime import datetime, timezone
    from airflow.timetables.base import TimeRestriction
    from pendulum import instance
    if not dag.timetable.periodic:
        return None
    first, last = (instance(datetime(2026, 11, day, tzinfo=timezone.utc)) for day in (5, 7))
    infos = dag.iter_dagrun_infos_between(first, last)
    start = instance(datetime(2026, 1, 1, tzinfo=timezone.utc))
    alone = dag.timetable.next_dagrun_info_v2(last_dagrun_info=None, restriction=TimeRestriction(start, None, False))
    return {"backfill": [[str(each) for each in info.data_interval] for info in infos], "alone": alone is not None}
def uris(timetable):
    return [asset.uri for asset in getattr(getattr(timetable, "asset_condition", None), "objects", [])]
def shown(dag):
    return {"tags": list(dag.tags), "doc": dag.doc_md or "", "catchup": dag.catchup,
            "when": getattr(dag.timetable, "expression", ""), "assets": uris(dag.timetable),
            "days": days(bag.serialized(dag)),
            "runs": dag.max_active_runs,
            "params": {name: dag.params.get_param(name).schema for name in dag.params},
            "tasks": {task.task_id: {"pool": task.pool, "retries": task.retries, "owner": task.owner,
                "timeout": task.execution_timeout is not None, "after": sorted(task.downstream_task_ids),
                "label": task.map_index_template, "rule": task.trigger_rule.value} for task in dag.tasks}}
print(json.dumps({"errors": bag.import_errors, "seconds": seconds, "new": sorted(set(sys.modules) - before),
                  "dags": {name: shown(dag) for name, dag in bag.dags.items()}}))
"""
IS_LIVE = """
import json, sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
import lookbook_run
from airflow.sdk.api.datamodels._generated import DagRunState
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse
class Task:
    def get_dagrun_state(self, dag_id, run_id):
        if run_id.isdigit():
            said = {"status_code": int(run_id)}
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail=said))
        return DagRunState(run_id)
lookbook_run.get_current_context = lambda: {"ti": Task()}
found = {state: lookbook_run.is_live(("catalog", state)) for state in ("queued", "running", "success", "failed", "404")}
try:
    lookbook_run.is_live(("catalog", "500"))
except AirflowRuntimeError:
    found["500"] = "raised"
print(json.dumps(found))
"""
WEIGH = """
import json, sys
from types import SimpleNamespace
sys.path.insert(0, sys.argv[1])
from lookbook_runs import WEIGHTS, _weigh
tasks = [SimpleNamespace(priority_weight=weight) for weight in (1, 9, 100, 108, 1003)]
session = SimpleNamespace(scalars=lambda query: tasks)
run = SimpleNamespace(dag_id="campaign", run_id="one")
found = {}
for word in ("urgent", "urgent", "night", "normal"):
    _weigh(session, run, WEIGHTS[word])
    found[word] = [task.priority_weight for task in tasks]
print(json.dumps(found))
"""
LOAD_PLUGIN_AS_A_TASK = """
import json, warnings
with warnings.catch_warnings(record=True) as said:
    from airflow.sdk import plugins_manager
    plugins_manager._get_plugins()
print(json.dumps([str(each.message) for each in said]))
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
    assert sorted(read["dags"]) == [
        "campaign",
        "casting",
        "catalog",
        "heat_maps",
        "publish_approved",
        "retakes",
        "upkeep",
        "webhooks",
    ]
    for dag in read["dags"].values():
        assert "lookbook" in dag["tags"]
        assert dag["doc"].strip()
        assert not dag["catchup"]


def test_clearing_and_healing_are_nightly_and_apart_from_publishing(read: Any) -> None:
    tasks = ["clear_takes", "calibrate", "heal_published", "refresh_renditions"]
    assert list(read["dags"]["upkeep"]["tasks"]) == tasks
    assert read["dags"]["upkeep"]["when"] == "30 4 * * *"
    assert list(read["dags"]["publish_approved"]["tasks"]) == ["publish", "announce"]


def test_an_approval_starts_its_publication(read: Any) -> None:
    assert read["dags"]["publish_approved"]["assets"] == [APPROVALS]


def test_a_retake_that_is_asked_for_is_made_at_once(read: Any) -> None:
    assert read["dags"]["retakes"]["assets"] == [RETAKES]


def test_tasks_take_the_weight_of_their_run_however_often_it_begins(tmp_path: Path) -> None:
    found = run_apart(WEIGH, tmp_path, str(PROJECT / "plugins"))
    assert found["urgent"] == [1000, 1008, 1000, 1008, 1003]
    assert found["night"] == [1, 9, 1, 9, 4]
    assert found["normal"] == [100, 108, 100, 108, 103]


def test_a_run_that_airflow_works_on_is_not_taken_for_cancelled(tmp_path: Path) -> None:
    found = run_apart(IS_LIVE, tmp_path, str(PROJECT / "dags"), str(PROJECT / "plugins"))
    gone = {"success": False, "failed": False, "404": False}
    assert found == {"queued": True, "running": True, **gone, "500": "raised"}


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
    last = "is_held" if dag == "campaign" else "summary"
    for stage, after in zip(stages, [*(f"shard.{name}" for name in stages[1:]), last], strict=True):
        assert after in tasks[f"shard.{stage}"]["after"]
        assert "shard" in tasks[f"shard.{stage}"]["label"]
        assert (tasks[f"shard.{stage}"]["pool"] == "gpu") is (stage != "publish")
    for name, task in tasks.items():
        assert (task["retries"], task["owner"]) == (2 if name == "announce" else 3, "content")
        assert task["timeout"] is (name != "sign_off")
    assert (tasks["summary"]["rule"], tasks["summary"]["after"]) == ("all_done", ["announce"])


def test_a_sign_off_is_asked_between_the_pictures_and_the_end(read: Any) -> None:
    tasks = read["dags"]["campaign"]["tasks"]
    for before, after in (("is_held", "sign_off"), ("sign_off", "publish_held"), ("publish_held", "summary")):
        assert after in tasks[before]["after"]


def test_the_form_of_a_campaign_offers_what_can_be_chosen(read: Any) -> None:
    params = read["dags"]["campaign"]["params"]
    assert params["reprocess"]["enum"] == ["missing", "failed", "rejected", "all"]
    assert params["campaign"]["minLength"] == 1
    assert params["shard_size"]["minimum"] == 1
    assert params["framings"]["examples"] == [framing.value for framing in Framing]
    assert params["priority"]["enum"] == ["urgent", "normal", "night"]
    assert all(param.get("title") for param in params.values())


def test_the_form_of_a_campaign_lists_what_the_catalog_has(tmp_path: Path) -> None:
    """As a ``plan`` before kept it."""
    lists = {"campaigns": ["spring"], "products": ["MUG-1"], "environments": ["beach", "city"], "personas": ["ana"]}
    (tmp_path / "lookbook_form_lists.json").write_text(json.dumps(lists))
    found = run_apart(READ, tmp_path, str(PROJECT / "dags"))
    params = found["dags"]["campaign"]["params"]
    for name, offered in zip(("campaign", "products", "environments", "personas"), lists.values(), strict=True):
        assert params[name]["examples"] == offered


def test_a_backfill_has_a_run_for_each_day_and_a_day_for_each_run(read: Any) -> None:
    for dag, hour, alone in (("catalog", 2, True), ("campaign", 0, False)):
        days = read["dags"][dag]["days"]
        spans = [[datetime.fromisoformat(moment) for moment in span] for span in days["backfill"]]
        assert days["alone"] is alone
        assert {(first.hour, last - first) for first, last in spans} == {(hour, timedelta(days=1))}
        assert [first for first, _ in spans[1:]] == [last for _, last in spans[:-1]]
        assert len(spans) >= 2
    assert IMPORTS in read["dags"]["catalog"]["assets"]


def test_a_task_log_begins_with_our_own_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", NOT_WARNED_OF)
    assert run_apart(LOAD_PLUGIN_AS_A_TASK, tmp_path) == []


def test_heat_maps_take_the_keys_of_shots(read: Any) -> None:
    made = read["dags"]["heat_maps"]
    assert made["params"]["shots"]["items"] == {"type": "string", "pattern": "^[0-9a-f]+$"}
    assert made["tasks"]["explain"]["pool"] == "gpu"


def test_the_plugin_costs_a_task_nothing(tmp_path: Path) -> None:
    loaded = run_apart(LOAD_PLUGIN, tmp_path)
    assert loaded["errors"] == {}
    assert {"lookbook_gallery", "lookbook_runs"} <= set(loaded["plugins"])
    assert not {"fastapi", "gallery_web", "storage", "torch"} & set(loaded["modules"])
