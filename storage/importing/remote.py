"""Pictures by ``http(s)`` URL, within limits: size, time, redirects, and addresses that are anybody's to reach.

A feed is written by others, so its URLs must not lead into the network that the import runs in. A host is looked up
once and the connection goes to the very address that was checked; so a name that answers otherwise the second time (DNS
rebinding) gains nothing. Proxies of the environment are not used, since they would look the host up themselves.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from pathlib import Path

import httpx

from brief.images import ImageRefused
from brief.limits import shown

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
            said = str(error) or type(error).__name__
            raise ImageRefused(f"{shown(url)}: cannot be fetched ({shown(said)}); correct the URL") from error
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
