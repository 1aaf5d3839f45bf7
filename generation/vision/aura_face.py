"""Whose a face is, by AuraFace (``fal/AuraFace-v1``, Apache-2.0): a ResNet-100 after ArcFace (Deng et al., 2019,
arXiv:1801.07698) whose training faces allow commercial use. ``[source] faces`` of a bundle names it; onnxruntime (the
extra ``label``) runs it. Never run with its real weights here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from generation.bundle.card import BundleError
from generation.vision.faces import Face

EDGE = 112
_EYES = ((38.29, 51.70), (73.53, 51.50))
"""Where ArcFace's alignment puts a face's eyes, in pixels of :data:`EDGE`."""
_SAME, _OTHER = 0.6, 0.1
"""Cosines typical of two photographs of one person, and of two people, as published for such nets; not measured."""


class AuraFace:
    """Implements :class:`generation.score.scoring_models.FaceMatcher`.

    Raises:
        BundleError: onnxruntime is not installed, or the file is damaged or of another net.
    """

    def __init__(self, file: Path) -> None:
        try:
            import onnxruntime

            self._net: Any = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        except ImportError as error:
            raise BundleError(f"[source] faces needs onnxruntime ({error}): install the extra `label`") from error
        except Exception as error:  # onnxruntime has no common type for them
            raise BundleError(f"[source] faces: {file} cannot be loaded ({error}); get it again") from error
        (given,) = self._net.get_inputs()
        if list(given.shape[1:]) != [3, EDGE, EDGE]:
            raise BundleError(f"[source] faces: {file} takes {given.shape}, not faces of {EDGE} x {EDGE} pixels")
        self._input = given.name

    def likeness(self, one: tuple[Image.Image, Face], other: tuple[Image.Image, Face]) -> float:
        """Of two faces, each in its picture, 0 to 1: 1 at typical cosines of one person, 0 at those of two."""
        cosine = float(self._describe(*one) @ self._describe(*other))
        return min(1.0, max(0.0, (cosine - _OTHER) / (_SAME - _OTHER)))

    def _describe(self, picture: Image.Image, face: Face) -> np.ndarray:
        """A unit vector."""
        pixels = (np.asarray(aligned(picture, face), dtype=np.float32) - 127.5) / 127.5
        (found,) = self._net.run(None, {self._input: pixels.transpose(2, 0, 1)[None]})
        vector: np.ndarray = found[0] / max(1e-9, float(np.linalg.norm(found[0])))
        return vector


def aligned(picture: Image.Image, face: Face) -> Image.Image:
    """The face as the net expects it: 112 x 112, upright, the eyes at fixed places."""
    (left, top), (right, lower) = _EYES
    from_eye, to_eye = (complex(*eye) for eye in face.eyes)
    # A turn and a scale, as one complex factor, from a pixel of the aligned face to one of the picture.
    factor = (to_eye - from_eye) / complex(right - left, lower - top)
    corner = from_eye - factor * complex(left, top)
    matrix = (factor.real, -factor.imag, corner.real, factor.imag, factor.real, corner.imag)
    turned = picture.convert("RGB")
    return turned.transform((EDGE, EDGE), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
