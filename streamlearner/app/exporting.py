"""What a state folder's learner answers, exported: for the command, and for the process beside a daemon."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from streamlearner.app.embedded_settings import settings_of_checkpoint
from streamlearner.app.embedded_state import EmbeddedState, read_checkpoint
from streamlearner.app.persistence import make_checkpoints
from streamlearner.config.given import Settings
from streamlearner.config.loading import Config
from streamlearner.daemon import snapshot
from streamlearner.errors import CheckpointError
from streamlearner.export.card import CARD, Card
from streamlearner.export.exported import Exported, export
from streamlearner.learning.learner import Learner
from streamlearner.state.checkpoint import Checkpoint
from streamlearner.state.published import Published
from streamlearner.state.versions import Versions

SAMPLES = 64
"""Examples of the exam on which files are compared with what answers; none is written down."""


def restored(folder: Path, *, config: Settings, version: int | None = None) -> Learner:
    """What the newest checkpoint of a state folder holds, or the newest in which this version answers, if
    there is one; the daemon may run. Raises `CheckpointError` where there is none, `ConfigError` where
    settings do not fit."""
    found = read_checkpoint(folder)
    if version is not None and snapshot.adopted_version(found.facts) != version:
        found = _checkpoint_of(version, folder) or found
    state = EmbeddedState(settings_of_checkpoint(found, folder=folder, config=config))
    snapshot.restore(state, found)
    if state.learner is None or not state.learner.method.classes:
        raise CheckpointError(f"{folder} holds nothing learned yet: there is no model to export")
    return state.learner


def _checkpoint_of(version: int, folder: Path) -> Checkpoint | None:
    store = make_checkpoints(Config(), folder=folder)
    for entry in reversed(store.entries()):
        with suppress(CheckpointError):  # it may be damaged, or was deleted just now
            found = store.load(entry.number)
            if snapshot.adopted_version(found.facts) == version:
                return found
    return None


def export_learner(
    learner: Learner, *, formats: Sequence[str], version: int | None, versions: Versions, method: str
) -> Exported:
    """What it answers now; or, for another `version`, what it would answer after a rollback to that one.
    Changes the learner. Raises `LookupError` for a version that is not kept."""
    if version is not None and version != learner.progress.version:
        learner.revert(versions.load(version))
        learner.evaluate()
    return export(
        learner.predictor().freeze(),
        formats=formats,
        method=method,
        grades=grades(learner),
        created=time.time(),
        samples=_samples(learner),
    )


def grades(learner: Learner) -> dict[str, Any]:
    """How it did on the exam, by class and task name; `as_of`: examples learned when it was measured, on so
    many `examples` of the exam."""
    found = learner.exam_accuracy or learner.evaluate()
    return {
        "overall": found.overall,
        "by_class": {learner.labels.name(i): each for i, each in found.by_class.items()},
        "by_task": {learner.tasks.name(i): each for i, each in found.by_task.items()},
        "as_of": found.as_of,
        "examples": len(found.hits),
    }


def _samples(learner: Learner) -> Tensor | None:
    """Where there is an eye, the exam holds features, from which no image can be had."""
    return learner.exam.read(slice(0, SAMPLES)) if learner.eye is None and len(learner.exam) else None


def exported_before(folder: Path, version: int, formats: Sequence[str]) -> Exported | None:
    """What was exported when the version was adopted, in these formats; None where it was not. Raises
    `CheckpointError` for files that are altered."""
    path = Published(folder).path(version)
    if not (path / CARD).is_file():
        return None
    card = Card.from_bytes((path / CARD).read_bytes(), where=str(path / CARD))
    named = {name: each for name, each in card.files.items() if each["format"] in formats}
    if {each["format"] for each in named.values()} != set(formats):
        return None
    card = replace(card, files=named)
    files = {name: card.check(name, (path / name).read_bytes(), where=str(path / name)) for name in named}
    return Exported(card, {**files, CARD: card.to_bytes()})
