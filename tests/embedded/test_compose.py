"""docker-compose.yml says the same as the embedded set-up, which is the one that runs in tests."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from brief.settings import PREFIX, Settings
from embedded.airflow import NOT_WARNED_OF, airflow_environment
from embedded.home import PROJECT, open_home
from embedded.parts import lookbook_environment, part

TEXT = (PROJECT / "docker-compose.yml").read_text()


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load(TEXT)


def test_our_programs_find_the_same_variables(compose: Any, tmp_path: Path) -> None:
    there = {name for name in lookbook_environment(open_home(tmp_path)) if "SIGNING" not in name}
    assert there <= set(compose["x-lookbook"]) <= {PREFIX + name.upper() for name in Settings.model_fields}


def test_airflow_gets_every_secret_it_has_here(compose: Any, tmp_path: Path) -> None:
    here = airflow_environment(open_home(tmp_path))
    secrets = {name for name in here if re.search("SECRET|FERNET|SQL_ALCHEMY_CONN|EXECUTION_API_SERVER", name)}
    assert secrets <= set(compose["x-airflow"]["environment"])


def test_logs_begin_with_our_own_lines_here_and_there(compose: Any, tmp_path: Path) -> None:
    here = airflow_environment(open_home(tmp_path))
    assert here["PYTHONWARNINGS"] == compose["x-airflow"]["environment"]["PYTHONWARNINGS"] == NOT_WARNED_OF


def test_a_killed_task_or_scheduler_is_noticed_within_a_minute(compose: Any, tmp_path: Path) -> None:
    timeouts = ("TASK_INSTANCE_HEARTBEAT_TIMEOUT", "TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL")
    for environment in (airflow_environment(open_home(tmp_path)), compose["x-airflow"]["environment"]):
        assert sum(int(environment[f"AIRFLOW__SCHEDULER__{name}"]) for name in timeouts) < 60
        assert int(environment["AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL"]) < 60


def test_the_service_takes_a_limited_number_of_connections_in_both_set_ups(tmp_path: Path) -> None:
    here = part(open_home(tmp_path), "service").command
    (line,) = [line for line in (PROJECT / "Dockerfile").read_text().splitlines() if "service.app:create_app" in line]
    there = json.loads(line.removeprefix("CMD "))
    limits = [words[words.index("--limit-concurrency") + 1] for words in (here, there)]
    assert limits == ["256", "256"]


def test_secrets_have_no_defaults_and_stand_in_the_example() -> None:
    named = set(re.findall(r"\$\{(\w+):\?\}", TEXT))
    assert named == set(re.findall(r"^(\w+)=$", (PROJECT / ".env.example").read_text(), re.MULTILINE))
    assert not [name for name in re.findall(r"\$\{(\w+):-[^}]", TEXT) if re.search("KEY|SECRET|PASSWORD|TOKEN", name)]


def test_only_airflows_page_is_published_and_only_here(compose: Any) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published == {"airflow-apiserver": ["${AIRFLOW_BIND:-127.0.0.1:8080}:8080"]}


def test_it_is_a_compose_file_and_the_dockerfile_has_no_known_faults(compose: Any) -> None:
    text = yaml.safe_dump(compose).replace("${AIRFLOW_BIND:-127.0.0.1:8080}", "127.0.0.1:8080")
    assert set(PyCompose.from_yaml(text).service_names()) == set(compose["services"])
    hadolint = Path(sys.executable).with_name("hadolint")
    said = subprocess.run([hadolint, PROJECT / "Dockerfile"], capture_output=True, text=True)
    assert (said.returncode, said.stdout) == (0, "")


def test_only_the_s3_port_of_seaweedfs_is_reached_by_other_containers(compose: Any) -> None:
    words = compose["services"]["s3"]["command"].split()
    assert {"-ip.bind=127.0.0.1", "-s3.ip.bind=0.0.0.0", "-disableHttp=true"} <= set(words)
    assert "-s3.allowedOrigins=none" in words
    assert compose["services"]["s3-init"]["network_mode"] == "service:s3"
    hold_keys = {name for name, each in compose["services"].items() if "LOOKBOOK_S3_ACCESS_KEY" in str(each)}
    reach = {name for name, each in compose["services"].items() if "pictures" in each.get("networks", ())}
    assert reach - {"s3"} <= hold_keys


@pytest.mark.parametrize(("image", "others"), [("airflow", "cluster"), ("generation", "cuda")])
def test_no_package_of_an_image_misses_another(image: str, others: str) -> None:
    text = (PROJECT / "Dockerfile").read_text()
    (not_here,) = re.findall(r'^ENV NOT_HERE="(.*)"$', text, re.MULTILINE)
    stage = text.partition(f"FROM base AS {image}")[2]
    (pattern,) = re.findall(r'grep -vE "(.*)"', stage.partition("FROM")[0])
    left_out = re.compile(pattern.replace("$NOT_HERE", not_here))
    lines = (PROJECT / "requirements.lock").read_text().splitlines()[1:]
    kept = {_package(line) for line in lines if not left_out.match(line)}
    there = kept | {_package(line) for line in (PROJECT / f"requirements-{others}.lock").read_text().splitlines()[1:]}
    unneeded = set(tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["uv"]["exclude-dependencies"])
    missing = {f"{name}: {each}" for name in kept for each in _needs(name) - unneeded if each not in there}
    assert missing == set()


def _package(line: str) -> str:
    return canonicalize_name(line.partition("==")[0])


def _needs(name: str) -> set[str]:
    """Packages that ``name`` cannot do without; none for one that is not installed here, which only others need."""
    try:
        wanted = [Requirement(each) for each in requires(name) or ()]
    except PackageNotFoundError:
        return set()
    return {canonicalize_name(each.name) for each in wanted if not each.marker or each.marker.evaluate({"extra": ""})}


def test_a_second_service_is_the_first_on_another_gpu(compose: Any) -> None:
    first, second = dict(compose["services"]["generation"]), dict(compose["services"]["generation-2"])
    assert second.pop("profiles") == ["two-gpus"]
    cards = [each.pop("deploy")["resources"]["reservations"]["devices"][0]["device_ids"] for each in (first, second)]
    assert cards == [["0"], ["1"]]
    assert first == second
