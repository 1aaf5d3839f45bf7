"""The command line for bundles, against a stand-in of the hub on loopback that lists the published files."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

import huggingface_hub
import huggingface_hub.constants
import pytest
from click.testing import CliRunner, Result

from generation.bundle import commands, hub
from generation.bundle.card import read_card, write_card
from generation.bundle.commands import bundle
from tests.published.checkpoints import write
from tests.published.layouts import ADAPTERS, LAYOUTS, SD15, SIGLIP2, Layout

BUNDLES = Path(__file__).parents[2] / "bundles"


class _Handler(BaseHTTPRequestHandler):
    """Answers for ``roots``: repository to folder and revision."""

    roots: ClassVar[dict[str, tuple[Path, str]]]
    asked: ClassVar[list[str]]
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = unquote(self.path.split("?")[0]).strip("/")
        for repository, (root, revision) in self.roots.items():
            if path.startswith(f"api/models/{repository}"):
                self._send(_listing(root, repository, revision, tree="/tree/" in path), {}, body=body)
                return
            if path.startswith(f"{repository}/resolve/{revision}/"):
                name = path.split(f"/resolve/{revision}/")[1]
                data = (root / name).read_bytes()
                if body:
                    self.asked.append(name)
                digest = hashlib.sha256(data).hexdigest()
                self._send(data, {"X-Repo-Commit": revision, "ETag": f'"{digest}"'}, body=body)
                return
        self.send_error(404)

    def _send(self, data: bytes, headers: dict[str, str], *, body: bool) -> None:
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)


class StandInHub:
    """Serves layouts as the hub does; ``asked``: the files whose contents were fetched."""

    def __init__(self, folder: Path, layouts: dict[str, Layout]) -> None:
        self.asked: list[str] = []
        for name in layouts:
            write(folder / name, name)
        roots = {layout.repository: (folder / name, layout.revision) for name, layout in layouts.items()}
        handler = type("Handler", (_Handler,), {"roots": roots, "asked": self.asked})

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


def _listing(root: Path, repository: str, revision: str, *, tree: bool) -> bytes:
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    if tree:
        rows = [{"type": "file", "path": f, "size": (root / f).stat().st_size, "oid": "0" * 40} for f in files]
        return json.dumps(rows).encode()
    siblings = [{"rfilename": file} for file in files]
    whole = {"id": repository, "modelId": repository, "sha": revision, "private": False, "tags": [], "downloads": 0}
    return json.dumps({**whole, "siblings": siblings}).encode()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(commands, "HF_HUB_CACHE", str(folder))
    fetch = huggingface_hub.snapshot_download
    monkeypatch.setattr(
        hub, "snapshot_download", lambda *a, **o: fetch(*a, cache_dir=folder, endpoint=ENDPOINT[0], **o)
    )
    return folder


ENDPOINT = [""]


@pytest.fixture
def stand_in(tmp_path: Path, cache: Path) -> Iterator[StandInHub]:
    found = StandInHub(tmp_path / "hub", {"sd15": SD15, "ip-adapter": ADAPTERS, "siglip2": SIGLIP2})
    ENDPOINT[0] = found.url
    yield found
    found.server.shutdown()


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(bundle, [str(argument) for argument in arguments])


def test_fetch_brings_what_is_loaded_and_verify_finds_a_damaged_file(stand_in: StandInHub, cache: Path) -> None:
    fetched = run("fetch", BUNDLES / "sd15")
    assert fetched.exit_code == 0, fetched.output
    assert "CreativeML-OpenRAIL-M" in fetched.output
    weights = {name for name in stand_in.asked if not name.endswith((".json", ".txt"))}
    assert weights == {
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
        "text_encoder/model.fp16.safetensors",
        "models/image_encoder/model.safetensors",
        "models/ip-adapter-plus-face_sd15.safetensors",
        "models/ip-adapter-plus_sd15.safetensors",
        "models/ip-adapter_sd15.safetensors",
        "safety_checker/model.fp16.safetensors",
        "model.safetensors",
    }
    assert run("verify", BUNDLES / "sd15").exit_code == 0
    (file,) = cache.rglob("snapshots/*/unet/*.safetensors")
    with file.resolve().open("ab") as stream:
        stream.write(b"x")
    damaged = run("verify", BUNDLES / "sd15")
    assert damaged.exit_code == 1
    assert "is damaged: delete" in damaged.output


def test_a_non_commercial_bundle_is_fetched_only_when_asked_for(miniature: Path, tmp_path: Path) -> None:
    write_card(tmp_path, replace(read_card(miniature), commercial=False, licence="CC-BY-NC-4.0", sha256={}))
    refused = run("fetch", tmp_path)
    assert refused.exit_code == 1
    assert "--non-commercial" in refused.output
    assert "NOT allowed" in run("licences", tmp_path).output


def test_digests_of_ones_own_files_are_recorded_and_held(miniature: Path, tmp_path: Path) -> None:
    source = {"base": str(miniature), "adapters": str(miniature), "image_encoder": "image_encoder"}
    write_card(tmp_path, replace(read_card(miniature), sha256={}, source=source))
    assert "have no digest to be checked against" in run("verify", tmp_path).output
    assert "wrote" in run("verify", tmp_path, "--record").output
    card = read_card(tmp_path)
    assert len(card.source_sha256) > 10
    assert run("verify", tmp_path).exit_code == 0
    name = "base/unet/diffusion_pytorch_model.safetensors"
    write_card(tmp_path, replace(card, source_sha256={**card.source_sha256, name: "0" * 64}))
    changed = run("verify", tmp_path)
    assert changed.exit_code == 1
    assert f"{name} is not the file" in changed.output


def test_list_names_every_bundle_that_ships() -> None:
    listed = run("list", BUNDLES).output
    for name in ("starter", *(name for name in LAYOUTS if (BUNDLES / name).is_dir())):
        assert f"{name} " in listed
    assert "included" in listed
    assert "hub" in listed


def test_an_error_is_one_line_for_the_person(tmp_path: Path) -> None:
    missing = run("verify", tmp_path)
    assert missing.exit_code == 1
    assert "is not a bundle" in missing.output
    assert "Traceback" not in missing.output
