"""A loaded bundle with what the stages use beside it: encoders with their caches, and scorers."""

from __future__ import annotations

from dataclasses import dataclass

from safetensors.torch import load_file
from torch import Tensor

from generation.bundle.load import Bundle
from generation.painters.stable_diffusion.encode_image import ImageEncoder
from generation.painters.stable_diffusion.encode_text import TextEncoder
from generation.painters.stable_diffusion.portrait_prior import Sketch, load_sketch
from generation.score.face_reader import FaceReader, load_reader


@dataclass(frozen=True, slots=True)
class Models:
    """Everything a stage needs.

    Attributes:
        face_reader: reads features and identity of a face; ``None`` if the bundle has none.
        text_projection: [projection, text width], from the text encoder into the image encoder's space; ``None`` if
            the two were not trained together.
        sketch: from a casting sheet to the latents that a portrait begins with; ``None`` if the bundle has none.
    """

    bundle: Bundle
    texts: TextEncoder
    images: ImageEncoder
    face_reader: FaceReader | None
    text_projection: Tensor | None
    sketch: Sketch | None

    @classmethod
    def of(cls, bundle: Bundle) -> Models:
        """The models of ``bundle``, its scorers loaded from where its card says."""
        reader = bundle.card.scorers.get("face_reader")
        projection = bundle.card.scorers.get("text_projection")
        first = bundle.card.scorers.get("sketch")
        return cls(
            bundle=bundle,
            texts=TextEncoder(bundle),
            images=ImageEncoder(bundle),
            face_reader=load_reader(bundle.folder / reader, bundle.device) if reader else None,
            text_projection=load_file(bundle.folder / projection)["weight"].to(bundle.device) if projection else None,
            sketch=load_sketch(bundle.folder / first, bundle.device) if first else None,
        )
