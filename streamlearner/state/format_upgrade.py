"""Checkpoints and model versions of older formats, under the names that today's code knows.

A format is what the names in checkpoints mean: of tensor files, of tensors in them, of facts. The manifest
of a checkpoint and the metadata of a model version say which one they are of. Older ones are read through
`upgraded` and `upgraded_tensors`, and stay on the disk as they are; newer ones are refused by `check_format`.

To rename something that checkpoints hold:

1. If a release has been made with today's `FORMAT`, raise it by one and begin a new entry in `RENAMES`.
2. Enter there what it was called before and is called now. Only names change, never values: what changes the
   layout of a tensor reads the old one in the `_load_from_state_dict` of its module.
3. Do not give an old name to something else: it would be renamed wherever older files are read.

`tests/state/test_old_checkpoints.py` reads state folders of each release.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from streamlearner.errors import NoReadableCheckpoint

FORMAT = 2

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Renames:
    """Former names, each with the name that a format introduced.

    `files`: tensor files, without `.safetensors`. `tensors`: parts of tensors' names between dots, one or
    several in a row, wherever they stand: `a.b` renames `x.a.b.c`, and not `x.a.bc`. `facts`: dotted paths
    into `facts.json`, with the new last part.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    tensors: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)


RENAMES: dict[int, Renames] = {
    2: Renames(
        files={"dream": "consolidation"},
        tensors={
            "chance": "rng",
            "curriculum": "seen_classes",
            "met": "task_counts",
            "settled": "stable_count",
            "since": "steps_since_reset",
            "information": "fisher",
            "gathered": "new_fisher",
            "adam.moment": "adam.exp_avg",
            "adam.scale": "adam.exp_avg_sq",
            "adam.updates": "adam.steps",
        },
        facts={"learner.dream_steps": "consolidation_steps"},
    ),
}
"""By the format that introduced the new names. Format 1 is that of version 0.1.0."""


class NewerFormat(NoReadableCheckpoint):
    """Written by later code: not damaged, but not to be passed over for an older one either."""


def check_format(format: int, *, path: Path, written_by: str) -> None:
    """Raises `NewerFormat` for one that this code does not know."""
    if format > FORMAT:
        raise NewerFormat(
            f"{path} has format {format} of {written_by}, expected at most format {FORMAT}: run that "
            "version, or go back to what earlier ones wrote by moving this away"
        )


def upgraded(
    tensors: Mapping[str, Mapping[str, Value]], facts: dict[str, Any], *, format: int
) -> tuple[dict[str, dict[str, Value]], dict[str, Any]]:
    """Tensors by file and name, and facts, of a checkpoint of this format, under today's names."""
    files = {name: upgraded_tensors(content, format=format) for name, content in tensors.items()}
    for renames in _since(format):
        files = {renames.files.get(name, name): content for name, content in files.items()}
        for path, name in renames.facts.items():
            _rename_fact(facts, path.split("."), name)
    return files, facts


def upgraded_tensors(tensors: Mapping[str, Value], *, format: int) -> dict[str, Value]:
    """Tensors by name, of one file of this format, under today's names."""
    for renames in _since(format):
        for former, name in renames.tensors.items():
            pattern = re.compile(rf"(?<![^.]){re.escape(former)}(?![^.])")
            tensors = {pattern.sub(name, key): tensor for key, tensor in tensors.items()}
    return dict(tensors)


def _since(format: int) -> list[Renames]:
    return [renames for introduced, renames in sorted(RENAMES.items()) if introduced > format]


def _rename_fact(facts: dict[str, Any], path: list[str], name: str) -> None:
    """In place, where there is such a fact."""
    *parents, former = path
    for parent in parents:
        if not isinstance(facts := facts.get(parent) or {}, dict):
            return
    if former in facts:
        facts[name] = facts.pop(former)
