"""Content Credentials: the signed origin that every published file carries (C2PA 2.x, https://spec.c2pa.org).

A file is signed last, when nothing of it changes any more. The manifest names the place's photo as what was opened, the
packshot and the portrait as what was placed in it, the model, and IPTC's source type; no thumbnail, which would add a
quarter to the file. Who signs is the user's certificate; without one a development certificate, which says so in its
name and which nobody's list trusts.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from brief.errors import PipelineError
from brief.settings import Settings
from brief.types import ImageRef, MadeBy, Shot

CERTIFICATE_VARIABLE, KEY_VARIABLE = "LOOKBOOK_SIGNING_CERTIFICATE", "LOOKBOOK_SIGNING_KEY"
ALGORITHM_VARIABLE = "LOOKBOOK_SIGNING_ALGORITHM"
TIMESTAMP_VARIABLE = "LOOKBOOK_SIGNING_TIMESTAMPS"
DEVELOPMENT = "Lookbook development certificate, not trusted"
"""Organisation in the certificate that is made where the user has none."""
ORIGIN = "org.lookbook.origin"
"""Label of our own assertion: the shot's key, the take, and the digests of what went in."""
_YEARS = timedelta(days=3650)
_SETTINGS = {"builder": {"thumbnail": {"enabled": False}}, "verify": {"verify_trust": False}}


class SigningError(PipelineError, ValueError):
    """A file cannot be signed; says what is wrong with the certificate or key and what to do."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A certificate chain (PEM, the signer's first) and its private key (PEM, PKCS #8).

    Attributes:
        algorithm: as C2PA names it (``es256``, ``ps256``, ``ed25519``).
        timestamps: URL of a time stamping authority (RFC 3161), or none.
    """

    certificate: bytes
    key: bytes
    algorithm: str = "es256"
    timestamps: str | None = None

    @property
    def organisation(self) -> str:
        """Who signs, as the certificate names it."""
        subject = x509.load_pem_x509_certificate(self.certificate).subject
        named = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME) or list(subject)
        return str(named[0].value) if named else ""

    @classmethod
    def from_environment(cls) -> Signer | None:
        """From the files that ``LOOKBOOK_SIGNING_CERTIFICATE`` and ``LOOKBOOK_SIGNING_KEY`` name; ``None`` without.

        Raises:
            SigningError: only one of them is set, or a file cannot be read.
        """
        known = Settings.read()
        paths = [known.signing_certificate, known.signing_key]
        if not any(paths):
            return None
        if not all(paths):
            raise SigningError(f"{CERTIFICATE_VARIABLE} and {KEY_VARIABLE} go together; set both, or neither")
        try:
            certificate, key = (path.read_bytes() for path in paths if path)
        except OSError as error:
            raise SigningError(f"the signing certificate or key cannot be read: {error}") from error
        return cls(certificate, key, known.signing_algorithm, known.signing_timestamps)


def development_signer() -> Signer:
    """A new certificate and key for trials: verifies as intact, by a signer whom nobody knows."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate("root", authority, authority, is_authority=True)
    leaf = _certificate("signer", key, authority, is_authority=False)
    chain = leaf.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM)
    return Signer(chain, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, *, is_authority: bool
) -> x509.Certificate:
    """By C2PA's certificate profile: the signer's own may sign documents alone and is no authority."""
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=not is_authority, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=is_authority, crl_sign=is_authority,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named("root"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _YEARS)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if not is_authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, DEVELOPMENT), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


@dataclass(frozen=True, slots=True)
class Origin:
    """What a file's credentials tell: the shot and take, what went in, who made it, and IPTC's source type.

    Attributes:
        placed: whether the packshot's own pixels are in the picture.
        portrait: of the person who is shown; ``None`` where nobody is.
    """

    shot: Shot
    take_key: str
    made_by: MadeBy | None
    source_type: str
    portrait: ImageRef | None
    placed: bool = True


def signed(data: bytes, mime: str, title: str, origin: Origin, signer: Signer) -> bytes:
    """The file ``data`` with its Content Credentials; signing twice gives other bytes each time.

    Raises:
        SigningError: the certificate or key cannot sign.
    """
    import c2pa

    result = io.BytesIO()
    try:
        info = c2pa.C2paSignerInfo(signer.algorithm, signer.certificate, signer.key, signer.timestamps)
        with (
            c2pa.Signer.from_info(info) as by,
            c2pa.Builder(_credentials(title, origin), context=_context()) as builder,
        ):
            builder.sign(by, mime, io.BytesIO(data), result)
    except c2pa.C2paError as error:
        raise SigningError(
            f"{title}: cannot be signed ({error}); check what {CERTIFICATE_VARIABLE} and {KEY_VARIABLE} name"
        ) from error
    return result.getvalue()


@cache
def _context() -> Any:
    import c2pa

    return c2pa.Context.from_dict(_SETTINGS)


def _credentials(title: str, origin: Origin) -> dict[str, Any]:
    shot, made_by = origin.shot, origin.made_by
    sources = {"place": ("parentOf", shot.environment.photo)}
    if origin.placed:
        sources["packshot"] = ("componentOf", shot.product.packshot)
    if origin.portrait is not None:
        sources["portrait"] = ("componentOf", origin.portrait)
    agent = {"name": f"Lookbook, models {made_by.bundle.name}" if made_by else "Lookbook"}
    actions = [
        {"action": "c2pa.opened", "parameters": {"ingredientIds": ["place"]}},
        *(
            {"action": "c2pa.placed", "parameters": {"ingredientIds": [name]}}
            for name in ("packshot", "portrait") if name in sources
        ),
        {"action": "c2pa.edited", "digitalSourceType": origin.source_type, "softwareAgent": agent},
    ]  # fmt: skip
    told = {
        "shot": shot.key,
        "take": origin.take_key,
        "sources": {name: ref.sha256 for name, (_, ref) in sources.items()},
        "bundle": made_by.bundle.fingerprint if made_by else None,
    }
    return {
        "title": title,
        "claim_generator_info": [{"name": "Lookbook"}],
        "ingredients": [
            {
                "title": name,
                "relationship": relation,
                "label": name,
                "instance_id": f"sha256:{ref.sha256}" if ref.sha256 else ref.key,
            }
            for name, (relation, ref) in sources.items()
        ],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": actions}},
            {"label": ORIGIN, "data": told},
        ],
    }


@dataclass(frozen=True, slots=True)
class Credentials:
    """Content Credentials as they were found in a file.

    Attributes:
        intact: the file is as it was signed.
        problems: what is not, by C2PA's codes.
        signer: organisation of the certificate.
        origin: our own assertion; ``None`` in a file of others.
        source_type: IPTC's, of the last action that has one.
        generator: the program that signed.
    """

    intact: bool
    problems: tuple[str, ...]
    signer: str
    origin: Mapping[str, Any] | None
    source_type: str | None
    generator: str


def read_credentials(data: bytes, mime: str) -> Credentials | None:
    """The Content Credentials of a file, or ``None`` where it has none."""
    import c2pa

    try:
        with c2pa.Reader(mime, io.BytesIO(data), context=_context()) as reader:
            told = json.loads(reader.json())
    except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported):
        return None
    except c2pa.C2paError as error:
        return Credentials(False, (str(error),), "", None, None, "")
    active = told.get("manifests", {}).get(told.get("active_manifest"), {})
    assertions = {each["label"]: each.get("data", {}) for each in active.get("assertions", [])}
    actions: dict[str, Any] = next((data for label, data in assertions.items() if label.startswith("c2pa.actions")), {})
    types = [each["digitalSourceType"] for each in actions.get("actions", []) if "digitalSourceType" in each]
    codes = tuple(each["code"] for each in told.get("validation_status", []) if "untrusted" not in each["code"])
    return Credentials(
        intact=bool(active) and told.get("validation_state") in ("Valid", "Trusted") and not codes,
        problems=codes,
        signer=active.get("signature_info", {}).get("issuer", ""),
        origin=assertions.get(ORIGIN),
        source_type=types[-1] if types else None,
        generator=", ".join(each["name"] for each in active.get("claim_generator_info", [])),
    )
