"""The repositories as they are published: file lists and configurations, word for word, at the pinned revisions.

Taken from the repositories' listings and files; what a configuration leaves to the library's defaults is left out here
too. ``narrow`` gives the same layout with few channels, for tests that must be quick.
"""

# ruff: noqa: SIM905 (file lists read better as text)
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Config = dict[str, Any]

_BETAS: Config = {
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}
PNDM: Config = {"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", **_BETAS}
EULER: Config = {
    "_class_name": "EulerDiscreteScheduler",
    "_diffusers_version": "0.19.0.dev0",
    **_BETAS,
    "interpolation_type": "linear",
    "prediction_type": "epsilon",
    "sample_max_value": 1.0,
    "timestep_spacing": "leading",
    "use_karras_sigmas": False,
}

_UNET15: Config = {
    "_class_name": "UNet2DConditionModel",
    "_diffusers_version": "0.6.0",
    "act_fn": "silu",
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "center_input_sample": False,
    "cross_attention_dim": 768,
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 32,
    "out_channels": 4,
    "sample_size": 64,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
}
_UNETXL: Config = {
    "_class_name": "UNet2DConditionModel",
    "_diffusers_version": "0.19.0.dev0",
    "act_fn": "silu",
    "addition_embed_type": "text_time",
    "addition_embed_type_num_heads": 64,
    "addition_time_embed_dim": 256,
    "attention_head_dim": [5, 10, 20],
    "block_out_channels": [320, 640, 1280],
    "center_input_sample": False,
    "class_embed_type": None,
    "class_embeddings_concat": False,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "cross_attention_dim": 2048,
    "cross_attention_norm": None,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "downsample_padding": 1,
    "dual_cross_attention": False,
    "encoder_hid_dim": None,
    "encoder_hid_dim_type": None,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_only_cross_attention": None,
    "mid_block_scale_factor": 1,
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "norm_eps": 1e-05,
    "norm_num_groups": 32,
    "num_attention_heads": None,
    "num_class_embeds": None,
    "only_cross_attention": False,
    "out_channels": 4,
    "projection_class_embeddings_input_dim": 2816,
    "resnet_out_scale_factor": 1.0,
    "resnet_skip_time_act": False,
    "resnet_time_scale_shift": "default",
    "sample_size": 128,
    "time_cond_proj_dim": None,
    "time_embedding_act_fn": None,
    "time_embedding_dim": None,
    "time_embedding_type": "positional",
    "timestep_post_act": None,
    "transformer_layers_per_block": [1, 2, 10],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "upcast_attention": None,
    "use_linear_projection": True,
}
_VAE15: Config = {
    "_class_name": "AutoencoderKL",
    "_diffusers_version": "0.6.0",
    "act_fn": "silu",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "out_channels": 3,
    "sample_size": 512,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
_VAEXL: Config = {
    **_VAE15,
    "_diffusers_version": "0.20.0.dev0",
    "force_upcast": True,
    "sample_size": 1024,
    "scaling_factor": 0.13025,
}
_TEXT: Config = {
    "architectures": ["CLIPTextModel"],
    "attention_dropout": 0.0,
    "bos_token_id": 0,
    "dropout": 0.0,
    "eos_token_id": 2,
    "hidden_act": "quick_gelu",
    "hidden_size": 768,
    "initializer_factor": 1.0,
    "initializer_range": 0.02,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 77,
    "model_type": "clip_text_model",
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "pad_token_id": 1,
    "projection_dim": 768,
    "torch_dtype": "float32",
    "transformers_version": "4.22.0.dev0",
    "vocab_size": 49408,
}
_TEXT2: Config = {
    **_TEXT,
    "architectures": ["CLIPTextModelWithProjection"],
    "hidden_act": "gelu",
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_attention_heads": 20,
    "num_hidden_layers": 32,
    "projection_dim": 1280,
}
_VISION: Config = {
    "architectures": ["CLIPVisionModelWithProjection"],
    "attention_dropout": 0.0,
    "dropout": 0.0,
    "hidden_act": "gelu",
    "hidden_size": 1280,
    "image_size": 224,
    "initializer_factor": 1.0,
    "initializer_range": 0.02,
    "intermediate_size": 5120,
    "layer_norm_eps": 1e-05,
    "model_type": "clip_vision_model",
    "num_attention_heads": 16,
    "num_channels": 3,
    "num_hidden_layers": 32,
    "patch_size": 14,
    "projection_dim": 1024,
    "torch_dtype": "float16",
    "transformers_version": "4.28.0.dev0",
}
_EXTRACTOR: Config = {
    "crop_size": 224,
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "size": 224,
}
_CHECKER: Config = {
    "_name_or_path": "CompVis/stable-diffusion-safety-checker",
    "architectures": ["StableDiffusionSafetyChecker"],
    "initializer_factor": 1.0,
    "logit_scale_init_value": 2.6592,
    "model_type": "clip",
    "projection_dim": 768,
    "text_config": {
        "dropout": 0.0,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "model_type": "clip_text_model",
        "num_attention_heads": 12,
    },
    "torch_dtype": "float32",
    "transformers_version": "4.37.2",
    "vision_config": {
        "dropout": 0.0,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "model_type": "clip_vision_model",
        "num_attention_heads": 16,
        "num_hidden_layers": 24,
        "patch_size": 14,
    },
}
_CHECKER_BYTES = 608_018_440
_SIGLIP: Config = {
    "architectures": ["SiglipModel"],
    "initializer_factor": 1.0,
    "model_type": "siglip",
    "text_config": {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "model_type": "siglip_text_model",
        "num_attention_heads": 12,
        "num_hidden_layers": 12,
        "vocab_size": 256000,
    },
    "torch_dtype": "float32",
    "vision_config": {
        "hidden_size": 768,
        "image_size": 224,
        "intermediate_size": 3072,
        "model_type": "siglip_vision_model",
        "num_attention_heads": 12,
        "num_hidden_layers": 12,
        "patch_size": 16,
    },
}
_SIGLIP_PROCESSOR: Config = {
    "do_convert_rgb": None,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "SiglipImageProcessor",
    "image_std": [0.5, 0.5, 0.5],
    "processor_class": "SiglipProcessor",
    "resample": 2,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": 224, "width": 224},
}
_ONNX: Config = {"_class_name": "OnnxRuntimeModel"}

_NARROW: dict[str, Config] = {
    "unet15": {
        "block_out_channels": [32, 64, 64, 64],
        "norm_num_groups": 8,
        "attention_head_dim": 4,
        "cross_attention_dim": 48,
    },
    "unetxl": {
        "block_out_channels": [32, 64, 128],
        "attention_head_dim": [1, 2, 4],
        "norm_num_groups": 8,
        "cross_attention_dim": 48 + 80,
        "projection_class_embeddings_input_dim": 6 * 256 + 80,
    },
    "vae": {"block_out_channels": [16, 16, 32, 32], "norm_num_groups": 8},
    "text": {"hidden_size": 48, "intermediate_size": 96, "num_attention_heads": 4},
    "text2": {"hidden_size": 80, "intermediate_size": 96, "num_attention_heads": 4, "projection_dim": 80},
    "transformer": {
        "attention_head_dim": 16,
        "axes_dims_rope": [4, 4, 4, 4],
        "joint_attention_dim": 3 * 16,
        "num_attention_heads": 2,
        "num_layers": 1,
        "num_single_layers": 2,
    },
    "qwen": {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
    },
    "vision": {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "projection_dim": 32},
    "checker": {
        "projection_dim": 32,
        "vision_config": {
            "hidden_size": 64,
            "intermediate_size": 96,
            "model_type": "clip_vision_model",
            "num_attention_heads": 4,
            "num_hidden_layers": 2,
            "patch_size": 14,
        },
    },
    "siglip": {
        "text_config": {
            "hidden_size": 32,
            "intermediate_size": 64,
            "model_type": "siglip_text_model",
            "num_attention_heads": 4,
            "num_hidden_layers": 2,
            "vocab_size": 512,
        },
        "vision_config": {
            "hidden_size": 32,
            "image_size": 224,
            "intermediate_size": 64,
            "model_type": "siglip_vision_model",
            "num_attention_heads": 4,
            "num_hidden_layers": 2,
            "patch_size": 16,
        },
    },
}


def _index(pipeline: str, version: str, parts: str, **others: Any) -> Config:
    """``model_index.json`` with ``parts`` as "name:library:class" words."""
    split = [part.split(":") for part in parts.split()]
    return {
        "_class_name": pipeline,
        "_diffusers_version": version,
        **others,
        **{name: [lib, kind] for name, lib, kind in split},
    }


_PARTS15 = """feature_extractor:transformers:CLIPImageProcessor
safety_checker:stable_diffusion:StableDiffusionSafetyChecker scheduler:diffusers:PNDMScheduler
text_encoder:transformers:CLIPTextModel tokenizer:transformers:CLIPTokenizer unet:diffusers:UNet2DConditionModel
vae:diffusers:AutoencoderKL"""
_PARTSXL = """scheduler:diffusers:EulerDiscreteScheduler text_encoder:transformers:CLIPTextModel
text_encoder_2:transformers:CLIPTextModelWithProjection tokenizer:transformers:CLIPTokenizer
tokenizer_2:transformers:CLIPTokenizer unet:diffusers:UNet2DConditionModel vae:diffusers:AutoencoderKL"""


@dataclass(frozen=True, slots=True)
class Layout:
    """One repository.

    Attributes:
        files: every file that is published.
        configs: path to contents of each JSON file but the tokenizers'.
        narrow: component to what is less in it in quick tests.
        pads: folder of a tokenizer to what it pads with.
        sizes: bytes of some published files, from the hub: what the table's shapes must come to.
        old_vae: the autoencoder's attention has the names of 2022 (``query`` for ``to_q``).
        position_ids: text encoders whose file has a tensor that today's library does not.
    """

    repository: str
    revision: str
    files: tuple[str, ...]
    configs: dict[str, Config]
    narrow: dict[str, Config] = field(default_factory=dict)
    pads: dict[str, str] = field(default_factory=dict)
    old_vae: bool = False
    position_ids: tuple[str, ...] = ()
    sizes: dict[str, int] = field(default_factory=dict)

    def config(self, component: str, *, full: bool) -> Config:
        """``component``'s ``config.json``, at full size or narrow."""
        return self.configs[f"{component}/config.json"] | ({} if full else self.narrow.get(component, {}))


_TOKENIZER = ("merges.txt", "special_tokens_map.json", "tokenizer_config.json", "vocab.json")

SD15 = Layout(
    repository="stable-diffusion-v1-5/stable-diffusion-v1-5",
    revision="451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
    files=(
        *""".gitattributes README.md feature_extractor/preprocessor_config.json model_index.json
        safety_checker/config.json safety_checker/model.fp16.safetensors safety_checker/model.safetensors
        safety_checker/pytorch_model.bin safety_checker/pytorch_model.fp16.bin scheduler/scheduler_config.json
        text_encoder/config.json text_encoder/model.fp16.safetensors text_encoder/model.safetensors
        text_encoder/pytorch_model.bin text_encoder/pytorch_model.fp16.bin unet/config.json
        unet/diffusion_pytorch_model.bin unet/diffusion_pytorch_model.fp16.bin
        unet/diffusion_pytorch_model.fp16.safetensors unet/diffusion_pytorch_model.non_ema.bin
        unet/diffusion_pytorch_model.non_ema.safetensors unet/diffusion_pytorch_model.safetensors
        v1-5-pruned-emaonly.ckpt v1-5-pruned-emaonly.safetensors v1-5-pruned.ckpt v1-5-pruned.safetensors
        v1-inference.yaml vae/config.json vae/diffusion_pytorch_model.bin vae/diffusion_pytorch_model.fp16.bin
        vae/diffusion_pytorch_model.fp16.safetensors vae/diffusion_pytorch_model.safetensors""".split(),
        *(f"tokenizer/{name}" for name in _TOKENIZER),
    ),
    configs={
        "model_index.json": _index("StableDiffusionPipeline", "0.6.0", _PARTS15),
        "scheduler/scheduler_config.json": PNDM,
        "feature_extractor/preprocessor_config.json": _EXTRACTOR,
        "safety_checker/config.json": _CHECKER,
        "text_encoder/config.json": _TEXT,
        "unet/config.json": _UNET15,
        "vae/config.json": _VAE15,
    },
    narrow={
        "unet": _NARROW["unet15"],
        "vae": _NARROW["vae"],
        "text_encoder": _NARROW["text"],
        "safety_checker": _NARROW["checker"],
    },
    pads={"tokenizer": "<|endoftext|>"},
    old_vae=True,
    position_ids=("text_encoder",),
    sizes={"safety_checker/model.fp16.safetensors": _CHECKER_BYTES},
)

SD15_INPAINT = Layout(
    repository="stable-diffusion-v1-5/stable-diffusion-inpainting",
    revision="8a4288a76071f7280aedbdb3253bdb9e9d5d84bb",
    # Unlike the others, its unet and vae are published as safetensors in half precision only.
    files=(
        *""".gitattributes README.md config.json feature_extractor/preprocessor_config.json model_index.json
        safety_checker/config.json safety_checker/model.fp16.safetensors safety_checker/model.safetensors
        safety_checker/pytorch_model.bin safety_checker/pytorch_model.fp16.bin scheduler/scheduler_config.json
        sd-v1-5-inpainting.ckpt text_encoder/config.json text_encoder/model.fp16.safetensors
        text_encoder/model.safetensors text_encoder/pytorch_model.bin text_encoder/pytorch_model.fp16.bin
        unet/config.json unet/diffusion_pytorch_model.bin unet/diffusion_pytorch_model.fp16.bin
        unet/diffusion_pytorch_model.fp16.safetensors vae/config.json vae/diffusion_pytorch_model.bin
        vae/diffusion_pytorch_model.fp16.bin vae/diffusion_pytorch_model.fp16.safetensors""".split(),
        *(f"tokenizer/{name}" for name in _TOKENIZER),
    ),
    configs={
        **SD15.configs,
        "config.json": {},
        "model_index.json": _index("StableDiffusionInpaintPipeline", "0.6.0", _PARTS15),
        "unet/config.json": _UNET15 | {"in_channels": 9},
    },
    narrow=SD15.narrow,
    pads=SD15.pads,
    old_vae=True,
    position_ids=("text_encoder",),
)

SDXL = Layout(
    repository="stabilityai/stable-diffusion-xl-base-1.0",
    revision="462165984030d82259a11f4367a4eed129e94a7b",
    files=(
        *""".gitattributes 01.png LICENSE.md README.md comparison.png model_index.json pipeline.png
        scheduler/scheduler_config.json sd_xl_base_1.0.safetensors sd_xl_base_1.0_0.9vae.safetensors
        sd_xl_offset_example-lora_1.0.safetensors text_encoder/config.json text_encoder/flax_model.msgpack
        text_encoder/model.fp16.safetensors text_encoder/model.onnx text_encoder/model.safetensors
        text_encoder/openvino_model.bin text_encoder/openvino_model.xml text_encoder_2/config.json
        text_encoder_2/flax_model.msgpack text_encoder_2/model.fp16.safetensors text_encoder_2/model.onnx
        text_encoder_2/model.onnx_data text_encoder_2/model.safetensors text_encoder_2/openvino_model.bin
        unet/config.json unet/diffusion_flax_model.msgpack unet/diffusion_pytorch_model.fp16.safetensors
        unet/diffusion_pytorch_model.safetensors unet/model.onnx unet/model.onnx_data unet/openvino_model.bin
        vae/config.json vae/diffusion_flax_model.msgpack vae/diffusion_pytorch_model.fp16.safetensors
        vae/diffusion_pytorch_model.safetensors vae_1_0/config.json vae_1_0/diffusion_pytorch_model.fp16.safetensors
        vae_1_0/diffusion_pytorch_model.safetensors vae_decoder/config.json vae_decoder/model.onnx
        vae_encoder/config.json vae_encoder/model.onnx""".split(),
        *(f"{folder}/{name}" for folder in ("tokenizer", "tokenizer_2") for name in _TOKENIZER),
    ),
    configs={
        "model_index.json": _index(
            "StableDiffusionXLPipeline",
            "0.19.0.dev0",
            _PARTSXL,
            force_zeros_for_empty_prompt=True,
            add_watermarker=None,
        ),
        "scheduler/scheduler_config.json": EULER,
        "text_encoder/config.json": _TEXT,
        "text_encoder_2/config.json": _TEXT2,
        "unet/config.json": _UNETXL,
        "vae/config.json": _VAEXL,
        "vae_1_0/config.json": _VAEXL,
        "vae_decoder/config.json": _ONNX,
        "vae_encoder/config.json": _ONNX,
    },
    narrow={
        "unet": _NARROW["unetxl"],
        "vae": _NARROW["vae"],
        "vae_1_0": _NARROW["vae"],
        "text_encoder": _NARROW["text"],
        "text_encoder_2": _NARROW["text2"],
    },
    pads={"tokenizer": "<|endoftext|>", "tokenizer_2": "!"},
    position_ids=("text_encoder_2",),
)

SDXL_INPAINT = Layout(
    repository="diffusers/stable-diffusion-xl-1.0-inpainting-0.1",
    revision="115134f363124c53c7d878647567d04daf26e41e",
    files=(
        *""".gitattributes README.md model_index.json scheduler/scheduler_config.json text_encoder/config.json
        text_encoder/model.fp16.safetensors text_encoder/model.safetensors text_encoder_2/config.json
        text_encoder_2/model.fp16.safetensors text_encoder_2/model.safetensors unet/config.json
        unet/diffusion_pytorch_model.fp16.safetensors unet/diffusion_pytorch_model.safetensors vae/config.json
        vae/diffusion_pytorch_model.fp16.safetensors vae/diffusion_pytorch_model.safetensors""".split(),
        *(f"{folder}/{name}" for folder in ("tokenizer", "tokenizer_2") for name in _TOKENIZER),
    ),
    configs={
        **{path: config for path, config in SDXL.configs.items() if not path.startswith("vae_")},
        "model_index.json": _index(
            "StableDiffusionXLInpaintPipeline", "0.21.0.dev0", _PARTSXL, force_zeros_for_empty_prompt=True
        ),
        "unet/config.json": _UNETXL | {"in_channels": 9, "_diffusers_version": "0.21.0.dev0"},
    },
    narrow=SDXL.narrow,
    pads=SDXL.pads,
    position_ids=("text_encoder_2",),
)

SDXL_VAE_FIX = Layout(
    repository="madebyollin/sdxl-vae-fp16-fix",
    revision="207b116dae70ace3637169f1ddd2434b91b3a8cd",
    files=(
        ".gitattributes",
        "README.md",
        "config.json",
        "diffusion_pytorch_model.bin",
        "diffusion_pytorch_model.safetensors",
        "sdxl.vae.safetensors",
        "sdxl_vae.safetensors",
    ),
    configs={"config.json": _VAEXL | {"force_upcast": False}},
    narrow={"": _NARROW["vae"]},
)

ADAPTERS = Layout(
    repository="h94/IP-Adapter",
    revision="018e402774aeeddd60609b4ecdb7e298259dc729",
    files=(
        ".gitattributes",
        "README.md",
        *(f"models/image_encoder/{name}" for name in ("config.json", "model.safetensors", "pytorch_model.bin")),
        *(
            f"models/ip-adapter{name}_sd15.{kind}"
            for name in ("", "-plus", "-plus-face")
            for kind in ("bin", "safetensors")
        ),
        *(f"models/ip-adapter-full-face_sd15.{kind}" for kind in ("bin", "safetensors")),
        "models/ip-adapter_sd15_light.safetensors",
        "models/ip-adapter_sd15_vit-G.safetensors",
        *(f"sdxl_models/image_encoder/{name}" for name in ("config.json", "model.safetensors", "pytorch_model.bin")),
        *(
            f"sdxl_models/ip-adapter{name}_sdxl_vit-h.{kind}"
            for name in ("", "-plus", "-plus-face")
            for kind in ("bin", "safetensors")
        ),
        *(f"sdxl_models/ip-adapter_sdxl.{kind}" for kind in ("bin", "safetensors")),
    ),
    configs={"models/image_encoder/config.json": _VISION, "sdxl_models/image_encoder/config.json": _VISION},
    narrow={"models/image_encoder": _NARROW["vision"]},
)

_PARTS_KLEIN = """scheduler:diffusers:FlowMatchEulerDiscreteScheduler text_encoder:transformers:Qwen3ForCausalLM
tokenizer:transformers:Qwen2TokenizerFast transformer:diffusers:Flux2Transformer2DModel
vae:diffusers:AutoencoderKLFlux2"""

SIGLIP2 = Layout(
    repository="google/siglip2-base-patch16-224",
    revision="75de2d55ec2d0b4efc50b3e9ad70dba96a7b2fa2",
    files=(
        *""".gitattributes README.md config.json model.safetensors preprocessor_config.json
        special_tokens_map.json tokenizer.json tokenizer.model tokenizer_config.json""".split(),
    ),
    configs={"config.json": _SIGLIP, "preprocessor_config.json": _SIGLIP_PROCESSOR},
    narrow={"": _NARROW["siglip"]},
    pads={"": "<pad>"},
    sizes={"model.safetensors": 1_500_800_904},
)

FLUX2_KLEIN = Layout(
    repository="black-forest-labs/FLUX.2-klein-4B",
    revision="e7b7dc27f91deacad38e78976d1f2b499d76a294",
    files=(
        *""".gitattributes LICENSE.md README.md flux-2-klein-4b.safetensors model_index.json
        scheduler/scheduler_config.json text_encoder/config.json text_encoder/generation_config.json
        text_encoder/model-00001-of-00002.safetensors text_encoder/model-00002-of-00002.safetensors
        text_encoder/model.safetensors.index.json tokenizer/added_tokens.json tokenizer/chat_template.jinja
        tokenizer/tokenizer.json transformer/config.json transformer/diffusion_pytorch_model.safetensors
        vae/config.json vae/diffusion_pytorch_model.safetensors""".split(),
        *(f"tokenizer/{name}" for name in _TOKENIZER),
    ),
    configs={
        "model_index.json": _index("Flux2KleinPipeline", "0.37.0.dev0", _PARTS_KLEIN, is_distilled=True),
        "scheduler/scheduler_config.json": {
            "_class_name": "FlowMatchEulerDiscreteScheduler",
            "_diffusers_version": "0.37.0.dev0",
            "base_image_seq_len": 256,
            "base_shift": 0.5,
            "invert_sigmas": False,
            "max_image_seq_len": 4096,
            "max_shift": 1.15,
            "num_train_timesteps": 1000,
            "shift": 3.0,
            "shift_terminal": None,
            "stochastic_sampling": False,
            "time_shift_type": "exponential",
            "use_beta_sigmas": False,
            "use_dynamic_shifting": True,
            "use_exponential_sigmas": False,
            "use_karras_sigmas": False,
        },
        "text_encoder/config.json": {
            "architectures": ["Qwen3ForCausalLM"],
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": 151643,
            "dtype": "bfloat16",
            "eos_token_id": 151645,
            "head_dim": 128,
            "hidden_act": "silu",
            "hidden_size": 2560,
            "initializer_range": 0.02,
            "intermediate_size": 9728,
            "layer_types": ["full_attention"] * 36,
            "max_position_embeddings": 40960,
            "max_window_layers": 36,
            "model_type": "qwen3",
            "num_attention_heads": 32,
            "num_hidden_layers": 36,
            "num_key_value_heads": 8,
            "rms_norm_eps": 1e-06,
            "rope_scaling": None,
            "rope_theta": 1000000,
            "sliding_window": None,
            "tie_word_embeddings": True,
            "transformers_version": "4.56.1",
            "use_cache": True,
            "use_sliding_window": False,
            "vocab_size": 151936,
        },
        "text_encoder/generation_config.json": {
            "bos_token_id": 151643,
            "do_sample": True,
            "eos_token_id": [151645, 151643],
            "pad_token_id": 151643,
            "temperature": 0.6,
            "top_k": 20,
            "top_p": 0.95,
            "transformers_version": "4.56.1",
        },
        "transformer/config.json": {
            "_class_name": "Flux2Transformer2DModel",
            "_diffusers_version": "0.37.0.dev0",
            "attention_head_dim": 128,
            "axes_dims_rope": [32, 32, 32, 32],
            "eps": 1e-06,
            "guidance_embeds": False,
            "in_channels": 128,
            "joint_attention_dim": 7680,
            "mlp_ratio": 3.0,
            "num_attention_heads": 24,
            "num_layers": 5,
            "num_single_layers": 20,
            "out_channels": None,
            "patch_size": 1,
            "rope_theta": 2000,
            "timestep_guidance_channels": 256,
        },
        "vae/config.json": {
            "_class_name": "AutoencoderKLFlux2",
            "_diffusers_version": "0.37.0.dev0",
            "_name_or_path": "black-forest-labs/FLUX.2-dev",
            "act_fn": "silu",
            "batch_norm_eps": 0.0001,
            "batch_norm_momentum": 0.1,
            "block_out_channels": [128, 256, 512, 512],
            "down_block_types": ["DownEncoderBlock2D"] * 4,
            "force_upcast": True,
            "in_channels": 3,
            "latent_channels": 32,
            "layers_per_block": 2,
            "mid_block_add_attention": True,
            "norm_num_groups": 32,
            "out_channels": 3,
            "patch_size": [2, 2],
            "sample_size": 1024,
            "up_block_types": ["UpDecoderBlock2D"] * 4,
            "use_post_quant_conv": True,
            "use_quant_conv": True,
        },
    },
    narrow={"transformer": _NARROW["transformer"], "text_encoder": _NARROW["qwen"], "vae": _NARROW["vae"]},
    pads={"tokenizer": "<|endoftext|>"},
    sizes={
        "text_encoder/model-00001-of-00002.safetensors": 4_967_215_360,
        "text_encoder/model-00002-of-00002.safetensors": 3_077_766_632,
        "transformer/diffusion_pytorch_model.safetensors": 7_751_109_744,
        "vae/diffusion_pytorch_model.safetensors": 168_120_878,
    },
)

LAYOUTS = {
    "sd15": SD15,
    "sd15-inpaint": SD15_INPAINT,
    "sdxl": SDXL,
    "sdxl-inpaint": SDXL_INPAINT,
    "sdxl-vae-fp16-fix": SDXL_VAE_FIX,
    "ip-adapter": ADAPTERS,
    "siglip2": SIGLIP2,
    "flux2-klein": FLUX2_KLEIN,
}
"""By the name of the table of keys and shapes, ``tests/published/tables/NAME.txt``."""
