"""The withheld examples of several learners as one exam."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from streamlearner.evaluation.exam import Exam
from streamlearner.memory.proportions import Sampled, capped, drawn_counts, largest_sample
from streamlearner.merging.shards import Indices

LABEL, TASK = 0, 1


def merge_exams(
    into: Exam, shards: Sequence[Exam], indices: Sequence[Indices], generator: torch.Generator
) -> None:
    """An exam then holds what it would had it met the candidates of all of these: class by class as many as
    there is room for, drawn from the candidates of each (multivariate hypergeometric)."""
    states = [exam.state_dict() for exam in shards]
    facts = [_renamed(state["facts"].numpy(), own) for state, own in zip(states, indices, strict=True)]
    candidates = [
        {own.classes[label]: count for label, count in state["candidates"].tolist()}
        for state, own in zip(states, indices, strict=True)
    ]
    chosen = _chosen(facts, candidates, capacity=into.capacity, generator=generator)
    columns = max([held.shape[1] for held in facts], default=3)
    wide = [np.pad(held, ((0, 0), (0, columns - held.shape[1]))) for held in facts]
    kept = [held[rows] for held, rows in zip(wide, chosen, strict=True)]
    inputs = [state["inputs"].numpy()[rows] for state, rows in zip(states, chosen, strict=True)]
    seen = {label: sum(one.get(label, 0) for one in candidates) for label in set().union(*candidates)}
    state = into.state_dict() | {
        "inputs": torch.from_numpy(np.concatenate(inputs)),
        "facts": torch.from_numpy(np.concatenate(kept)),
        "candidates": torch.tensor(sorted(seen.items()), dtype=torch.int64).reshape(-1, 2),
    }
    into.load_state_dict(state)


def _renamed(facts: NDArray[np.int32], indices: Indices) -> NDArray[np.int32]:
    found = facts.copy()
    found[:, LABEL] = [indices.classes[label] for label in facts[:, LABEL].tolist()]
    found[:, TASK] = [indices.tasks.get(task, task) for task in facts[:, TASK].tolist()]
    return found


def _chosen(
    facts: Sequence[NDArray[np.int32]],
    candidates: Sequence[dict[int, int]],
    *,
    capacity: int,
    generator: torch.Generator,
) -> list[list[int]]:
    """The rows of each that are kept."""
    labels = sorted(set().union(*candidates))
    places = [{label: np.flatnonzero(held[:, LABEL] == label) for label in labels} for held in facts]
    samples = [
        [Sampled(len(held[label]), met.get(label, 0)) for held, met in zip(places, candidates, strict=True)]
        for label in labels
    ]
    rooms = capped([largest_sample(shards) for shards in samples], capacity, generator)
    kept: list[list[int]] = [[] for _ in facts]
    for label, shards, room in zip(labels, samples, rooms, strict=True):
        counts = drawn_counts([seen for _, seen in shards], room, generator)
        for rows, held, count in zip(kept, places, counts, strict=True):
            order = torch.randperm(len(held[label]), generator=generator)[:count]
            rows.extend(held[label][order.numpy()].tolist())
    return kept
