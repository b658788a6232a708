"""One learner of what several have learned, each from a part of the stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from streamlearner.decoding.label_space import LabelSpace
from streamlearner.learning.learner import Learner
from streamlearner.learning.shards import restore_merged
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.merging.contract import Mergeable
from streamlearner.merging.exams import merge_exams
from streamlearner.merging.shards import Indices, Recoded
from streamlearner.networks.seeded import SEED_LIMIT
from streamlearner.statistics.directions import Directions
from streamlearner.statistics.scale import SharedScale


def merge(into: Learner, shards: Sequence[Learner], *, generator: torch.Generator) -> Recoded:
    """`into`, which has learned nothing awake but may know classes and weights of an earlier version, then
    remembers what one learner would that saw all that these saw, and has the exam that it would have. Its
    weights are as before: a sleep teaches them, from codes alone. All draws come from `generator`.

    Raises ValueError for a method that cannot merge, and where memories cannot be one.
    """
    indices = [
        Indices(_indices(shard.labels, into.labels), _indices(shard.tasks, into.tasks)) for shard in shards
    ]
    if not isinstance(into.method, Mergeable):
        kind = type(into.method).__name__
        raise ValueError(f"{kind} remembers nothing that could be merged exactly: choose another method")
    recoded = into.method.merge([cast(Any, shard.method) for shard in shards], indices, generator)
    merge_exams(into.exam, [shard.exam for shard in shards], indices, generator)
    into.progress.learned = sum(shard.progress.learned for shard in shards)
    into.progress.withheld = sum(shard.progress.withheld for shard in shards)
    return recoded


def restore_shard(
    learner: Learner, tensors: Mapping[str, Mapping[str, Tensor]], facts: dict[str, Any]
) -> None:
    """A fresh learner takes over what `merge` reads of one that was saved. It cannot learn on."""
    learner.restore_facts(facts)
    restore_merged(learner.method, tensors["method"])
    learner.exam.load_state_dict(tensors["exam"])


def continue_from(into: Learner, former: Learner) -> None:
    """A fresh learner takes over the long-term model of a former one, with its classes and tasks: the next
    sleep goes on from there."""
    into.labels, into.tasks = former.labels.copy(), former.tasks.copy()
    into.method.seen_classes.load_state_dict(former.method.seen_classes.state_dict())
    into.method.revert(former.method.neocortex.state_dict())
    into.progress.version = into.progress.newest = former.progress.version
    into.progress.period = former.progress.period


def adopt(learner: Learner, published: Learner) -> None:
    """A learner goes on from the long-term model that was taught from the memories of all. It comes to know
    the classes that others saw, under indices of its own."""
    method: Any = learner.method
    indices = Indices(_indices(published.labels, learner.labels), _indices(published.tasks, learner.tasks))
    method.follow(published.method, indices)
    learner.progress.version = learner.progress.newest = published.progress.version


def draw_apart(learner: Learner, *, number: int) -> None:
    """Its memory and exam draw by a seed of their own from now on: samples of several learners are one sample
    only where none draws as another does. What is answered by depends on the configured seed alone."""
    for nth, module in enumerate(learner.method.modules()):
        if isinstance(module, RecollectionMemory):
            module.seed(((learner.seed << 32) + (number << 8) + nth) % SEED_LIMIT)
    learner.exam.seed(((learner.seed << 32) + (number << 8) + 255) % SEED_LIMIT)


def share_scale(learner: Learner, shared: SharedScale) -> None:
    """Its statistics measure vectors by the scale that all share from now on, so that they are a sum."""
    for module in learner.method.modules():
        if isinstance(module, Directions):
            module.share(shared)


def _indices(of: LabelSpace, into: LabelSpace) -> dict[int, int]:
    """Which index each label has in the whole; new ones are added."""
    return {index: into.index(of.label(index)) for index in range(len(of))}
