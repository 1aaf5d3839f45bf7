"""What looks at pictures of photographic bundles: words by the models' own logits, safety by two signals."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    SiglipModel,
)

from generation.bundle.card import BundleError, read_card, write_card
from generation.models import Models
from generation.score.likeness import Unavailable, prompt_likeness
from generation.score.safety import SafetyChecker, safety
from generation.score.scoring_models import ScoringModels
from generation.score.words import WordsModel
from tests.generation.conftest import picture
from tests.published.bundles import BUNDLES, local
from tests.published.checkpoints import write

pytestmark = pytest.mark.filterwarnings("ignore")
CPU = torch.device("cpu")
LONG = "photo of a woman with curly auburn hair and freckles holding a red bottle, " * 3 + "on a beach at noon"


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published layout, narrow, with a scale and a bias as trained ones have."""
    folder = write(tmp_path_factory.mktemp("siglip2"), "siglip2")
    weights = load_file(folder / "model.safetensors")
    trained = {"logit_scale": torch.tensor([4.7]), "logit_bias": torch.tensor([-16.0])}
    save_file(weights | trained, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sd15")
    write(folder, "sd15", wanted=lambda file: file.startswith("safety_checker/"))
    return folder / "safety_checker"


def scoring(**models: Any) -> ScoringModels:
    return ScoringModels(None, None, fingerprint="", **models)


def test_words_are_scored_by_the_models_own_logits(siglip: Path) -> None:
    words = WordsModel(siglip, CPU, torch.float32)
    with_own = scoring(words=words, scales={"prompt": words.scale})
    stock: Any = SiglipModel.from_pretrained(siglip)
    shown = picture(1, (224, 224))
    pixels = words._processor([shown], return_tensors="pt").pixel_values
    ids = torch.tensor([[*(5 if letter == " " else ord(letter) - 27 for letter in "red mug"), 1] + [0] * 56])
    with torch.inference_mode():
        wanted = stock(input_ids=ids, pixel_values=pixels).logits_per_image.sigmoid().item()
    found = with_own.scaled("prompt", prompt_likeness(with_own, shown, "Red mug"))
    assert found == pytest.approx(wanted, rel=1e-4)


def test_long_words_are_read_in_parts_and_none_is_lost(siglip: Path) -> None:
    words = WordsModel(siglip, CPU, torch.float32)
    parts = words.parts(LONG)
    assert len(parts) > 3
    assert max(len(words._tokens(part)) for part in parts) == 64
    assert re.findall(r"\w+", " ".join(parts)) == re.findall(r"\w+", LONG)
    assert words.words(["x" * 200])[0].shape == (32,)


def test_a_clip_has_words_but_no_scale_of_its_own(tmp_path: Path) -> None:
    text = CLIPTextConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)
    vision = CLIPVisionConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)
    stock: Any = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)).eval()
    stock.save_pretrained(tmp_path)
    write(tmp_path / "sd15", "sd15", wanted=lambda file: file.startswith("tokenizer/"))
    for file in (tmp_path / "sd15" / "tokenizer").iterdir():
        file.rename(tmp_path / file.name)
    CLIPImageProcessorPil().save_pretrained(tmp_path)
    words = WordsModel(tmp_path, CPU, torch.float32)
    assert words.scale is None
    shown = picture(1, (224, 224))
    ids = torch.tensor([words._tokens("a red mug")])
    with torch.inference_mode():
        pixels = words._processor([shown], return_tensors="pt").pixel_values
        logits = stock(input_ids=ids, pixel_values=pixels).logits_per_image.item()
    (seen,), (read,) = words.images([shown]), words.words(["a red mug"])
    assert words.steepness * float(seen @ read) == pytest.approx(logits, abs=1e-4)


def test_another_kind_of_model_is_refused_with_what_can_be_used(siglip: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(BundleError, match="'bert'; \\[source\\] words needs a SigLIP 2 of fixed size, or a CLIP"):
        WordsModel(tmp_path, CPU, torch.float32)


def test_the_checker_finds_what_the_published_one_finds(checker: Path) -> None:
    ours = SafetyChecker(checker, CPU, torch.float32)
    stock: Any = StableDiffusionSafetyChecker(CLIPConfig(**json.loads((checker / "config.json").read_text())))
    weights = load_file(checker / "model.fp16.safetensors")
    weights.pop("vision_model.vision_model.embeddings.position_ids")
    stock.load_state_dict({key.replace("vision_model.vision_model", "vision_model"): w for key, w in weights.items()})
    for limit in (0.0, 0.2, 0.4):  # of every concept
        stock.concept_embeds_weights.data.fill_(limit)
        stock.special_care_embeds_weights.data.fill_(limit)
        ours._limits |= {name: torch.full_like(ours._limits[name], limit) for name in ours._limits if "weights" in name}
        for shown in (picture(number, (224, 224)) for number in range(4)):
            pixels = ours._processor([shown], return_tensors="pt").pixel_values
            _, (flagged,) = stock.eval()(pixels, torch.zeros(1, 3, 8, 8))
            assert abs(ours.margin(shown)) < 1e-3 or (ours.safe(shown) < 0.5) == flagged


class _Signals:
    """A checker and a words model whose opinions are given."""

    steepness = 1.0

    def __init__(self, checked: float, worded: float) -> None:
        self._checked, self._logit = checked, math.log(worded / (1 - worded))

    def safe(self, picture: Image.Image) -> float:
        return self._checked

    def images(self, images: object) -> list[Tensor]:
        return [torch.tensor([1.0, 0.0])]

    def words(self, texts: list[str]) -> list[Tensor]:
        # Four harmless and five harmful descriptions; their cosines differ so much that the softmax is as given.
        apart = (self._logit - math.log(4 / 5)) / self.steepness
        harmless, harmful = (torch.tensor([c, (1 - c * c) ** 0.5]) for c in (apart / 2, -apart / 2))
        return [harmless if number < 4 else harmful for number in range(len(texts))]


@pytest.mark.parametrize(
    ("checked", "worded", "least", "below"),
    [(0.9, 0.8, 0.5, 1.0), (0.9, 0.3, 0.25, 0.5), (0.2, 0.8, 0.25, 0.5), (0.4, 0.3, 0.0, 0.25)],
)
def test_safe_is_what_both_signals_call_safe(checked: float, worded: float, least: float, below: float) -> None:
    signals = _Signals(checked, worded)
    assert least <= safety(scoring(checker=signals, words=signals), picture(1)) < below


def test_one_signal_alone_leaves_safety_to_a_person() -> None:
    signals = _Signals(0.9, 0.8)
    for models, lacking in (({"checker": signals}, "words"), ({"words": signals}, "safety")):
        with pytest.raises(Unavailable, match=f"source. {lacking}\\), so a person decides"):
            safety(scoring(**models), picture(1))


def test_a_damaged_checker_says_what_to_do(checker: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((checker / "config.json").read_bytes())
    weights = load_file(checker / "model.safetensors")
    weights.pop("visual_projection.weight")
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(BundleError, match=r"get it again, or remove \[source\] safety"):
        SafetyChecker(tmp_path, CPU, torch.float32)


def test_another_checker_draws_nothing_again_and_another_reader_of_words_does(siglip: Path, tmp_path: Path) -> None:
    """The reader of words chooses portraits, which every shot refers to."""
    for name in ("sd15", "sd15-inpaint", "ip-adapter"):
        write(tmp_path / name, name, seed=len(name))
    card = replace(local(read_card(BUNDLES / "sd15"), tmp_path))
    others = {"safety": str(tmp_path / "sd15-inpaint")}, {"words": str(write(tmp_path / "other", "siglip2", seed=5))}
    found = []
    for number, changes in enumerate(({}, *others)):
        folder = tmp_path / f"bundle{number}"
        folder.mkdir()
        write_card(folder, replace(card, source={**card.source, "words": str(siglip), **changes}))
        models = Models.open(folder, "cpu")
        found.append((models.painter.card.fingerprint, models.scoring.fingerprint))
    assert found[0][0] == found[1][0] != found[2][0]
    assert len({scorers for _, scorers in found}) == 3
