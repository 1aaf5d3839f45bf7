"""The models of ``bundles/judges``: checked against their card, loaded when first used, one set per device.

:class:`Matting` tells what in a photograph is the thing itself: alpha by U-2-Net-p (Qin et al., 2020,
arXiv:2005.09007), a net of 1.1 million parameters for salient objects. :class:`Upscaler` gives more pixels along
each edge: by Real-ESRGAN's compact net, which ships (Wang et al., 2021, arXiv:2107.10833; ``realesr-animevideov3``, 18
convolutions), or by a team's own net, read by spandrel.
"""

from __future__ import annotations

import hashlib
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from brief.errors import GenerationError
from generation.vision.faces import FaceDetector, FaceRecogniser
from generation.vision.graph import Graph

MATTING_EDGE = 320
"""Edge in pixels of the square that the net sees: the coarseness of what it says."""

_MEAN = np.array((0.485, 0.456, 0.406), dtype=np.float32)
_SPREAD = np.array((0.229, 0.224, 0.225), dtype=np.float32)


class Matting:
    """The net, ready to run on one device.

    Args:
        folder: of the net's graph and weights.
    """

    def __init__(self, folder: Path, device: str | torch.device = "cpu") -> None:
        self._graph = Graph(folder, device)

    def alpha(self, image: Image.Image) -> np.ndarray:
        """Alpha [height, width] of ``image``, float32 from 0 (background) to 1, soft at the edge.

        The net says what stands out; its answer is stretched to the whole range, as its authors do, so that an image
        without any object gives a matte all the same. Whoever uses it judges its shape.
        """
        small = image.convert("RGB").resize((MATTING_EDGE, MATTING_EDGE), Image.Resampling.LANCZOS)
        pixels = np.asarray(small, dtype=np.float32)
        pixels = (pixels / max(1.0, float(pixels.max())) - _MEAN) / _SPREAD
        (found,) = self._graph(torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous())
        matte = found[0, 0].cpu().numpy()
        matte = (matte - matte.min()) / max(1e-6, float(matte.max() - matte.min()))
        large = Image.fromarray(matte).resize(image.size, Image.Resampling.BICUBIC)
        alpha: np.ndarray = np.asarray(large, dtype=np.float32).clip(0, 1)
        return alpha


SCALE = 4
"""Of the net that ships."""
_TILE = 256
_MARGIN = 18
"""Pixels around a tile: as far as the 18 convolutions of 3 x 3 see, so that tiles leave no seams."""
_OTHERS_MARGIN = 32
"""Around a tile of a net of which nobody knows how far it sees."""


class Upscaler:
    """A net on one device.

    Args:
        name: as notes call it.
        net: pixels [1, 3, h, w] in 0 to 1 to [1, 3, scale h, scale w].
        margin: pixels around a tile that the net is shown besides.
    """

    def __init__(
        self, name: str, net: Callable[[Tensor], Tensor], scale: int, margin: int, device: str | torch.device
    ) -> None:
        self.name, self.scale = name, scale
        self._net, self._margin, self._device = net, margin, torch.device(device)

    @torch.inference_mode()
    def upscale(self, image: Image.Image) -> Image.Image:
        """``image`` as RGB with ``scale`` times the edges. Memory is bounded: at most 256 x 256 pixels are drawn at
        once."""
        scale, margin = self.scale, self._margin
        pixels = torch.from_numpy(np.asarray(image.convert("RGB"), dtype=np.float32) / 255).permute(2, 0, 1)[None]
        height, width = pixels.shape[2:]
        large = torch.empty(3, height * scale, width * scale)
        for top in range(0, height, _TILE):
            for left in range(0, width, _TILE):
                bottom, right = min(height, top + _TILE), min(width, left + _TILE)
                above, before = max(0, top - margin), max(0, left - margin)
                seen = pixels[:, :, above : bottom + margin, before : right + margin]
                made = self._net(seen.to(self._device))[0].float().cpu()
                rows = slice((top - above) * scale, (bottom - above) * scale)
                columns = slice((left - before) * scale, (right - before) * scale)
                large[:, top * scale : bottom * scale, left * scale : right * scale] = made[:, rows, columns]
        return Image.fromarray((large.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())


def shipped_upscaler(name: str, folder: Path, device: str | torch.device = "cpu") -> Upscaler:
    """The net of ``folder``'s ``weights.safetensors``."""
    stored = load_file(folder / "weights.safetensors", device=str(device))
    numbers = sorted({each.split(".")[0] for each in stored})
    layers = [
        {each.split(".")[1]: tensor.float() for each, tensor in stored.items() if each.startswith(f"{number}.")}
        for number in numbers
    ]
    return Upscaler(name, lambda pixels: _compact(layers, pixels), SCALE, _MARGIN, device)


def _compact(layers: list[dict[str, Tensor]], pixels: Tensor) -> Tensor:
    """Pixels [n, 3, h, w] in 0 to 1 to [n, 3, 4 h, 4 w]: the net says what to add to repeated pixels."""
    x = pixels
    for layer in layers:
        if "slope" in layer:
            x = functional.prelu(x, layer["slope"])
        else:
            x = functional.conv2d(x, layer["weight"], layer["bias"], padding=1)
    return functional.pixel_shuffle(x, SCALE) + functional.interpolate(pixels, scale_factor=SCALE, mode="nearest")


def own_upscaler(file: Path, device: str | torch.device = "cpu") -> Upscaler:
    """A team's own net (ESRGAN, SwinIR, HAT, ...; ``.safetensors``), of whatever kind spandrel finds in it.

    Raises:
        ImportError: spandrel is not installed.
        ValueError: it is no net that enlarges RGB pictures.
    """
    with _torchvision_left_out():
        from spandrel import ImageModelDescriptor, ModelLoader  # of the extra `upscaler`

    state: Mapping[str, Any] = load_file(file)
    net = ModelLoader(device=torch.device(device)).load_from_state_dict(dict(state))
    if not isinstance(net, ImageModelDescriptor) or (net.input_channels, net.output_channels) != (3, 3):
        raise ValueError(f"{file} is no net that enlarges RGB pictures")
    net.eval()
    return Upscaler(file.stem, net, net.scale, _OTHERS_MARGIN, device)


_TORCHVISION = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")


@contextmanager
def _torchvision_left_out() -> Iterator[None]:
    """Names in the place of those that spandrel asks torchvision for, where that is not installed: LaMa and
    RestoreFormer, which enlarge nothing, are not to be had then."""
    if find_spec("torchvision") is not None:
        yield
        return
    names = dict.fromkeys(("InterpolationMode", "rotate", "normalize"))
    for module in _TORCHVISION:
        sys.modules[module] = ModuleType(module)
        vars(sys.modules[module]).update(names)
    try:
        yield
    finally:
        for module in _TORCHVISION:
            del sys.modules[module]


FOLDER = Path(__file__).resolve().parents[2] / "bundles" / "judges"
"""Where the models that ship with the project are."""

CARD = "judges.toml"
_PLACES_A_ROW = 4
_UNLISTED = (CARD, "README.md", "NOTICE", "LICENSES")


class VisionError(GenerationError, RuntimeError):
    """The judges' folder cannot be used; names the file, what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of one model.

    Attributes:
        version: of the package that the weights come from.
        says: what it measures and in which range.
        knows: the pictures that it was made for.
        sha256: file in the judges' folder to hex digest.
    """

    name: str
    version: str
    licence: str
    says: str
    knows: str
    sha256: Mapping[str, str]

    @property
    def digest(self) -> str:
        """32 hex characters over its files: what a result of this model depends on."""
        return hashlib.sha256(repr(sorted(self.sha256.items())).encode()).hexdigest()[:32]


def read_cards(folder: Path = FOLDER) -> dict[str, ModelCard]:
    """The cards of all models by their use (``matting``, ``faces``, ``identity``, ``upscaling``) and of ``places``.

    Raises:
        VisionError: the card is missing or cannot be read.
    """
    file = folder / CARD
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
        return {use: ModelCard(**card) for use, card in values.items()}
    except (OSError, TypeError, tomllib.TOMLDecodeError) as error:
        raise VisionError(f"{file} cannot be read: {error}; get the project's bundles/judges again") from error


def verify(folder: Path = FOLDER) -> None:
    """Check every file against its card.

    Raises:
        VisionError: a file is missing, altered or not listed; names it.
    """
    listed = {path: digest for card in read_cards(folder).values() for path, digest in card.sha256.items()}
    for path, digest in listed.items():
        file = folder / path
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            raise VisionError(f"{file} is missing or not the file that {CARD} lists; get bundles/judges again")
    present = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    for extra in sorted(path for path in present if path.as_posix() not in listed and path.parts[0] not in _UNLISTED):
        raise VisionError(f"{folder / extra} is not listed in {CARD}; remove it or list it")


@cache
def shipped(device: str = "cpu") -> VisionModels:
    """The models that ship with the project, one set per device and process.

    Raises:
        VisionError: a file is missing or altered.
    """
    return VisionModels(device=device)


class VisionModels:
    """All models on one device, each loaded when it is first used.

    Raises:
        VisionError: a file is missing or altered.
    """

    def __init__(self, folder: Path = FOLDER, device: str | torch.device = "cpu") -> None:
        verify(folder)
        self.cards = read_cards(folder)
        self._folder, self._device = folder, device

    @cached_property
    def matting(self) -> Matting:
        return Matting(self._folder / "matting", self._device)

    @cached_property
    def faces(self) -> FaceDetector:
        return FaceDetector(self._folder / "face_detector", self._folder / "face_check", self._device)

    @cached_property
    def recogniser(self) -> FaceRecogniser:
        return FaceRecogniser(self._folder / "face_recogniser", self._device)

    @cached_property
    def places(self) -> tuple[Image.Image, ...]:
        """Photographs of different places, square."""
        with Image.open(self._folder / "places" / "sheet.webp") as opened:
            sheet = opened.convert("RGB")
        edge = sheet.width // _PLACES_A_ROW
        corners = ((left, top) for top in range(0, sheet.height, edge) for left in range(0, sheet.width, edge))
        return tuple(sheet.crop((left, top, left + edge, top + edge)) for left, top in corners)

    @cached_property
    def upscaler(self) -> Upscaler:
        return shipped_upscaler(self.cards["upscaling"].name, self._folder / "upscaler", self._device)
