"""What closes SeaweedFS's inner ports: certificates for gRPC and signing keys for HTTP, drawn once for each server.

The S3 port has access keys. The ports behind it (master, volume server, filer, admin; HTTP and gRPC) let anybody in by
default, web pages included. Here gRPC wants a certificate that only this server's folder holds (mutual TLS), and HTTP
wants tokens that only the server itself can sign.
"""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

GRPC_PARTS = ("master", "volume", "filer", "s3", "admin", "worker", "client")
JWT_KEYS = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
LIFETIME = timedelta(days=36_500)


def write_security(folder: Path) -> None:
    """Write ``security.toml`` and its certificate into ``folder``, unless it is there already.

    ``weed`` and ``weed shell`` read it from ``$HOME/.seaweedfs``.
    """
    settings = folder / "security.toml"
    if settings.exists():
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate, key = _certificate()
    _write(folder / "grpc.crt", certificate)
    _write(folder / "grpc.key", key)
    sections = [f"[grpc]\nca = {_quoted(folder / 'grpc.crt')}"]
    pair = f"cert = {_quoted(folder / 'grpc.crt')}\nkey = {_quoted(folder / 'grpc.key')}"
    sections += [f"[grpc.{part}]\n{pair}" for part in GRPC_PARTS]
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
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
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
