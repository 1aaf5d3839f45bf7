"""Drawing against what a user would write, and against the machine's limit.

One campaign (20 products x 10 places, one persona; the sample catalog's pictures, the rest of them recoloured or
mirrored) is drawn by three programs in turn, each in a process of its own, and the pictures are compared:

- ``stock``: diffusers, three IP-Adapters, one picture at a time;
- ``stock, tuned``: the same with words and image prompts encoded once and, on a GPU, channels_last;
- ``lookbook``: the same pictures in batches.

Stock pipelines keep no part of a picture and guide every step, so here nothing is kept and guidance lasts to the end.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image, ImageOps
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import results
from brief.face_spec import FaceSpec
from brief.prompts import shot_prompt
from brief.recipe import take
from brief.types import Environment, Framing, ImageRef, Persona, Product, Shot
from generation.bundle.card import read_card
from generation.bundle.load import Bundle, load
from generation.compose import compose_pictures, lay_out
from generation.models import Models
from generation.painters.pixels import to_images
from generation.painters.stable_diffusion.denoise import denoise
from generation.painters.stable_diffusion.encoders import pad_to_square
from generation.painters.stable_diffusion.latents import decode_latents
from generation.painters.stable_diffusion.painter import StableDiffusion
from generation.painters.stable_diffusion.sample import Sample, prepare
from generation.scene.material import Material
from generation.scene.scene import Scene
from generation.studio import Studio

ROOT = Path(__file__).parents[1]
CATALOG = ROOT / "examples" / "catalog"
PRODUCTS, PLACES = 20, 10
SIDES = ("stock", "stock, tuned", "lookbook")
GOAL = 3.0
"""Times as many pictures per CPU-second as ``stock``, with a bundle as small as the starter's."""
_NOTHING_KEPT = {
    "face_keep": 0.0,
    "product_keep": 0.0,
    "environment_keep": 0.0,
    "free_keep": 0.0,
    "guidance_until": 1.0,
}
_ZERO_SNR_RESCALE = 0.7
_FRAMINGS = (Framing.HELD, Framing.PLINTH, Framing.CLOSE_UP)


class Clock:
    """CPU-seconds of this process and wall-clock seconds, by part."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}
        self.wall: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.cpu[name] = self.cpu.get(name, 0.0) + time.process_time() - cpu
        self.wall[name] = self.wall.get(name, 0.0) + time.perf_counter() - wall

    def timing(self, owner: Any, method: str, name: str) -> None:
        """Count calls of ``owner.method`` as part ``name``."""
        make: Callable[..., Any] = getattr(owner, method)

        def timed(*args: Any, **options: Any) -> Any:
            with self.part(name):
                return make(*args, **options)

        setattr(owner, method, timed)


def campaign(shots: int, portrait: Image.Image, size: int) -> list[Material]:
    """The first ``shots`` of the campaign, spread over products and places."""
    rows = {
        name: [json.loads(line) for line in (CATALOG / f"{name}.jsonl").read_text().splitlines()]
        for name in ("products", "environments", "personas")
    }
    persona = Persona("Ada", FaceSpec(**rows["personas"][0]["face"]), seed=11)
    things = [(row, _recoloured(row["packshot"], turn)) for turn in range(3) for row in rows["products"]][:PRODUCTS]
    places = [(row, _mirrored(row["photo"], turn)) for turn in range(2) for row in rows["environments"]][:PLACES]
    pairs = list(product(range(PRODUCTS), range(PLACES)))
    chosen = pairs[:: len(pairs) // shots][:shots] if shots < len(pairs) else pairs
    return [_material(number, things[p], places[e], persona, portrait, size) for number, (p, e) in enumerate(chosen)]


def _recoloured(path: str, turn: int) -> Image.Image:
    image = Image.open(CATALOG / path).convert("RGBA")
    bands = "RGB"[turn:] + "RGB"[:turn]
    return Image.merge("RGBA", [*(image.getchannel(band) for band in bands), image.getchannel("A")])


def _mirrored(path: str, turn: int) -> Image.Image:
    image = Image.open(CATALOG / path).convert("RGB")
    return ImageOps.mirror(image) if turn else image


def _material(
    number: int,
    thing: tuple[dict[str, Any], Image.Image],
    place: tuple[dict[str, Any], Image.Image],
    persona: Persona,
    portrait: Image.Image,
    size: int,
) -> Material:
    framing = _FRAMINGS[number % len(_FRAMINGS)]
    row, packshot = thing
    item = Product(row["sku"], row["title"], row["category"], ImageRef(row["packshot"], "0" * 64))
    where = Environment(place[0]["name"], place[0]["description"], ImageRef(place[0]["photo"], "1" * 64))
    shot = Shot(
        key=f"shot{number}",
        campaign="benchmark",
        product=item,
        environment=where,
        persona=persona,
        portrait_key="portrait",
        framing=framing,
        variant=0,
        prompt=shot_prompt(item, where, persona.face, framing),
        negative="",
        seed=1000 + number,
        width=size,
        height=size,
        recipe="standard",
        thresholds={},
        max_takes=1,
    )
    return Material(shot, take(shot.key, shot.seed, 1, _NOTHING_KEPT), packshot, place[1], portrait)


def _stock_pipeline(bundle: Bundle) -> Any:
    """What a user would write: the pipeline, and its three adapters in one call."""
    pipe = StableDiffusionPipeline.from_pretrained(
        bundle.folder, safety_checker=None, requires_safety_checker=False, local_files_only=True, dtype=bundle.dtype
    )
    files = [bundle.folder / bundle.card.adapters[role] for role in bundle.roles]
    pipe.load_ip_adapter(
        [str(file.parent) for file in files],
        subfolder="",
        weight_name=[file.name for file in files],
        image_encoder_folder=str(bundle.folder / "image_encoder"),
    )
    # So that both are shown the same pixels: diffusers would make a processor of its own.
    pipe.feature_extractor = bundle.image_processor
    pipe.set_ip_adapter_scale([1.0] * len(files))
    pipe.scheduler = bundle.scheduler
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(bundle.device)


def _by_stock(bundle: Bundle, shots: Sequence[Material], clock: Clock, *, tuned: bool) -> Iterator[Image.Image]:
    pipe = _stock_pipeline(bundle)
    if tuned and bundle.device.type == "cuda":
        pipe.unet.to(memory_format=torch.channels_last)
        pipe.vae.to(memory_format=torch.channels_last)
    clock.timing(pipe, "encode_prompt", "encode")
    clock.timing(pipe, "prepare_ip_adapter_image_embeds", "encode")
    clock.timing(pipe.vae, "decode", "decode")
    painter, words, pictures = StableDiffusion.of(bundle), {}, {}  # type: Any, dict[str, Any], dict[bytes, Any]
    for material in shots:
        with clock.part("lay out"):
            scene = lay_out(painter, material)
            masks, images = _prompted(bundle, scene)
        asked: dict[str, Any] = {"prompt": material.shot.prompt, "ip_adapter_image": images}
        if tuned:
            asked = _remembered(pipe, words, pictures, material.shot.prompt, images)
        with clock.part("call"):
            made = pipe(
                **asked,
                cross_attention_kwargs={"ip_adapter_masks": masks},
                generator=torch.Generator().manual_seed(material.take.seed),
                num_inference_steps=scene.recipe.steps,
                guidance_scale=scene.recipe.guidance,
                guidance_rescale=_ZERO_SNR_RESCALE if bundle.scheduler.config.get("rescale_betas_zero_snr") else 0.0,
                width=scene.size[0],
                height=scene.size[1],
            )
        yield made.images[0]
    clock.cpu["denoise"], clock.wall["denoise"] = (
        part.pop("call") - (0.0 if tuned else part["encode"]) - part["decode"] for part in (clock.cpu, clock.wall)
    )


def _prompted(bundle: Bundle, scene: Scene) -> tuple[list[Any], list[Image.Image]]:
    """Each adapter's mask [1, 1, h, w] and picture, as diffusers takes them."""
    latent = (scene.size[0] // bundle.scale_factor, scene.size[1] // bundle.scale_factor)
    masks = scene.regions.masks(scene.recipe, latent)
    images = [pad_to_square(scene.references[role][0]) for role in bundle.roles]
    return [masks[role][None, None].to(bundle.device, bundle.dtype) for role in bundle.roles], images


def _remembered(
    pipe: Any, words: dict[str, Any], pictures: dict[bytes, Any], prompt: str, images: Sequence[Image.Image]
) -> dict[str, Any]:
    """Words and image prompts, each encoded when first seen."""
    if prompt not in words:
        words[prompt] = pipe.encode_prompt(prompt, pipe.device, 1, True)
    for number, image in enumerate(images):
        key = bytes([number]) + image.tobytes()
        if key not in pictures:
            shown = [image] * len(images)
            pictures[key] = pipe.prepare_ip_adapter_image_embeds(shown, None, pipe.device, 1, True)[number]
    positive, negative = words[prompt]
    return {
        "prompt_embeds": positive,
        "negative_prompt_embeds": negative,
        "ip_adapter_image_embeds": [pictures[bytes([n]) + image.tobytes()] for n, image in enumerate(images)],
    }


def _by_lookbook(bundle: Bundle, shots: Sequence[Material], clock: Clock, batch: int) -> Iterator[Image.Image]:
    painter = StableDiffusion.of(bundle)
    for start in range(0, len(shots), batch):
        with clock.part("lay out"):
            scenes = [lay_out(painter, material) for material in shots[start : start + batch]]
        with clock.part("encode"):
            samples = painter.samples(scenes)
        with clock.part("denoise"):
            drawn = denoise(bundle, samples)
        with clock.part("decode"):
            pictures = to_images(decode_latents(bundle, drawn))
        yield from pictures


def draw(side: str, folder: Path, shots: int, batch: int, threads: int, out: Path) -> dict[str, Any]:
    """Draw the campaign by one side, write its pictures to ``out``, and say what it cost."""
    torch.set_num_threads(threads)
    clock = Clock()
    with clock.part("load"):
        bundle = load(folder)
        portrait = Image.open(out.parent / "portrait.png").convert("RGB")
        materials = campaign(shots, portrait, bundle.card.width)
    loaded = time.perf_counter()
    first = 0.0
    made = (
        _by_lookbook(bundle, materials, clock, batch)
        if side == "lookbook"
        else _by_stock(bundle, materials, clock, tuned=side != "stock")
    )
    for number, picture in enumerate(made):
        first = first or time.perf_counter() - loaded
        with clock.part("write"):
            picture.save(out / f"{number:03}.png")
    drawing = {name: seconds for name, seconds in clock.cpu.items() if name not in ("load", "write")}
    return {
        "side": side,
        "cpu_s_a_picture": sum(drawing.values()) / shots,
        "wall_s_a_picture": sum(s for name, s in clock.wall.items() if name in drawing) / shots,
        **{f"{name} cpu_s": seconds / shots for name, seconds in drawing.items()},
        "write cpu_s": clock.cpu["write"] / shots,
        "load wall_s": clock.wall["load"],
        "first picture wall_s": first,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "gpu_peak_gib": torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else None,
    }


def apart(one: Path, other: Path) -> int:
    """The largest difference of two folders' pictures, in levels of 255."""
    pairs = [(np.asarray(Image.open(file), dtype=int), other / file.name) for file in sorted(one.glob("*.png"))]
    return max(int(np.abs(pixels - np.asarray(Image.open(file), dtype=int)).max()) for pixels, file in pairs)


def limit(bundle: Bundle, samples: Sequence[Sample]) -> dict[str, Any]:
    """Denoising against floor: the UNet's FLOPs at the machine's own matrix rate; and where its time goes."""
    conditions = prepare(bundle, samples)
    rows, options = conditions.select(list(range(len(samples))))
    latents = torch.zeros(len(rows), bundle.unet.config.in_channels, *next(iter(samples[0].masks.values())).shape)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        bundle.unet(latents.to(bundle.device, bundle.dtype), 1, return_dict=False, **options)
    rate = matrix_rate(bundle)
    clock = Clock()
    with clock.part("denoise"):
        denoise(bundle, samples)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        denoise(bundle, samples)
    spent = profiled.key_averages()
    whole = sum(each.self_cpu_time_total for each in spent)
    floor = counter.get_total_flops() * samples[0].steps / rate / len(samples)
    seconds = clock.cpu["denoise"] / len(samples)
    top = sorted(spent, key=lambda each: -each.self_cpu_time_total)[:12]
    return {
        "gflop_a_picture": counter.get_total_flops() * samples[0].steps / len(samples) / 1e9,
        "matrix_gflop_s": rate / 1e9,
        "floor cpu_s": floor,
        "denoise cpu_s": seconds,
        "share of the limit": floor / seconds,
        "profile": [{"operation": each.key, "share": each.self_cpu_time_total / whole} for each in top],
    }


def matrix_rate(bundle: Bundle, edge: int = 1024, times: int = 5) -> float:
    """Floating-point operations a second of a product of square matrices, the best of some."""
    left, right = (torch.randn(edge, edge, device=bundle.device, dtype=bundle.dtype) for _ in range(2))
    seconds = []
    for _ in range(times):
        clock = Clock()
        with clock.part("product"):
            for _ in range(4):
                left @ right
        seconds.append(clock.cpu["product"] / 4)
    return float(2 * edge**3 / min(seconds))


def whole_run(bundle: Bundle, materials: Sequence[Material]) -> list[dict[str, Any]]:
    """CPU-seconds a picture of each stage as the service runs it, with the bundle's own recipe."""
    studio, rows = Studio(Models.of(bundle)), []
    takes = [replace(each, take=take(each.shot.key, each.shot.seed, 1)) for each in materials]
    for stage in ("compose", "refine", "score"):
        clock = Clock()
        with clock.part(stage):
            made = {result.key: result for result in getattr(studio, stage)(takes)}
        failed = [result.error for result in made.values() if result.error]
        if failed:
            raise RuntimeError(f"{stage}: {failed[0]}")
        rows.append({"stage": stage, "cpu_s a picture": clock.cpu[stage] / len(takes)})
        if stage != "score":
            takes = [replace(each, picture=made[each.key].image) for each in takes]
    return rows


def _in_turn(asked: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Every side in every round, each in a process of its own."""
    rows = []
    for number, side in product(range(asked.rounds), SIDES):
        out = folder / side
        out.mkdir(exist_ok=True)
        options = ["--bundle", str(asked.bundle), "--shots", str(asked.shots), "--batch", str(asked.batch)]
        command = [sys.executable, "-m", "benchmarks", "drawing", "--side", side, "--out", str(out), *options]
        done = subprocess.run(
            [*command, "--threads", str(asked.threads)], capture_output=True, text=True, check=False, cwd=ROOT
        )
        if done.returncode:
            raise RuntimeError(f"{side}: {done.stderr[-2000:]}")
        rows.append({"round": number + 1, **json.loads(done.stdout.splitlines()[-1])})
        print(f"round {number + 1}, {side}: {rows[-1]['cpu_s_a_picture']:.3f} CPU s a picture", flush=True)
    return rows


def ratios(rows: Sequence[dict[str, Any]], unit: str) -> dict[str, str]:
    """How many times lookbook's pictures a second are each other side's: median over the rounds, least and most."""
    found = {}
    for side in SIDES[:-1]:
        each = [
            next(r[unit] for r in rows if (r["round"], r["side"]) == (number, side))
            / next(r[unit] for r in rows if (r["round"], r["side"]) == (number, "lookbook"))
            for number in sorted({row["round"] for row in rows})
        ]
        found[side] = f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})"
    return found


def _measure(asked: argparse.Namespace) -> int:
    torch.set_num_threads(asked.threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bundle = load(asked.bundle)
        painter = StableDiffusion.of(bundle)
        portrait = painter.portraits([Persona("Ada", FaceSpec(skin_tone=8, hair_style="afro"), seed=11)])[0]
        portrait.save(folder / "portrait.png")
        rows = _in_turn(asked, folder)
        distances = {side: apart(folder / "lookbook", folder / side) for side in SIDES[:-1]}
        materials = campaign(asked.batch, portrait, bundle.card.width)
        scenes = [lay_out(painter, material) for material in materials]
        floor = limit(bundle, painter.samples(scenes))
        compose_pictures(painter, scenes)
        stages = whole_run(bundle, materials)
    cpu, wall = ratios(rows, "cpu_s_a_picture"), ratios(rows, "wall_s_a_picture")
    print(results.table([{k: v for k, v in row.items() if v is not None} for row in rows]))
    print(f"\ntimes the pictures per CPU-second: {cpu}; per second of wall clock: {wall}")
    print(f"goal: {GOAL} x stock per CPU-second. Pictures at most {distances} of 255 apart.\n")
    profile_rows = floor.pop("profile")
    print(results.table([floor]), results.table(profile_rows), results.table(stages), sep="\n\n")
    command = f"python -m benchmarks drawing --shots {asked.shots} --rounds {asked.rounds} --threads {asked.threads}"
    path = results.keep(
        "drawing",
        command,
        rows,
        times_per_cpu_second=cpu,
        times_per_wall_second=wall,
        apart_of_255=distances,
        limit={**floor, "profile": profile_rows},
        stages=stages,
    )
    lines = {s: [(r["round"], r["cpu_s_a_picture"]) for r in rows if r["side"] == s] for s in SIDES}
    results.plot("drawing", "Drawing: CPU-seconds a picture", lines, ("round", "CPU-seconds a picture"))
    print(f"wrote {path}")
    return 0 if max(distances.values()) <= 1 else 1


def main(arguments: list[str]) -> int:
    """Command line; the exit status is 1 if the pictures are not equal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks drawing", description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, required=True, help="with a UNet that draws whole pictures")
    parser.add_argument("--shots", type=int, default=PRODUCTS * PLACES, help="of the campaign's 200")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if read_card(asked.bundle).inpaint:
        parser.error(f"{asked.bundle} completes pictures, and the stock pipelines here draw whole ones: name another")
    if asked.side:
        print(json.dumps(draw(asked.side, asked.bundle, asked.shots, asked.batch, asked.threads, asked.out)))
        return 0
    return _measure(asked)
