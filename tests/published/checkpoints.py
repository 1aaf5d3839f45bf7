"""Writes the published layouts with random values, at full size or narrow; and the table of their keys and shapes."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderKLFlux2, Flux2Transformer2DModel, UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import (
    CLIPConfig,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    Qwen3Config,
    Qwen3ForCausalLM,
    SiglipConfig,
    SiglipModel,
)

from tests.published.layouts import ADAPTERS, FLUX2_KLEIN, LAYOUTS, SD15, SDXL, SIGLIP2, Layout

Shapes = dict[str, tuple[int, ...]]

TABLES = Path(__file__).parent / "tables"
_OLD_ATTENTION = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
_WEIGHTS = re.compile(
    r"(?:(?P<part>[\w/]*)/)?(?:diffusion_pytorch_model|model)(?:\.fp16)?(?:-(?P<number>\d{5})-of-\d{5})?\.safetensors"
)
_LARGEST_FILE = 5_000_000_000
"""Bytes; transformers splits larger models."""


def shapes(layout: Layout, *, full: bool) -> dict[str, Shapes]:
    """Weight file to its keys and shapes, in the names of the published files, as the configurations imply them."""
    if layout is ADAPTERS:
        return dict(_adapters(full=full))
    found: dict[str, Shapes] = {}
    for file in layout.files:
        match = _WEIGHTS.fullmatch(file)
        if match:
            keys = _component(layout, match["part"] or "", full=full)
            found[file] = keys if match["number"] is None else _piece(keys, int(match["number"]), full=full)
    return found


def _component(layout: Layout, part: str, *, full: bool) -> Shapes:
    path = f"{part}/config.json" if part else "config.json"
    config = layout.configs[path] | ({} if full else layout.narrow.get(part, {}))
    with torch.device("meta"):
        if part == "unet":
            return _of(UNet2DConditionModel.from_config(config))
        if layout is FLUX2_KLEIN:
            return _klein(part, config)
        if layout is SIGLIP2:
            return _of(SiglipModel(SiglipConfig(**config)))
        if part == "safety_checker":
            return _checker(config)
        if part.startswith("text"):
            kind = CLIPTextModelWithProjection if "WithProjection" in config["architectures"][0] else CLIPTextModel
            keys = _of(kind(CLIPTextConfig(**config)))
            keys = {k if k.startswith("text_") else f"text_model.{k}": shape for k, shape in keys.items()}
            extra = {"text_model.embeddings.position_ids": (1, 77)} if part in layout.position_ids else {}
            return keys | extra
        keys = _of(AutoencoderKL.from_config(config))
    return {_old(key): shape for key, shape in keys.items()} if layout.old_vae else keys


def _checker(config: dict[str, Any]) -> Shapes:
    """In the names of the library of 2022, in which a tower lies in a model of the same name."""
    keys = _of(StableDiffusionSafetyChecker(CLIPConfig(**config)))
    old = {key.replace("vision_model.", "vision_model.vision_model.", 1): shape for key, shape in keys.items()}
    return old | {"vision_model.vision_model.embeddings.position_ids": (1, 257)}


def _klein(part: str, config: dict[str, Any]) -> Shapes:
    if part == "transformer":
        return _of(Flux2Transformer2DModel.from_config(config))
    if part == "vae":
        return _of(AutoencoderKLFlux2.from_config(config))
    # Its head is the embedding once more, and not in the files.
    return {key: shape for key, shape in _of(Qwen3ForCausalLM(Qwen3Config(**config))).items() if "lm_head" not in key}


def _piece(keys: Shapes, number: int, *, full: bool) -> Shapes:
    """The tensors of file ``number`` (from 1) of a model that is split into two, in half precision."""
    largest = _LARGEST_FILE if full else sum(2 * math.prod(shape) for shape in keys.values()) // 2
    size, pieces = 0, ({}, {})  # type: tuple[int, tuple[Shapes, Shapes]]
    for key, shape in keys.items():
        size += 2 * math.prod(shape)
        pieces[size > largest][key] = shape
    return pieces[number - 1]


def _of(module: torch.nn.Module) -> Shapes:
    return {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}


def _old(key: str) -> str:
    if ".attentions.0." in key:
        for new, old in _OLD_ATTENTION.items():
            key = key.replace(new, old)
    return key


def _adapters(*, full: bool) -> Iterator[tuple[str, Shapes]]:
    """The six adapters that share the ViT-H encoder, and the encoder."""
    vision = ADAPTERS.config("models/image_encoder", full=full)
    with torch.device("meta"):
        encoder = _of(CLIPVisionModelWithProjection(CLIPVisionConfig(**vision)))
    yield "models/image_encoder/model.safetensors", encoder | {"vision_model.embeddings.position_ids": (1, 257)}
    for layout, pattern in ((SD15, "models/ip-adapter{}_sd15"), (SDXL, "sdxl_models/ip-adapter{}_sdxl_vit-h")):
        config = layout.config("unet", full=full)
        with torch.device("meta"):
            unet: Any = UNet2DConditionModel.from_config(config)
        names = [name.removesuffix(".processor") for name in unet.attn_processors if name.endswith("attn2.processor")]
        cross = config["cross_attention_dim"]
        attention = {
            f"ip_adapter.{2 * number + 1}.to_{which}_ip.weight": (unet.get_submodule(name).to_q.out_features, cross)
            for number, name in enumerate(names)
            for which in "kv"
        }
        # SDXL's resamplers are 1280 wide inside, though its words are 2048 wide.
        inner = (1280 if layout is SDXL else 768) if full else 64
        plus = _prefixed(_plus(cross, vision["hidden_size"], inner)) | attention
        yield pattern.format("") + ".safetensors", _prefixed(_plain(cross, vision["projection_dim"])) | attention
        yield pattern.format("-plus") + ".safetensors", plus
        yield pattern.format("-plus-face") + ".safetensors", plus


def _prefixed(keys: Shapes) -> Shapes:
    return {f"image_proj.{key}": shape for key, shape in keys.items()}


def _plain(cross: int, width: int) -> Shapes:
    return {
        "norm.bias": (cross,),
        "norm.weight": (cross,),
        "proj.bias": (4 * cross,),
        "proj.weight": (4 * cross, width),
    }


def _plus(cross: int, width: int, inner: int) -> Shapes:
    keys: Shapes = {
        "latents": (1, 16, inner),
        "norm_out.bias": (cross,),
        "norm_out.weight": (cross,),
        "proj_in.bias": (inner,),
        "proj_in.weight": (inner, width),
        "proj_out.bias": (cross,),
        "proj_out.weight": (cross, inner),
    }
    for layer in (f"layers.{number}" for number in range(4)):
        for norm in ("0.norm1", "0.norm2", "1.0"):
            keys |= {f"{layer}.{norm}.weight": (inner,), f"{layer}.{norm}.bias": (inner,)}
        keys[f"{layer}.0.to_q.weight"] = keys[f"{layer}.0.to_out.weight"] = (inner, inner)
        keys[f"{layer}.0.to_kv.weight"] = (2 * inner, inner)
        keys[f"{layer}.1.1.weight"] = (4 * inner, inner)
        keys[f"{layer}.1.3.weight"] = (inner, 4 * inner)
    return keys


def write(
    folder: Path, name: str, *, full: bool = False, seed: int = 0, wanted: Callable[[str], bool] = lambda _: True
) -> Path:
    """Write the layout ``name`` with random values; files that must never be read hold no readable contents.

    Args:
        wanted: which files; a full-size one without what is never loaded saves many gigabytes.
    """
    layout = LAYOUTS[name]
    generator = torch.Generator().manual_seed(seed)
    tensors = shapes(layout, full=full)
    for file in filter(wanted, layout.files):
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if file in tensors:
            _save(path, tensors[file], generator, _dtype(layout, file))
        elif file.endswith(".index.json"):
            _write_index(path, {key: Path(name).name for name, keys in tensors.items() for key in keys})
        elif file in layout.configs:
            part = file.removesuffix("config.json").removesuffix("/")
            narrow = {} if full else layout.narrow.get(part, {})
            path.write_text(json.dumps(layout.configs[file] | narrow, indent=2) + "\n")
        elif path.parent.name not in layout.pads:
            path.write_bytes(b"not to be read\n")
    writers = {FLUX2_KLEIN.repository: _write_chat_tokenizer, SIGLIP2.repository: _write_gemma_tokenizer}
    for part, pad in (each for each in layout.pads.items() if wanted(f"{each[0]}/tokenizer_config.json".lstrip("/"))):
        writers.get(layout.repository, _write_tokenizer)(folder / part, pad)
    return folder


def _dtype(layout: Layout, file: str) -> torch.dtype:
    if layout is FLUX2_KLEIN:
        return torch.bfloat16
    half = (layout is ADAPTERS and "image_encoder" not in file) or ".fp16." in file
    return torch.float16 if half else torch.float32


def _write_index(path: Path, files: Mapping[str, str]) -> None:
    """Which tensor is in which file of a model that is split."""
    own = {key: file for key, file in files.items() if file.startswith("model-")}
    path.write_text(json.dumps({"metadata": {}, "weight_map": own}))


def _save(path: Path, keys: Shapes, generator: torch.Generator, dtype: torch.dtype) -> None:
    tensors = {key: _values(key, shape, generator, dtype) for key, shape in keys.items()}
    save_file(tensors, path, metadata={"format": "pt"})


def _values(key: str, shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype) -> torch.Tensor:
    """Values that keep activations finite: norms that do nothing, weights scaled by what goes in."""
    if key.endswith("position_ids"):
        return torch.arange(shape[1])[None]
    if not shape:
        return torch.tensor(1)
    if len(shape) == 1:
        return (torch.ones if key.endswith(("weight", "running_var")) else torch.zeros)(shape, dtype=dtype)
    scale = 0.7 / math.sqrt(math.prod(shape[1:]))
    return (torch.randn(shape, generator=generator) * scale).to(dtype)


_SPECIAL = """<|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|> <|box_end|>
<|quad_start|> <|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> <|image_pad|> <|video_pad|> <tool_call>
</tool_call> <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|> <|repo_name|> <|file_sep|> <tool_response>
</tool_response> <think> </think>""".split()  # noqa: SIM905
_CHAT = """{%- for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% if enable_thinking is defined and not enable_thinking %}<think>

</think>

{% endif -%}
{%- endif -%}
"""


def _write_chat_tokenizer(folder: Path, pad: str) -> None:
    """Qwen's layout: bytes and fillers up to its special tokens, which have the published numbers, and a template."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    first = 151643
    words = [*letters, *(f"filler{number}" for number in range(first - len(letters)))]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(word, normalized=False, special=True) for word in _SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    plain = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    added = {str(first + number): {"content": word, **plain} for number, word in enumerate(_SPECIAL)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "added_tokens.json").write_text(json.dumps({word: first + n for n, word in enumerate(_SPECIAL)}))
    (folder / "chat_template.jinja").write_text(_CHAT)
    (folder / "special_tokens_map.json").write_text(json.dumps({"eos_token": "<|im_end|>", "pad_token": pad}))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "add_prefix_space": False,
                "added_tokens_decoder": added,
                "bos_token": None,
                "eos_token": "<|im_end|>",
                "errors": "replace",
                "model_max_length": 131072,
                "pad_token": pad,
                "split_special_tokens": False,
                "tokenizer_class": "Qwen2Tokenizer",
                "unk_token": None,
            }
        )
    )


def _write_gemma_tokenizer(folder: Path, pad: str) -> None:
    """Gemma's layout: its special tokens, then letters, with a stroke in place of a space."""
    special = [pad, "<eos>", "<bos>", "<unk>", "<mask>"]
    words = [*special, "\u2581", *map(chr, range(33, 127)), *map(chr, range(161, 500 - 33))]
    tokenizer = Tokenizer(models.BPE({word: number for number, word in enumerate(words)}, [], unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.add_special_tokens([AddedToken(word, normalized=False, special=True) for word in special])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "special_tokens_map.json").write_text(json.dumps({"eos_token": "<eos>", "pad_token": pad}))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"add_bos_token": False, "add_eos_token": True, "do_lower_case": True, "padding_side": "right"})
    )


def _write_tokenizer(folder: Path, pad: str) -> None:
    """A vocabulary in the form of 2022: bytes and fillers up to CLIP's 49,408, start and end where CLIP has them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(code) for code in printable] + [chr(256 + index) for index in range(256 - len(printable))]
    words = [*letters, *(letter + "</w>" for letter in letters)]
    words += [f"filler{number}</w>" for number in range(49406 - len(words))] + ["<|startoftext|>", "<|endoftext|>"]
    special = {"bos_token": words[-2], "eos_token": words[-1], "unk_token": words[-1]}
    plain = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    added = {name: {"__type": "AddedToken", "content": word, **plain} for name, word in special.items()}
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "special_tokens_map.json").write_text(
        json.dumps({**{name: {"content": word, **plain} for name, word in special.items()}, "pad_token": pad})
    )
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "add_prefix_space": False,
                "do_lower_case": True,
                "errors": "replace",
                "model_max_length": 77,
                "name_or_path": "openai/clip-vit-large-patch14",
                "pad_token": pad,
                "special_tokens_map_file": "./special_tokens_map.json",
                "tokenizer_class": "CLIPTokenizer",
                **added,
            }
        )
    )


def table(files: Mapping[str, Shapes]) -> str:
    """Files, keys and shapes as text, compactly: ``#`` stands for the numbers that follow, one tuple per key."""
    lines: list[str] = []
    seen: dict[str, str] = {}
    for file, keys in files.items():
        groups: dict[tuple[str, tuple[int, ...]], list[str]] = defaultdict(list)
        for key, shape in sorted(keys.items()):
            groups[re.sub(r"\d+", "#", key), shape].append(".".join(re.findall(r"\d+", key)))
        body = "\n".join(
            f"  {pattern} {'x'.join(map(str, shape))} {' '.join(numbers)}".rstrip()
            for (pattern, shape), numbers in sorted(groups.items())
        )
        if body in seen:
            lines.append(f"{file} = {seen[body]}")
        else:
            seen[body] = file
            lines.append(f"{file} ({len(keys)} tensors)\n{body}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLES.mkdir(exist_ok=True)
    for name, layout in LAYOUTS.items():
        (TABLES / f"{name}.txt").write_text(table(shapes(layout, full=True)))
