"""One exported version as a Predictor, as serving takes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from streamlearner.decoding.label_space import LabelSpace
from streamlearner.errors import StreamlearnerError
from streamlearner.export.card import Card
from streamlearner.export.graph import as_sent
from streamlearner.export.running import Run, can_run, loaded
from streamlearner.eyes.eye import Eye
from streamlearner.learning.predictor import ModelVersion, Predictor
from streamlearner.methods.seen_classes import SeenClasses
from streamlearner.replicas.location import Location

PREFERRED = ("onnx", "torch")
"""Of several formats the first that can be run here: onnxruntime answers one input sooner."""


class NotServed(StreamlearnerError):
    """A published version that cannot be served here."""


class ExportedMethod:
    """What a predictor asks of a method (`predictor.AnsweringMemory`), answered by an exported file."""

    def __init__(self, card: Card, run: Run) -> None:
        self._run = run
        self._takes_tasks = card.signature.takes_tasks
        self.classes, self.route, self.unsettled = card.signature.outputs, card.answers, False
        self.seen_classes = SeenClasses()
        self.seen_classes.register(torch.arange(self.classes), None)

    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        given = [as_sent(inputs)]
        if self._takes_tasks:
            given.append(torch.full((len(inputs),), -1) if tasks is None else tasks)
        return self._run(given)

    def features(self, inputs: Tensor) -> Tensor:
        raise NotImplementedError("an exported version gives probabilities alone")

    def frozen(self) -> Self:
        """Nothing changes it."""
        return self


def predictor_of(
    location: Location,
    card: Card,
    *,
    eye: Eye | None = None,
    threads: int | None = None,
    formats: Sequence[str] = PREFERRED,
) -> Predictor:
    """Reads and loads a version, which may take seconds. `eye` is the configured one, for versions that do
    not hold theirs. Raises `CheckpointError` for what cannot be read, `NotServed`."""
    sees = _eye(card, eye)
    names = {each["format"]: name for name, each in card.files.items()}
    chosen = next((format for format in formats if format in names and can_run(format)), None)
    if chosen is None:
        raise NotServed(
            f"version {card.version} is there as {', '.join(names)}; none of them can be run here "
            "(pip install 'streamlearner[onnx]' runs onnx)"
        )
    data = location.file(card, names[chosen])
    run = loaded(chosen, data, threads=threads, where=f"{location.name}: {names[chosen]}")
    labels, tasks = LabelSpace(), LabelSpace()
    labels.restore(card.classes)
    tasks.restore(card.tasks)
    return Predictor(
        method=ExportedMethod(card, run),
        labels=labels,
        tasks=tasks,
        version=ModelVersion(card.version, card.examples, card.rollbacks),
        input_shape=sees.input_shape if sees else card.signature.shape,
        eye=sees,
    )


def _eye(card: Card, eye: Eye | None) -> Eye | None:
    """None where the graph holds it, or there is none."""
    wanted = card.signature.eye
    if wanted is None or wanted.included:
        return None
    if eye is None or eye.digest != wanted.digest:
        raise NotServed(
            f"version {card.version} takes features of the eye {wanted.name} (digest {wanted.digest[:12]}), "
            "which its files do not hold: give the settings of that eye, as the daemon has them"
        )
    return eye
