"""Stage ``reader``: the face reader, on crops of renderings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from generation.score.face_reader import FaceReader, ReaderConfig
from training.corpus import Corpus
from training.device import Device
from training.faces import FIELDS, crop_faces, face_boxes, face_labels
from training.loop import Losses, Models, Schedule, train
from training.sizes import Sizes
from training.world.personas import IDENTITY_SIZE

_TEMPERATURE = 0.1
_PEOPLE = 24


def make_reader(sizes: Sizes) -> FaceReader:
    return FaceReader(ReaderConfig(sizes.reader_widths, sizes.identity, FIELDS, {}))


def train_reader(
    reader: FaceReader, corpus: Corpus, held_out: Corpus, device: Device, folder: Path, minutes: float
) -> None:
    """Train on pairs of pictures of the same person: features, bone structure, and who it is."""
    rows = (corpus.people >= 0).nonzero()[:, 0]
    labels = face_labels(corpus, rows)
    shape = torch.tensor([corpus.scenes[row].persona.identity for row in rows.tolist()]).float()
    boxes = face_boxes(corpus)
    pairs = Pairs(corpus.people[rows])
    bones = nn.Linear(reader.identity.out_features, IDENTITY_SIZE)
    people = _PEOPLE * (8 if device.fast else 1)

    def losses(models: Models) -> Losses:
        at = pairs.draw(people)
        faces = crop_faces(corpus, boxes, rows[at], vary=True).to(device.torch)
        logits, identity = models["reader"](faces)
        wanted = labels[at].to(device.torch)
        read = _read_loss(logits, wanted)
        who = _same_person_loss(identity, corpus.people[rows[at]].to(device.torch))
        known = functional.mse_loss(models["bones"](identity).float(), shape[at].to(device.torch))
        return {"loss": read + 0.5 * who + 0.3 * known, "features": read, "identity": who, "bones": known}

    def look(models: Models) -> None:
        print(
            f"held-out accuracy {sum(accuracy(models['reader'], held_out, device).values()) / len(FIELDS):.3f}",
            flush=True,
        )

    models = nn.ModuleDict({"reader": reader, "bones": bones}).to(device.torch)
    train("reader", models, losses, Schedule(minutes, 2 * people, rate=1.5e-3, mean=0.995), device, folder, look)


class Pairs:
    """Draws two pictures each of several people."""

    def __init__(self, people: Tensor) -> None:
        order = people.argsort()
        _, counts = people[order].unique_consecutive(return_counts=True)
        self._groups = list(order.split(counts.tolist()))

    def draw(self, people: int) -> Tensor:
        """Positions [2 * people]; a person of whom there is one picture is shown twice."""
        found = []
        for group in torch.randint(len(self._groups), (people,)).tolist():
            rows = self._groups[group]
            found.append(rows[torch.randperm(len(rows))[:2]] if len(rows) > 1 else rows.repeat(2))
        return torch.cat(found)


def _read_loss(logits: dict[str, Tensor], wanted: Tensor) -> Tensor:
    each = [
        functional.cross_entropy(found, wanted[:, index], ignore_index=-100)
        for index, found in enumerate(logits.values())
        if bool((wanted[:, index] >= 0).any())
    ]
    return torch.stack(each).mean()


def _same_person_loss(identity: Tensor, people: Tensor) -> Tensor:
    """Supervised contrastive loss (Khosla et al., 2020, arXiv:2004.11362)."""
    likeness = identity @ identity.T / _TEMPERATURE
    itself = torch.eye(len(identity), dtype=torch.bool, device=identity.device)
    same = (people[:, None] == people[None]) & ~itself
    shares = likeness.masked_fill(itself, -1e4).log_softmax(1)
    return -(shares * same).sum(1).div(same.sum(1).clamp(min=1)).mean()


@torch.no_grad()
def accuracy(reader: FaceReader, corpus: Corpus, device: Device, most: int = 400) -> dict[str, float]:
    """Share of pictures of a corpus on which each feature is read rightly."""
    rows = (corpus.people >= 0).nonzero()[:, 0]
    rows = rows[torch.linspace(0, len(rows) - 1, min(most, len(rows))).long()]
    labels = face_labels(corpus, rows)
    faces = crop_faces(corpus, face_boxes(corpus), rows, vary=False)
    logits, _ = reader(faces.to(device.torch))
    found = {}
    for index, (field, each) in enumerate(logits.items()):
        seen = labels[:, index] >= 0
        found[field] = float((each.argmax(1).cpu() == labels[:, index])[seen].float().mean())
    return found


def with_accuracy(reader: FaceReader, found: dict[str, float]) -> FaceReader:
    """The reader with its measured accuracy in its configuration."""
    reader.config = replace(reader.config, accuracy=found)
    return reader
