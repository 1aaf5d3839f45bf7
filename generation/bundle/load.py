"""Loading a bundle: standard diffusers components, an image encoder and the IP-Adapters, verified.

Everything that differs between models (latent channels, scale, prediction type, autoencoder class, picture size) is
read from their configurations, so that a bundle is swapped by swapping a folder.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import diffusers.utils.logging
import torch
import torch._dynamo
import transformers.utils.logging
from diffusers import AutoencoderKL, StableDiffusionPipeline, StableDiffusionXLPipeline
from diffusers.hooks import apply_group_offloading
from diffusers.models.embeddings import (
    ImageProjection,
    IPAdapterFullImageProjection,
    IPAdapterPlusImageProjection,
    MultiIPAdapterImageProjection,
)
from safetensors import safe_open
from torch import nn
from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection

from brief.recipe import RECIPES
from generation.bundle.card import BundleCard, BundleError, hash_file, read_card, verify
from generation.bundle.hub import Sources, locate
from generation.bundle.memory import MemoryPlan, Weights, count_bytes, memory_plan_for

# Diffusers loads an autoencoder of patches by the name of its module, and only if that has been imported.
from generation.bundle.patches import PatchAutoencoder
from generation.bundle.scheduler import choose_scheduler
from generation.counts import Counts
from generation.painters.stable_diffusion.attention import KeyValueCache, cache_keys_and_values

_PIPELINES = {"sd15": StableDiffusionPipeline, "sdxl": StableDiffusionXLPipeline}
_RESAMPLER_LAYERS = 4
_VARIANTS = 128
_LOG = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Bundle:
    """Loaded models, ready to run, all on one device.

    ``projections`` turns image features into attention tokens. It is held apart from the UNet, whose own slot passes
    tokens through, so that tokens are projected once per picture and not once per denoising step. ``zero_negative``:
    an empty negative prompt is all zeros, as the model was trained. ``compiled``: the UNet's blocks are compiled for
    each number of rows that they are given, so batches are padded to few of them.
    """

    card: BundleCard
    folder: Path
    device: torch.device
    dtype: torch.dtype
    tokenizers: tuple[Any, ...]
    text_encoders: tuple[Any, ...]
    unet: Any
    vae: Any
    scheduler: Any
    image_encoder: Any
    image_processor: Any
    projections: Any
    zero_negative: bool
    keys_and_values: KeyValueCache
    sources: Sources
    compiled: bool = False
    plan: MemoryPlan = field(default_factory=MemoryPlan)
    counts: Counts = field(default_factory=Counts)

    @property
    def roles(self) -> tuple[str, ...]:
        """Whose adapters are loaded, in the order of ``projections.image_projection_layers``."""
        return self.card.roles

    @property
    def latent_channels(self) -> int:
        return int(self.vae.config.latent_channels)

    @property
    def completes(self) -> bool:
        """Whether the UNet is an inpainting checkpoint's, which also takes a mask and latents of what is there."""
        return bool(self.unet.config.in_channels == 2 * self.latent_channels + 1)

    @property
    def hint(self) -> str | None:
        """What a UNet that completes pictures is shown, "blank" or "figure"; ``None`` for any other."""
        return self.card.inpaint.get("hint", "blank") if self.completes else None

    @property
    def scale_factor(self) -> int:
        """Picture pixels per latent pixel, along one edge."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))


class _PassThrough(nn.Module):
    """Stands where the UNet would project image features; they come projected already."""

    def forward(self, tokens: list[torch.Tensor]) -> list[torch.Tensor]:
        return tokens


def load(
    folder: Path | str,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    *,
    allow_non_commercial: bool = False,
    compile_blocks: bool = False,
) -> Bundle:
    """Verify and load the bundle in ``folder``.

    Args:
        device: default is the first CUDA device, else the CPU.
        dtype: default is bfloat16 on CUDA (float16 where the card has none) and float32 on a CPU, where half
            precision is many times slower.
        allow_non_commercial: load models whose licence forbids commercial use.
        compile_blocks: compile the UNet's transformer blocks (:func:`compiled`), unless they run on a CPU.

    Raises:
        BundleError: a file is missing or altered (named), the licence is not commercial, an adapter does not fit, the
            scheduler cannot be used (others are named).
    """
    card, sources = open_card(Path(folder), tuple(_PIPELINES), allow_non_commercial=allow_non_commercial)
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    kind = dtype or default_dtype(where)
    if sources.image_encoder is None:
        raise BundleError(f"{folder} has no image encoder: name it in [source], or put it into image_encoder/")
    for file in sources.adapters.values():
        _check_adapter(file)
    pipe = _load_pipeline(card, sources, sources.image_encoder, kind)
    bundle = _place(_take_apart(pipe, card, sources, Path(folder), where, kind))
    return _compiled_where_it_pays(bundle) if compile_blocks else bundle


def _compiled_where_it_pays(bundle: Bundle) -> Bundle:
    if bundle.device.type == "cpu":
        _LOG.warning(
            "bundle %s: not compiled, since on a CPU that costs: 1.4 to 1.6 processor seconds for four pictures of the "
            "starter that take 1.3 without (docs/models.md); unset LOOKBOOK_COMPILE",
            bundle.card.name,
        )
        return bundle
    return compiled(bundle)


def open_card(
    folder: Path, families: tuple[str, ...], *, allow_non_commercial: bool = False
) -> tuple[BundleCard, Sources]:
    """The card of the bundle in ``folder``, checked, and where its weights lie, with the digests of local files.

    Raises:
        BundleError: see :func:`load`; or its family is none of ``families``.
    """
    card = read_card(folder)
    if not card.commercial and not allow_non_commercial:
        raise BundleError(
            f"{folder}: the licence {card.licence!r} of bundle {card.name!r} is not marked as commercial; "
            "choose another bundle or allow non-commercial models explicitly"
        )
    if card.family not in families:
        raise BundleError(f"{folder}: family {card.family!r} is unknown; there are {', '.join(families)}")
    verify(folder, card)
    sources = locate(folder, card)
    return _with_digests(card, sources), sources


def default_dtype(device: torch.device) -> torch.dtype:
    """The precision to draw in on ``device``."""
    if device.type != "cuda":
        return torch.float32
    # Cards before Ampere emulate bfloat16, and cuDNN has no convolutions in it for them.
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def _place(bundle: Bundle) -> Bundle:
    """Put each model where the plan for the device's memory wants it."""
    encoders = (*bundle.text_encoders, bundle.image_encoder)
    weights = Weights(
        denoiser=count_bytes([bundle.unet, bundle.projections]),
        autoencoder=count_bytes([bundle.vae]),
        encoders=count_bytes(encoders) + scorers_bytes(bundle.sources, bundle.dtype),
    )
    plan = memory_plan_for(bundle.device, weights, bundle.card, bundle.vae.dtype.itemsize)
    if plan.tiled:
        bundle.vae.enable_tiling()
    if bundle.device.type == "cuda":
        for module in (bundle.unet, bundle.vae):
            module.to(memory_format=torch.channels_last)
    if plan.denoiser_streamed:
        apply_group_offloading(bundle.unet, onload_device=bundle.device, offload_type="leaf_level", use_stream=True)
    else:
        bundle.unet.to(bundle.device)
    bundle.projections.to(bundle.device)
    if not plan.autoencoder_away:
        bundle.vae.to(bundle.device)
    for encoder in () if plan.encoders_away else encoders:
        encoder.to(bundle.device)
    return replace(bundle, plan=plan)


def compiled(bundle: Bundle, backend: str = "inductor") -> Bundle:
    """``bundle`` whose UNet's transformer blocks are compiled when they first run, for each size of picture and each
    number of rows; nothing else in it takes as long.

    Keys and values are not cached any more, since asking for them would cut the blocks' graphs in pieces. Where layers
    are streamed, nothing is compiled, since their hooks would be.
    """
    if bundle.plan.denoiser_streamed:
        _LOG.warning("bundle %s: its layers are streamed, so they are not compiled", bundle.card.name)
        return bundle
    # All blocks share their code, each width and resolution of which is compiled by itself for each number of rows.
    torch._dynamo.config.recompile_limit = max(_VARIANTS, torch._dynamo.config.recompile_limit)
    bundle.keys_and_values.off = True
    bundle.unet.compile_repeated_blocks(dynamic=False, backend=backend)
    return replace(bundle, compiled=True)


def scorers_bytes(sources: Sources, dtype: torch.dtype) -> int:
    """Upper bound of what the models that look at pictures take in ``dtype``: their files, published in full precision
    or in half."""
    files = [file for folder in (sources.words, sources.safety) if folder for file in folder.glob("*.safetensors")]
    return sum(file.stat().st_size for file in files) * dtype.itemsize // 2


def _with_digests(card: BundleCard, sources: Sources) -> BundleCard:
    """``card`` with the digests of the files of this machine.

    Raises:
        BundleError: the card has digests already and a file is another, or a LoRA is.
    """
    wanted = card.source_sha256
    for name in sorted(set(wanted) | set(sources.sha256)) if wanted else ():
        if wanted.get(name) != sources.sha256.get(name):
            raise BundleError(
                f"bundle {card.name!r}: {name} is not the file that [source_sha256] lists; "
                "get it again, or record what is there now with `lookbook bundle verify --record`"
            )
    for lora, file in zip(card.loras, sources.loras, strict=True):
        if lora.sha256 and hash_file(file) != lora.sha256:
            raise BundleError(f"bundle {card.name!r}: {file} is not the LoRA whose sha256 the card has; get it again")
    return replace(card, source_sha256=sources.sha256)


def _check_adapter(file: Path) -> None:
    """Refuse what diffusers would load wrongly or only half, without a word."""
    with safe_open(file, framework="pt") as tensors:
        keys = set(tensors.keys())
    if not any(key.startswith("ip_adapter.") for key in keys):
        raise BundleError(f"{file} is not an IP-Adapter: it has no tensor named ip_adapter.*")
    layers = {int(key.split(".")[2]) for key in keys if key.startswith("image_proj.layers.")}
    if layers and len(layers) != _RESAMPLER_LAYERS:
        raise BundleError(f"{file}: its resampler has {len(layers)} layers; only {_RESAMPLER_LAYERS} can be loaded")


def _load_pipeline(card: BundleCard, sources: Sources, image_encoder: Path, dtype: torch.dtype) -> Any:
    safe: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, "dtype": dtype}
    encoder = CLIPVisionModelWithProjection.from_pretrained(image_encoder, **safe)
    parts: dict[str, Any] = {
        "image_encoder": encoder,
        "feature_extractor": _image_processor(image_encoder, encoder.config.image_size),
    }
    if card.family == "sd15":
        parts.update(safety_checker=None, requires_safety_checker=False)
    if sources.vae is not None:
        parts["vae"] = _load_vae(sources, dtype)
    try:
        pipe = _load_base(card, sources, parts, dtype)
        merge_loras(pipe, card, sources)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise BundleError(f"the models of bundle {card.name!r} in {sources.base} cannot be loaded: {error}") from error
    if card.roles:
        _load_adapters(pipe, card, sources)
    steps = [card.recipe_for(preset).steps for preset in RECIPES]
    pipe.scheduler = choose_scheduler(pipe.scheduler, card.scheduler, steps)
    return pipe


def merge_loras(pipe: Any, card: BundleCard, sources: Sources) -> None:
    """Merge the card's LoRAs into the models of ``pipe``, in their order."""
    for file, lora in zip(sources.loras, card.loras, strict=True):
        pipe.load_lora_weights(file.parent, weight_name=file.name)
        pipe.fuse_lora(lora_scale=lora.strength)
        pipe.unload_lora_weights()


def have_libraries_log_here() -> None:
    """Have the models' libraries draw no bars, and warn by the same lines as everything else of this process."""
    for library in (diffusers.utils.logging, transformers.utils.logging):
        library.disable_progress_bar()
        library.disable_default_handler()
        library.enable_propagation()


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a pipeline warns of anything but that its autoencoder is ours, which is meant."""
    return not ("Expected types for vae" in record.getMessage() and PatchAutoencoder.__name__ in record.getMessage())


logging.getLogger("diffusers.pipelines.pipeline_utils").addFilter(_is_news)


def _load_base(card: BundleCard, sources: Sources, parts: dict[str, Any], dtype: torch.dtype) -> Any:
    kind = _PIPELINES[card.family]
    if sources.base.is_file():
        return kind.from_single_file(
            str(sources.base), config=str(sources.config), local_files_only=True, dtype=dtype, **parts
        )
    return kind.from_pretrained(
        sources.base, variant=card.variant or None, use_safetensors=True, local_files_only=True, dtype=dtype, **parts
    )


def _load_vae(sources: Sources, dtype: torch.dtype) -> Any:
    vae = sources.vae
    if vae is not None and vae.is_file():
        config = sources.config or sources.base
        return AutoencoderKL.from_single_file(str(vae), config=str(config), subfolder="vae", dtype=dtype)
    return AutoencoderKL.from_pretrained(vae, use_safetensors=True, local_files_only=True, dtype=dtype)


def _load_adapters(pipe: Any, card: BundleCard, sources: Sources) -> None:
    files = [sources.adapters[role] for role in card.roles]
    try:
        # All adapters in one call: a second call would replace the first.
        pipe.load_ip_adapter(
            [str(file.parent) for file in files],
            subfolder="",
            weight_name=[file.name for file in files],
            image_encoder_folder=None,
            local_files_only=True,
        )
    except (RuntimeError, ValueError, KeyError) as error:
        raise BundleError(f"the IP-Adapters of bundle {card.name!r} do not fit its UNet: {error}") from error
    # Strength travels in the masks, per item and region, so that no request alters a shared module.
    pipe.set_ip_adapter_scale([1.0] * len(files))
    _limit_to_blocks(pipe.unet, card)


def _limit_to_blocks(unet: Any, card: BundleCard) -> None:
    """Switch adapters off outside of the blocks in which the card lets them act."""
    attentions = {name: each for name, each in unet.attn_processors.items() if hasattr(each, "to_k_ip")}
    known = sorted({name.split(".transformer_blocks")[0] for name in attentions})
    for role, blocks in card.blocks.items():
        for block in blocks:
            if not any(name.startswith(f"{block}.") for name in attentions):
                raise BundleError(
                    f"bundle {card.name!r}: [blocks] {role} names {block!r}, in which its UNet has no adapter; "
                    f"there are {', '.join(known)}"
                )
        for name, attention in attentions.items():
            if not any(name.startswith(f"{block}.") for block in blocks):
                attention.scale[card.roles.index(role)] = 0.0


def _image_processor(folder: Path, size: Any) -> Any:
    if (folder / "preprocessor_config.json").exists():
        return CLIPImageProcessorPil.from_pretrained(folder, local_files_only=True)
    return CLIPImageProcessorPil(size=size, crop_size=size)


def _take_apart(
    pipe: Any, card: BundleCard, sources: Sources, folder: Path, device: torch.device, dtype: torch.dtype
) -> Bundle:
    two = card.family == "sdxl"
    projections = pipe.unet.encoder_hid_proj if card.roles else MultiIPAdapterImageProjection([])
    for role, layer in zip(card.roles, projections.image_projection_layers, strict=True):
        if not isinstance(layer, ImageProjection | IPAdapterPlusImageProjection | IPAdapterFullImageProjection):
            raise BundleError(f"the {role} adapter is of kind {type(layer).__name__}; plain, plus or full is needed")
    if card.roles:
        pipe.unet.encoder_hid_proj = _PassThrough()
    if dtype is torch.float16 and pipe.vae.config.force_upcast:
        pipe.vae.to(torch.float32)
    for module in (pipe.unet, pipe.vae, pipe.text_encoder, pipe.image_encoder, projections):
        module.eval().requires_grad_(False)
    return Bundle(
        card=card,
        folder=folder,
        device=device,
        dtype=dtype,
        tokenizers=(pipe.tokenizer, pipe.tokenizer_2) if two else (pipe.tokenizer,),
        text_encoders=(pipe.text_encoder, pipe.text_encoder_2) if two else (pipe.text_encoder,),
        unet=pipe.unet,
        vae=pipe.vae,
        scheduler=pipe.scheduler,
        image_encoder=pipe.image_encoder,
        image_processor=pipe.feature_extractor,
        projections=projections,
        keys_and_values=cache_keys_and_values(pipe.unet),
        sources=sources,
        zero_negative=bool(pipe.config.get("force_zeros_for_empty_prompt")),
        counts=Counts(loads=1),
    )
