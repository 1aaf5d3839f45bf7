"""The pictures that rows name, by path, URL or S3 key: found, checked, and put into the bucket under their digest.

URLs are fetched within limits: size, time, redirects, and addresses that are anybody's to reach. A feed is written by
others, so its URLs must not lead into the network that the import runs in. A host is looked up
once and the connection goes to the very address that was checked; so a name that answers otherwise the second time (DNS
rebinding) gains nothing. Proxies of the environment are not used, since they would look the host up themselves.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

import httpx
from cachetools import LRUCache
from PIL import Image

from brief.images import ImageRefused, image_format, read_image
from brief.limits import shown, unusable_character
from brief.types import ImageRef
from storage.bucket.errors import ObjectDamaged, ObjectMissing, ObjectRefused
from storage.bucket.keys import EXTENSIONS, content_type, cutout
from storage.bucket.objects import Objects
from storage.importing.packshots import PackshotCheck, PackshotModels, check_packshot

TIMEOUT = 10.0
"""Seconds for the connection and for each silence."""
MAX_SECONDS = 60.0
"""Seconds for a picture, redirects included."""
MAX_REDIRECTS = 5
_CHUNK = 256 * 1024


class RemotePictures:
    """Fetches pictures; threads may share one.

    Args:
        max_bytes: largest file.
        private: take pictures from private and local addresses too.
    """

    def __init__(self, max_bytes: int, *, private: bool = False) -> None:
        self._max_bytes = max_bytes
        self._private = private
        self._client = httpx.Client(timeout=TIMEOUT, trust_env=False, headers={"User-Agent": "Lookbook"})

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def fetch(self, url: str, into: Path) -> None:
        """Write what is at ``url`` into the file ``into``.

        Raises:
            ImageRefused: not such a URL, nothing there, too large, too slow, too many redirects, or an address that
                only this network can reach.
        """
        until = time.monotonic() + MAX_SECONDS
        here = url
        try:
            for _ in range(MAX_REDIRECTS + 1):
                onwards = self._load(httpx.URL(here), into, until)
                if onwards is None:
                    return
                here = onwards
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            if isinstance(error, ImageRefused):
                raise
            detail = str(error) or type(error).__name__
            raise ImageRefused(f"{shown(url)}: cannot be fetched ({shown(detail)}); correct the URL") from error
        raise ImageRefused(f"{shown(url)}: is redirected more than {MAX_REDIRECTS} times; give the last URL")

    def _load(self, url: httpx.URL, into: Path, until: float) -> str | None:
        """Write what is there, or say where it is instead."""
        what = shown(str(url.copy_with(username=None, password=None)))
        if url.scheme not in ("http", "https") or not url.host:
            raise ImageRefused(f"{what}: only http and https are fetched; correct the URL")
        if url.userinfo:
            raise ImageRefused(f"{what}: a URL with a user and password is not taken; give one without")
        address = self._address(url, what)
        request = self._client.build_request(
            "GET",
            url.copy_with(host=address),
            headers={"Host": url.netloc.decode("ascii"), "Accept": "image/*"},
            extensions={"sni_hostname": url.host},
        )
        answer = self._client.send(request, stream=True)
        try:
            if answer.is_redirect:
                return str(url.join(answer.headers["location"]))
            if answer.status_code != httpx.codes.OK:
                raise ImageRefused(f"{what}: the server answers {answer.status_code}; correct the URL")
            self._write(answer, into, what, until)
            return None
        finally:
            answer.close()

    def _write(self, answer: httpx.Response, into: Path, what: str, until: float) -> None:
        size = 0
        with into.open("wb") as file:
            for chunk in answer.iter_bytes(_CHUNK):
                size += len(chunk)
                if size > self._max_bytes:
                    raise ImageRefused(f"{what}: over {self._max_bytes:,} bytes, which is the most; make it smaller")
                if time.monotonic() > until:
                    raise ImageRefused(f"{what}: took over {MAX_SECONDS:g} seconds; deliver it as a file")
                file.write(chunk)

    def _address(self, url: httpx.URL, what: str) -> str:
        """An address of the host, none of which may be private unless that is allowed."""
        port = url.port or (443 if url.scheme == "https" else 80)
        found = socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        inner = [each for each in addresses if not is_public(each)]
        if inner and not self._private:
            raise ImageRefused(
                f"{what}: leads to {inner[0]}, which only this network can reach; use a public URL, or allow it with "
                "--private-addresses"
            )
        return str(addresses[0])


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is reachable from everywhere, also one of IPv4 within IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is not None:
            return is_public(inner)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address.is_global and not address.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


MAX_BYTES = 64 * 1024 * 1024
"""Largest image file, in bytes: it goes into the bucket in one piece."""
REMEMBERED = 50_000
"""Pictures that need no second look within one import, since many rows may share one."""
UPLOADS = 8
"""Uploads, and fetches, at the same time."""
_REMOTE = ("http:", "https:", "s3:")

ObjectKey = Callable[[str, str], str]
"""From SHA-256 and extension to the object's key."""
_Looked = tuple[str, ObjectKey, bool]
"""A picture as a row names it, where it belongs, and whether it was looked at as a packshot."""


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image file that was checked, and where it belongs in the bucket; of a packshot, what a look at it found."""

    file: Path
    ref: ImageRef
    found: PackshotCheck = field(default_factory=PackshotCheck)


@dataclass(frozen=True, slots=True)
class KnownImage:
    """What an earlier import found of a row's image: its SHA-256, and for a packshot what was doubtful."""

    sha256: str
    doubts: tuple[str, ...] = ()


class Pictures:
    """Finds, checks and uploads the pictures of one import; a context manager.

    Args:
        folder: of the catalog; paths are relative to it.
        outside: take files outside the folder too, to which an absolute path, ``..`` or a link may lead.
        private: fetch from addresses too that only this network can reach.
        models: are asked about packshots.
    """

    def __init__(
        self,
        folder: Path,
        objects: Objects,
        *,
        outside: bool = False,
        private: bool = False,
        models: PackshotModels | None = None,
    ) -> None:
        self._folder = folder
        self._root = Path(os.path.realpath(folder))
        self._objects = objects
        self._outside = outside
        self._look = partial(check_packshot, models=models or PackshotModels())
        self._found: LRUCache[_Looked, FoundImage] = LRUCache(REMEMBERED)
        self._found_fetched: dict[_Looked, FoundImage] = {}
        self._stored: LRUCache[str, bool] = LRUCache(REMEMBERED)
        self._remote = RemotePictures(MAX_BYTES, private=private)
        self._spool: tempfile.TemporaryDirectory[str] | None = None
        self._fetched: dict[str, Path | ImageRefused] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.forget_fetched()
        self._remote.close()

    def fetch(self, given: Iterable[str]) -> None:
        """Fetch those of these pictures that lie elsewhere, several at once, for :meth:`find`."""
        wanted = [each for each in dict.fromkeys(given) if is_remote(each) and each not in self._fetched]
        if not wanted:
            return
        self._spool = self._spool or tempfile.TemporaryDirectory(prefix="lookbook-import-")
        files = [Path(self._spool.name) / str(len(self._fetched) + number) for number in range(len(wanted))]
        with ThreadPoolExecutor(UPLOADS) as pool:
            self._fetched |= dict(zip(wanted, pool.map(self._fetch, wanted, files), strict=True))

    def forget_fetched(self) -> None:
        """Delete what was fetched, once it is uploaded."""
        self._fetched.clear()
        self._found_fetched.clear()
        if self._spool is not None:
            self._spool.cleanup()
            self._spool = None

    def _fetch(self, given: str, file: Path) -> Path | ImageRefused:
        try:
            if problem := unusable_character(given, name=True):
                raise ImageRefused(f"{shown(given)}: {problem}")
            if given.startswith("s3:"):
                file.write_bytes(self._from_bucket(given))
            else:
                self._remote.fetch(given, file)
        except ImageRefused as error:
            return error
        return file

    def _from_bucket(self, given: str) -> bytes:
        bucket, _, key = given.removeprefix("s3:").removeprefix("//").partition("/")
        own = self._objects.settings.bucket
        if not given.startswith("s3://") or bucket != own or not key:
            raise ImageRefused(f"{shown(given)}: pictures are read from the bucket {own!r} alone; write s3://{own}/KEY")
        try:
            facts = self._objects.head(key)
            if facts is None:
                raise ImageRefused(f"{shown(given)}: is not in the bucket; correct the key")
            if facts.size > MAX_BYTES:
                raise ImageRefused(_too_large(shown(given), facts.size))
            return self._objects.get(key)
        except (ObjectMissing, ObjectDamaged, ObjectRefused) as error:
            raise ImageRefused(f"{shown(given)}: {error}") from error

    def find(self, given: str, object_key: ObjectKey, known: KnownImage | None, *, judge: bool = False) -> FoundImage:
        """Check the image at path, URL or S3 key ``given``.

        Args:
            known: what an earlier import found of the same row's; if it is the same file, it is not decoded again.
            judge: look for what is doubtful about it as a packshot.

        Raises:
            ImageRefused: the file is missing, no plain file, outside the folder, too large, or no usable image.
        """
        looked, remembered = (given, object_key, judge), self._found_fetched if is_remote(given) else self._found
        found = remembered.get(looked)
        if found is None:
            file = self._fetched_file(given) if is_remote(given) else self._locate(given)
            found = remembered[looked] = _checked(file, shown(given), object_key, known, self._look if judge else None)
        return found

    def _fetched_file(self, given: str) -> Path:
        self.fetch([given])
        fetched = self._fetched[given]
        if isinstance(fetched, ImageRefused):
            raise fetched
        return fetched

    def _locate(self, given: str) -> Path:
        if problem := unusable_character(given):
            raise ImageRefused(f"{shown(given)}: {problem}")
        try:
            file = Path(os.path.realpath(self._folder / given))
            if not self._outside and not file.is_relative_to(self._root):
                raise ImageRefused(
                    f"{shown(given)}: lies outside the catalog's folder; copy it there, or allow it with --outside"
                )
            status = file.stat()
        except (OSError, ValueError) as error:
            raise _unreadable(given, error) from error
        if not stat.S_ISREG(status.st_mode):
            raise ImageRefused(f"{shown(given)}: is no file but a folder, device or pipe; name an image file")
        if status.st_size > MAX_BYTES:
            raise ImageRefused(_too_large(shown(given), status.st_size))
        return file

    def upload(self, images: list[FoundImage]) -> list[ImageRefused | None]:
        """Put images into the bucket that are not there yet; per image what went wrong with its file.

        Raises:
            ObjectError: the bucket does not work.
        """
        fresh = {image.ref.key: image for image in images if image.ref.key not in self._stored}
        with ThreadPoolExecutor(UPLOADS) as pool:
            outcomes = dict(zip(fresh, pool.map(self._upload, fresh.values()), strict=True))
        for key in fresh:
            if outcomes[key] is None:
                self._stored[key] = True
        return [outcomes.get(image.ref.key) for image in images]

    def _upload(self, image: FoundImage) -> ImageRefused | None:
        if image.found.cutout is not None:
            self._objects.put(cutout(image.ref.sha256), image.found.cutout, "image/png", keep_first=True)
        there = self._objects.head(image.ref.key)
        if there and there.sha256 == image.ref.sha256:
            return None
        try:
            data = _read(image.file, image.file.name)
        except ImageRefused as error:
            return error
        if hashlib.sha256(data).hexdigest() != image.ref.sha256:
            return ImageRefused(f"{shown(image.file.name)}: changed while it was imported; run the import again")
        self._objects.put(image.ref.key, data, content_type(image.ref.key))
        return None


def is_remote(given: str) -> bool:
    """Whether a row names a picture by URL or S3 key."""
    return given.lower().startswith(_REMOTE)


def _checked(
    file: Path,
    what: str,
    object_key: ObjectKey,
    known: KnownImage | None,
    look: Callable[[Image.Image], PackshotCheck] | None,
) -> FoundImage:
    data = _read(file, what)
    sha256 = hashlib.sha256(data).hexdigest()
    found = PackshotCheck(known.doubts) if known else PackshotCheck()
    if known is None or sha256 != known.sha256:
        image = read_image(data, what)
        found = look(image) if look else PackshotCheck()
    return FoundImage(file, ImageRef(object_key(sha256, EXTENSIONS[image_format(data)]), sha256), found)


def _read(file: Path, what: str) -> bytes:
    """The bytes of a plain file, never more than :data:`MAX_BYTES` and never waiting for a writer.

    Raises:
        ImageRefused: it cannot be read, is no plain file any more, or has grown too large.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as source:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ImageRefused(f"{what}: is no file but a device or pipe; name an image file")
            data = source.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(what, error) from error
    if len(data) > MAX_BYTES:
        raise ImageRefused(_too_large(what, len(data)))
    return data


def _unreadable(given: str, error: Exception) -> ImageRefused:
    detail = getattr(error, "strerror", None) or str(error)
    return ImageRefused(
        f"{shown(given)}: cannot be read ({detail}); correct the path, which is relative to the file that names it"
    )


def _too_large(what: str, size: int) -> str:
    return f"{what}: {size:,} bytes, at most {MAX_BYTES:,} are taken; deliver it smaller"
