"""Runs a network that is stored as data: weights in safetensors, operators in JSON.

This is what ``training/convert_judges.py`` makes of an ONNX model, everything constant folded, so that nine operators
are enough and no runtime beside torch is needed: one thread pool, one device and one set of libraries in the service.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional


def _convolution(attributes: Mapping[str, Any], x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    left, right, top, bottom = attributes["pads"]
    if left == right == top == bottom:
        padding = left
    else:  # as TensorFlow pads a stride of two
        x, padding = functional.pad(x, (left, right, top, bottom)), 0
    return functional.conv2d(
        x, weight, bias, attributes["stride"], padding, attributes["dilation"], attributes["groups"]
    )


def _resize(attributes: Mapping[str, Any], x: Tensor) -> Tensor:
    return functional.interpolate(x, size=attributes["size"], mode="bilinear", align_corners=False)


_OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Conv": _convolution,
    "Relu": lambda _, x: functional.relu(x),
    "Sigmoid": lambda _, x: torch.sigmoid(x),
    "Add": lambda _, x, y: x + y,
    "MaxPool": lambda a, x: functional.max_pool2d(x, a["kernel"], a["stride"], ceil_mode=a["ceil"]),
    "Concat": lambda a, *parts: torch.cat(parts, dim=a["dim"]),
    "PadChannels": lambda a, x: functional.pad(x, (0, 0, 0, 0, 0, a["channels"])),
    "Resize": _resize,
    "Transpose": lambda a, x: x.permute(a["dims"]),
    "Reshape": lambda a, x: x.reshape(a["shape"]),
}


@dataclass(frozen=True, slots=True)
class _Operation:
    run: Callable[..., Tensor]
    attributes: Mapping[str, Any]
    inputs: tuple[str, ...]
    output: str
    spent: tuple[str, ...]
    """Results that nothing needs after this operation."""


class Graph:
    """A network, ready to run on one device.

    Args:
        folder: holds ``graph.json`` and ``weights.safetensors``.

    Raises:
        OSError: a file is missing or cannot be read.
        ValueError: an operator that is not known; names it.
    """

    def __init__(self, folder: Path, device: str | torch.device = "cpu") -> None:
        graph = json.loads((folder / "graph.json").read_text(encoding="utf-8"))
        unknown = sorted({node["op"] for node in graph["nodes"]} - set(_OPERATORS))
        if unknown:
            raise ValueError(f"{folder / 'graph.json'}: operator {unknown[0]!r} is unknown")
        self._weights = load_file(folder / "weights.safetensors", device=str(device))
        self._input: str = graph["input"]
        self._outputs: tuple[str, ...] = tuple(graph["outputs"])
        self._operations = _with_last_uses(graph["nodes"], keep={*self._outputs, *self._weights})
        self.device = torch.device(device)

    @torch.inference_mode()
    def __call__(self, batch: Tensor) -> tuple[Tensor, ...]:
        """The outputs for ``batch`` [n, ...], float32, in the order in which ``graph.json`` names them."""
        values = {**self._weights, self._input: batch.to(self.device)}
        for operation in self._operations:
            arguments = [values[name] for name in operation.inputs]
            values[operation.output] = operation.run(operation.attributes, *arguments)
            for name in operation.spent:
                del values[name]
        return tuple(values[name] for name in self._outputs)


def _with_last_uses(nodes: list[dict[str, Any]], keep: set[str]) -> list[_Operation]:
    last = {name: number for number, node in enumerate(nodes) for name in node["inputs"]}
    return [
        _Operation(
            run=_OPERATORS[node["op"]],
            attributes=node["attributes"],
            inputs=tuple(node["inputs"]),
            output=node["output"],
            spent=tuple(sorted({name for name in node["inputs"] if last[name] == number} - keep)),
        )
        for number, node in enumerate(nodes)
    ]
