"""Encoders: nothing cut away, nothing computed twice, nothing depending on its neighbours."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generation.bundle.card import ROLES
from generation.bundle.load import Bundle
from generation.painters.pixels import to_images, to_tensor
from generation.painters.stable_diffusion.encoders import (
    ImageEncoder,
    TextEncoder,
    adapter_inputs,
    chunk_tokens,
    pad_to_square,
    stack_texts,
)
from generation.painters.stable_diffusion.latents import decode_latents, encode_images
from tests.generation.conftest import picture
from tests.generation.takes import seeing


@settings(max_examples=40, deadline=None)
@given(text=st.text(alphabet="abc ,.", max_size=400))
def test_chunks_hold_every_token_in_order(bundle: Bundle, text: str) -> None:
    tokenizer = bundle.tokenizers[0]
    chunks = chunk_tokens(tokenizer, text, 77)
    special = {tokenizer.bos_token_id, tokenizer.eos_token_id}
    wanted = tokenizer(text, add_special_tokens=False, verbose=False).input_ids
    assert all(len(chunk) == 77 and chunk[0] == tokenizer.bos_token_id for chunk in chunks)
    assert [token for chunk in chunks for token in chunk if token not in special] == wanted


def test_a_short_text_is_encoded_as_the_stock_pipeline_does(bundle: Bundle) -> None:
    tokenizer = bundle.tokenizers[0]
    ids = tokenizer(["a red mug"], padding="max_length", max_length=77, return_tensors="pt").input_ids
    stock = bundle.text_encoders[0](ids)[0][0]
    assert torch.equal(TextEncoder(bundle).encode(["a red mug"])[0].tokens, stock)


def test_texts_of_different_lengths_are_masked_not_stretched(bundle: Bundle) -> None:
    features = TextEncoder(bundle).encode(["short", "long, " * 40])
    tokens, mask = stack_texts(features)
    assert mask is not None
    assert mask.sum(1).tolist() == [77, tokens.shape[1]]
    assert stack_texts(features[:1])[1] is None


def test_texts_are_encoded_once(bundle: Bundle) -> None:
    encoder = TextEncoder(bundle)
    before = bundle.counts.text_forwards
    encoder.encode(["one", "two", "one"])
    encoder.encode(["two", "one"])
    assert bundle.counts.text_forwards - before == 1


def test_equal_images_are_encoded_once_in_one_forward(bundle: Bundle) -> None:
    encoder = ImageEncoder(bundle)
    forwards, hits = bundle.counts.image_forwards, bundle.counts.image_hits
    encoder.encode([picture(1), picture(2), picture(1)])
    first, second = encoder.encode([picture(2), picture(1)])
    assert bundle.counts.image_forwards - forwards == 1
    assert bundle.counts.image_hits - hits == 3
    assert not torch.equal(first.hidden, second.hidden)


@pytest.mark.parametrize("size", [(40, 120), (120, 40)])
def test_tall_and_wide_images_are_seen_whole(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "white")
    ends = [(0, 0, 4, 4), (size[0] - 4, size[1] - 4, *size)]
    for number, end in enumerate(ends):
        image.paste((200 * number, 0, 255), end)
    square = pad_to_square(image)
    assert square.size == (120, 120)
    colours = {colour for _, colour in square.getcolors(maxcolors=9) or []}
    assert {(0, 0, 255), (200, 0, 255)} <= colours


def test_transparency_is_shown_as_white(packshot: Image.Image) -> None:
    assert pad_to_square(packshot).getpixel((20, 60)) == (255, 255, 255)


def test_adapters_get_what_their_kind_takes(bundle: Bundle) -> None:
    images = ImageEncoder(bundle).encode([picture(number) for number in range(3)])
    taken = adapter_inputs(bundle, dict(zip(ROLES, images, strict=True)))
    assert {role: tuple(tensor.shape) for role, tensor in taken.items()} == {
        "face": (1, 17, 40),
        "product": (1, 17, 40),
        "environment": (1, 32),
    }


def test_no_image_is_the_encoding_of_zeros(bundle: Bundle) -> None:
    nothing = ImageEncoder(bundle).nothing()
    zeros = bundle.image_encoder(torch.zeros(1, 3, 32, 32), output_hidden_states=True)
    assert torch.allclose(nothing.hidden, zeros.hidden_states[-2][0], atol=1e-6)
    assert float(nothing.pooled.abs().max()) == 0


def test_pixels_survive_the_way_to_tensors_and_back() -> None:
    image = picture(5)
    assert to_images(to_tensor([image]))[0].tobytes() == image.tobytes()


def test_scale_and_shift_of_any_autoencoder_are_undone(bundle: Bundle) -> None:
    tiny = seeing(bundle)
    tiny.vae.register_to_config(scaling_factor=2.5, shift_factor=0.3)
    image = Image.new("RGB", (64, 64), (128, 100, 60))
    latents = encode_images(tiny, [image])
    assert latents.shape == (1, 4, 8, 8)
    raw = torch.tensor([128, 100, 60]) / 255
    assert torch.allclose(latents[0, :3, 4, 4], (raw - 0.3) * 2.5, atol=1e-3)
    assert torch.allclose(decode_latents(tiny, latents)[0, :, 32, 32], raw, atol=0.03)
