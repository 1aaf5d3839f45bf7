"""The decorator of every compiled function, and where the compiled code is kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

from numba import njit
from numba.core import config

Function = TypeVar("Function", bound=Callable[..., object])

_FOLDER = Path(__file__).parent


def _source_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(_FOLDER.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


# numba keys its cache on the file of the outer function only: a changed callee in another file would go unseen.
os.environ.setdefault("NUMBA_CACHE_DIR", str(_FOLDER / "__pycache__" / _source_digest()))
config.reload_config()  # type: ignore[no-untyped-call]


def kernel(function: Function) -> Function:
    """Compile a scalar function; callable from Python and from other kernels."""
    return cast("Function", njit(fastmath=True, nogil=True, cache=True)(function))


def parallel_kernel(function: Function) -> Function:
    """Compile a function whose ``prange`` loop runs over pictures on all of numba's threads."""
    return cast("Function", njit(fastmath=True, nogil=True, parallel=True, cache=True)(function))
