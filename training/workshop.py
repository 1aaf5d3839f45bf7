"""Where a training run finds its models: the stage's own checkpoint, else the bundle that ships, else new ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

from generation.bundle.card import ROLES
from generation.bundle.patches import PatchAutoencoder, fit_patches
from generation.painters.stable_diffusion.portrait_prior import PortraitPrior, load_portrait_prior
from generation.score.face_reader import FaceReader, load_reader
from training.adapter_files import attach, from_files, make_adapters
from training.autoencoder import make_autoencoder
from training.checkpoint import load_mean
from training.clip import Heads, make_image_encoder
from training.corpus import Corpus, read_corpus
from training.device import Device
from training.inpainting.pictures import Makers, whole_shots
from training.inpainting.unet import make_inpainting_unet
from training.loop import Models
from training.reader import make_reader
from training.sizes import Sizes
from training.sketch import make_sketch
from training.text2image import make_text_encoder, make_unet
from training.tokenizer import make_tokenizer
from training.words import make_words
from training.world.captions import all_words

_FITTED = 512
"""Shots to which patches are fitted."""
FACE_READER = "scorers/face_reader"
SKETCH = "scorers/sketch"
SKETCH_DECODER = "scorers/sketch_decoder"
TEXT_PROJECTION = "scorers/text_projection.safetensors"
DOMAIN = "scorers/domain"
"""Where a bundle has the parts that are no model of Stable Diffusion."""


@dataclass(frozen=True)
class Workshop:
    """Folders and sizes of a run.

    Attributes:
        data: rendered pictures. runs: checkpoints and curves, one folder per stage.
        bundle: what training goes on from where there is no checkpoint; may not exist.
        worker: number of this process and how many train together.
    """

    sizes: Sizes
    device: Device
    data: Path
    runs: Path
    bundle: Path
    worker: tuple[int, int] = (0, 1)

    @cached_property
    def corpus(self) -> Corpus:
        return read_corpus(self.data, "train")

    @cached_property
    def held_out(self) -> Corpus:
        return read_corpus(self.data, "held-out")

    @property
    def begun(self) -> bool:
        """Whether there is a bundle to go on from."""
        return (self.bundle / "model_index.json").exists()

    def checkpoint(self, stage: str) -> Path:
        return self.runs / stage / "checkpoint.safetensors"

    def _latest(self, stage: str, models: dict[str, nn.Module]) -> None:
        """Load what a stage has learnt so far, where it has a checkpoint."""
        load_mean(self.checkpoint(stage), nn.ModuleDict(models), partly=True)

    def tokenizer(self) -> Any:
        if self.begun:
            return CLIPTokenizer.from_pretrained(self.bundle / "tokenizer")
        return make_tokenizer(all_words(), self.sizes.positions)

    @property
    def keeps_encoder(self) -> bool:
        """Whether the image encoder is still the bundle's."""
        return self.begun and not self.checkpoint("clip").exists()

    @property
    def completes(self) -> bool:
        """Whether the bundle's UNet completes collages; its latents are patches, and the sketch has a decoder."""
        return (self.bundle / SKETCH_DECODER).exists()

    def autoencoder(self) -> AutoencoderTiny:
        folder = self.bundle / (SKETCH_DECODER if self.completes else "vae")
        vae = _loaded(AutoencoderTiny, folder) if self.begun else make_autoencoder(self.sizes)
        self._latest("autoencoder", {"vae": vae})
        return vae

    def sketch(self) -> PortraitPrior:
        folder = self.bundle / SKETCH
        model = (
            load_portrait_prior(folder).requires_grad_(True)
            if folder.exists()
            else make_sketch(self.sizes, self.corpus)
        )
        self._latest("sketch", {"sketch": model})
        return model

    def painter(self) -> Models:
        """Text encoder ("text") and UNet ("unet"). A checkpoint goes before the bundle, whose shapes may be older."""
        shipped = self.begun and not self.checkpoint("text2image").exists()
        if shipped:
            text = _loaded(CLIPTextModel, self.bundle / "text_encoder")
            unet = _loaded(UNet2DConditionModel, self.bundle / "unet")
        else:
            text, unet = make_text_encoder(self.sizes, self.tokenizer()), make_unet(self.sizes)
            self._latest("words", {"text": text, "add": unet.add_embedding})
        models = nn.ModuleDict({"text": text, "unet": unet})
        self._latest("text2image", dict(models.items()))
        return models

    def inpainting(self) -> Models:
        """Text encoder ("text"), UNet ("unet") with its adapters, and the patches ("vae") that are its latents.

        It goes on from the bundle if that completes collages; else from what its UNet and adapters have learnt, with
        patches that are fitted to the pictures of the run.
        """
        painter = self.painter()
        if self.completes:
            unet = _loaded(UNet2DConditionModel, self.bundle / "unet")
            attach(unet, _adapters_in(self.bundle / "ip_adapter", unet, self.sizes))
            patches = _loaded(PatchAutoencoder, self.bundle / "vae")
        else:
            patches = self._patches(self.checkpoint("inpainting").parent / "vae")
            unet = make_inpainting_unet(painter["unet"], patches.config.latent_channels)
            attach(unet, self.adapters(unet))
        models = nn.ModuleDict({"text": painter["text"], "unet": unet, "vae": patches.requires_grad_(False)})
        self._latest("inpainting", {"unet": models["unet"]})
        return models

    def _patches(self, folder: Path) -> PatchAutoencoder:
        """The patches of a run, fitted to its pictures when it begins."""
        if not folder.exists():
            fit_patches(whole_shots(self.data / "train", _FITTED)).save_pretrained(folder)
        patches: PatchAutoencoder = _loaded(PatchAutoencoder, folder)
        return patches

    def words(self) -> Models:
        """Text encoder, the UNet's embedding of a whole text, and a head that draws from it."""
        shape = (self.sizes.latent_channels, self.sizes.latent_edge, self.sizes.latent_edge)
        models = make_words(self.painter(), shape)
        self._latest("words", {"head": models["head"]})
        return models

    def image_encoder(self) -> CLIPVisionModelWithProjection:
        folder = self.bundle / "image_encoder"
        encoder = _loaded(CLIPVisionModelWithProjection, folder) if self.begun else make_image_encoder(self.sizes)
        self._latest("clip", {"vision": encoder})
        return encoder

    def layer_makers(self) -> Makers:
        """What shots are made into layers with."""
        return Makers(self.image_encoder().eval(), self.tokenizer(), self.sketch().eval(), self.autoencoder().eval())

    def heads(self) -> Heads:
        """What the image encoder is trained with; only its text projection ships."""
        heads = Heads(self.sizes, int(self.corpus.things.max()) + 1, int(self.corpus.places.max()) + 1)
        projection = self.bundle / TEXT_PROJECTION
        if projection.exists():
            heads.text.load_state_dict({"weight": load_file(projection)["weight"].float()})
        self._latest("clip", {"heads": heads})
        return heads

    def text_projection(self) -> Tensor:
        """From the text encoder's width to that of the image encoder's embeddings, [joint, words]."""
        kept = self.bundle / TEXT_PROJECTION
        if kept.exists() and not self.checkpoint("clip").exists():
            return load_file(kept)["weight"]
        return self.heads().text.weight.detach()

    def reader(self) -> FaceReader:
        folder = self.bundle / FACE_READER
        reader = load_reader(folder).requires_grad_(True) if folder.exists() else make_reader(self.sizes)
        self._latest("reader", {"reader": reader})
        return reader

    def adapters(self, unet: UNet2DConditionModel) -> Models:
        adapters = make_adapters(unet, self.sizes)
        if self.begun:
            adapters = _adapters_in(self.bundle / "ip_adapter", unet, self.sizes)
        self._latest("adapters", dict(adapters.items()))
        return adapters


def _adapters_in(folder: Path, unet: UNet2DConditionModel, sizes: Sizes) -> Models:
    adapters = make_adapters(unet, sizes)
    from_files(adapters, {role: load_file(folder / f"{role}.safetensors") for role in ROLES})
    return adapters


def _loaded(kind: Any, folder: Path) -> Any:
    return kind.from_pretrained(folder, dtype=torch.float32).requires_grad_(True)
