"""Services of a compose file as containers run them, in network and mount namespaces of their own: command, user,
environment, networks, volumes, health check and order are the file's."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.container_images import image_of, kind_of, programs, words

USERS, FOLDERS = {"postgres": 999, "redis": 999}, {"redis": "/data"}
"""User and working folder of the images that are not ours; ours name theirs in the Dockerfile."""
READY_SECONDS = 600
_IP = shutil.which("ip") or "/usr/sbin/ip"


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
        status = self._run(container, [*words(spec.get("entrypoint", [])), *arguments], log).wait()
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
        command = [*words(spec.get("entrypoint", [])), *words(spec.get("command", []))]
        if kind_of(spec) == "postgres":
            return ["sh", "-ec", _POSTGRES_ENTRYPOINT]
        if kind_of(spec) == "chrislusf/seaweedfs" and "entrypoint" not in spec:
            return ["weed", *command]
        return command or words(image_of(spec)["CMD"])

    def _run(self, container: Container, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        spec = container.spec
        image = image_of(spec)
        mounts = [f"mount --bind {shlex.quote(str(source))} {target}" for source, target in self._mounts(container)]
        user = USERS.get(kind_of(spec), image.get("USER", 0))
        become = f"setpriv --reuid {user} --regid {user} --clear-groups" if user else ""
        path = programs(self.root, image.get("name"))
        environment = {
            "PATH": f"{path}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": tempfile.gettempdir(),
            **image.get("ENV", {}),
            **{key: str(value) for key, value in (spec.get("environment") or {}).items()},
        }
        given = " ".join(shlex.quote(f"{key}={value}") for key, value in environment.items())
        where = "/opt/lookbook" if image else FOLDERS.get(kind_of(spec), "/")
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
        image = image_of(spec)
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
            _folder(folder, USERS.get(kind_of(spec), image.get("USER", 0)))
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
