"""Small learners for tests: an oracle whose knowledge a test sets, and the default method."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.decoding.batch import Batch
from streamlearner.evaluation.exam import Exam
from streamlearner.evaluation.prequential import Prequential
from streamlearner.learning.learner import Learner
from streamlearner.learning.results import ConsolidationResult
from streamlearner.methods.base import DualMemory, Experience, Observation
from streamlearner.methods.seen_classes import SeenClasses
from streamlearner.stream import Label
from tests.support.arms import TINY, exactly, make

SLEEP_STEPS = 5


class Skill(nn.Module):
    """How many of the classes it knows."""

    known: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("known", torch.tensor(0))


class Oracle(DualMemory):
    """Inputs [n, 1] are their own class index. It answers right for the first `known` classes, else wrong;
    awake it comes to know all, and a sleep leaves it with `retains`."""

    def __init__(self, *, retains: int) -> None:
        super().__init__()
        self.hippocampus, self.neocortex, self.seen_classes = Skill(), Skill(), SeenClasses()
        self.retains = retains
        self.observed: list[int] = []

    def observe(self, experience: Experience) -> Observation:
        self.seen_classes.register(experience.labels, experience.tasks)
        predicted = self.predict_proba(experience.inputs, experience.tasks).argmax(1)
        self.hippocampus.known.fill_(self.classes)
        self.observed += experience.labels.tolist()
        return Observation(predicted=predicted, loss=0.0)

    def consolidate(self, candidate: Self) -> Iterator[None]:
        for _ in range(SLEEP_STEPS):
            candidate.neocortex.known += 1
            yield
        candidate.neocortex.known.fill_(self.retains)

    def adopt(self, candidate: Self) -> None:
        for skill in (self.neocortex, self.hippocampus):
            skill.load_state_dict(candidate.neocortex.state_dict())

    def revert(self, neocortex: dict[str, Tensor]) -> None:
        for skill in (self.neocortex, self.hippocampus):
            skill.load_state_dict(neocortex)

    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        classes = inputs[:, 0].to(torch.int64).clamp_max(self.classes - 1)
        wrong = (classes + 1) % self.classes
        return F.one_hot(torch.where(classes < self.hippocampus.known, classes, wrong), self.classes).float()

    def features(self, inputs: Tensor) -> Tensor:
        return F.one_hot(inputs[:, 0].to(torch.int64), 10).float()


def of_classes(labels: Sequence[Label], tasks: Sequence[str | None] | None = None) -> Batch:
    """For the oracle: labels "0", "1", ... arrive in order here, so that a label is its own index."""
    inputs = torch.tensor([[float(label)] for label in labels])
    named = tuple(tasks) if tasks is not None else (None,) * len(labels)
    return Batch(inputs=inputs, labels=tuple(labels), tasks=named, ids=(None,) * len(labels))


def no_other(name: str) -> nn.Module:
    raise ValueError(f"there is no network {name}")


def with_oracle(
    *, retains: int = 4, fraction: float = 0.5, tolerance: float = 0.1, uses_tasks: bool = True
) -> Learner:
    return Learner(
        make_method=lambda name: Oracle(retains=retains),
        make_network=no_other,
        network="oracle",
        seed=0,
        exam=Exam(budget_bits=50 * 128, fraction=fraction, input_shape=(1,), dtype=torch.float32, seed=0),
        prequential=Prequential(window=10),
        tolerance=tolerance,
        measures_readout=True,
        uses_tasks=uses_tasks,
    )


def with_replay(arm: str = "recollection_replay", **settings: Any) -> Learner:
    more = {"sleep__steps": SLEEP_STEPS, **settings}
    return Learner(
        make_method=lambda name: make(arm, network__name=name, **more),
        make_network=no_other,
        network="mlp",
        seed=0,
        exam=Exam(budget_bits=20_000, fraction=0.3, input_shape=TINY.shape, dtype=TINY.dtype, seed=0),
        prequential=Prequential(window=30),
        tolerance=1.0,
        measures_readout=True,
        uses_tasks=True,
    )


def a_batch(number: int) -> Batch:
    """For replay: new classes and tasks come in now and then."""
    labels = [(number * 7 + i * i) % (3 + number // 4) for i in range(6)]
    tasks = tuple(f"task {label % 2}" if number > 5 else None for label in labels)
    names = tuple(f"class {label}" for label in labels)
    return Batch(inputs=TINY.inputs(labels, seed=number), labels=names, tasks=tasks, ids=(None,) * 6)


def slept(learner: Learner) -> ConsolidationResult:
    learner.begin_consolidation()
    result = learner.consolidate(1_000)
    assert result is not None
    return result


def restarted(learner: Learner, fresh: Learner) -> Learner:
    """Through what a checkpoint holds: flat tensors and JSON."""
    tensors = {
        file: {name: tensor.detach().clone() for name, tensor in part.items()}
        for file, part in learner.tensors().items()
    }
    fresh.restore(tensors, json.loads(json.dumps(learner.facts())))
    return fresh


def everything(learner: Learner) -> dict[str, Any]:
    tensors = {
        f"{file}/{name}": exactly(t) for file, part in learner.tensors().items() for name, t in part.items()
    }
    return tensors | learner.facts()


def prepared(*, retains: int, tolerance: float = 0.1) -> Learner:
    """Knows four classes and has an exam of each."""
    learner = with_oracle(retains=retains, tolerance=tolerance)
    for _ in range(10):
        learner.learn(of_classes(["0", "1", "2", "3"]))
    return learner
