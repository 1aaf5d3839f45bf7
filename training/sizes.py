"""How large the starter bundle's models are, and a tiny version on which the whole chain is tested."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Shapes of all models. The defaults are what ships; :data:`TINY` runs every stage in seconds.

    The autoencoder divides edges by 8 and keeps 16 channels: as many numbers as dividing by 4 with 4 channels, a
    better linear bound (26.6 against 24.4 dB), and a UNet that costs a quarter.
    """

    pixels: int = 128
    latent_channels: int = 16
    encoder_width: int = 48
    encoder_blocks: tuple[int, ...] = (0, 0, 1, 3)
    decoder_width: int = 64
    decoder_blocks: tuple[int, ...] = (3, 3, 1, 0)
    words: int = 192
    word_layers: int = 2
    word_heads: int = 4
    positions: int = 96
    unet_widths: tuple[int, ...] = (64, 128, 192)
    unet_groups: int = 16
    head_width: int = 32
    sketch: int = 512
    sketch_channels: int = 128
    sketch_blocks: int = 3
    vision: int = 128
    vision_layers: int = 4
    vision_patch: int = 16
    joint: int = 128
    resampler: int = 128
    image_tokens: int = 16
    reader_widths: tuple[int, ...] = (32, 64, 128, 192)
    identity: int = 64

    @property
    def latent_edge(self) -> int:
        return self.pixels >> (len(self.encoder_blocks) - 1)


TINY = Sizes(
    encoder_width=8,
    encoder_blocks=(0, 0, 1, 1),
    decoder_width=8,
    decoder_blocks=(1, 1, 0, 0),
    words=32,
    word_layers=1,
    word_heads=2,
    unet_widths=(16, 32),
    unet_groups=8,
    head_width=8,
    sketch=32,
    sketch_channels=16,
    sketch_blocks=1,
    vision=32,
    vision_layers=2,
    joint=16,
    resampler=64,
    image_tokens=4,
    reader_widths=(8, 16),
    identity=8,
)
