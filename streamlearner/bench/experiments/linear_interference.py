"""Interference between two equal tasks in a deep linear network (paper 000, Figure 1)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from streamlearner.bench.kit.experiment import Scope, Trial, trial_rows
from streamlearner.bench.kit.fixture import Fixture
from streamlearner.bench.kit.results import Row
from streamlearner.bench.kit.summary import Summary
from streamlearner.bench.plots import interference as interference_plot

LEVELS, FEATURES, FLIPS = 4, 64, 0.1
HIDDEN, SCALE, RATE = 16, 1e-2, 3e-2
EPOCHS, SWITCH, TURN = 1_200, 400, 50
NEAR = 5
"""Points of the curve in a turn until shortly after the switch; one a turn after that."""
QUICK_EPOCHS = 100

LearnedTasks = tuple[bool, bool]
"""Whether task A is learned, and task B."""
ARMS: Mapping[str, Callable[[int], LearnedTasks]] = {
    "sequential": lambda epoch: (epoch < SWITCH, epoch >= SWITCH),
    "multi_task": lambda epoch: (True, epoch >= SWITCH),
    "interleaved": lambda epoch: ((epoch // TURN) % 2 == 0, (epoch // TURN) % 2 == 1),
}


def item_features(rng: torch.Generator) -> Tensor:
    """Features [2 ** LEVELS, FEATURES], each 1 or -1, of items that descend from one: from level to level
    each feature flips with probability `FLIPS` (the branching diffusion of Saxe et al., 2013)."""
    values = (torch.rand(1, FEATURES, generator=rng) < 0.5).to(torch.float64) * 2 - 1
    for _ in range(LEVELS):
        values = values.repeat_interleave(2, 0)
        values = values * torch.where(torch.rand(values.shape, generator=rng) < FLIPS, -1.0, 1.0)
    return values


@dataclass
class TwoHeads:
    """A linear network from one-hot items through a hidden layer to an output layer for each task, trained on
    all items at once. `errors`: mean squared error of A and B before each epoch."""

    features: Tensor
    rng: torch.Generator

    def __post_init__(self) -> None:
        count, features = self.features.shape
        self.hidden = self._drawn(HIDDEN, count)
        self.heads = [self._drawn(features, HIDDEN) for _ in range(2)]
        self.errors: list[tuple[float, float]] = []

    def _drawn(self, rows: int, columns: int) -> Tensor:
        return SCALE * torch.randn(rows, columns, generator=self.rng, dtype=torch.float64)

    def learn(self, tasks: LearnedTasks) -> None:
        """One epoch of gradient descent on the summed squared errors of these tasks."""
        wrong = [head @ self.hidden - self.features.T for head in self.heads]
        self.errors.append((float(wrong[0].square().mean()), float(wrong[1].square().mean())))
        chosen = [number for number, learns in enumerate(tasks) if learns]
        into = torch.stack([self.heads[number].T @ wrong[number] for number in chosen]).sum(0)
        outward = {number: wrong[number] @ self.hidden.T for number in chosen}
        self.hidden = self.hidden - RATE * into
        for number, gradient in outward.items():
            self.heads[number] = self.heads[number] - RATE * gradient


@dataclass(frozen=True, slots=True)
class LinearInterference:
    """Three orders in which two equal tasks are learned."""

    name: str
    protocol: str

    def trials(self, scope: Scope) -> Iterable[Trial]:
        for arm in ARMS:
            for seed in range(scope.seeds):
                yield Trial(arm=arm, budget_bits=0, seed=seed)

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        started, rng = time.perf_counter(), torch.Generator().manual_seed(trial.seed)
        network = TwoHeads(item_features(rng), rng)
        epochs = QUICK_EPOCHS if scope.quick else EPOCHS
        for epoch in range(epochs):
            network.learn(ARMS[trial.arm](epoch))
        seconds = time.perf_counter() - started
        curves = curve_metrics(network.errors) if trial.seed == 0 else {}  # all seeds look alike
        yield from trial_rows(
            trial,
            interference_metrics(network.errors) | curves,
            parameter_bits=sum(weight.nbytes * 8 for weight in (network.hidden, *network.heads)),
            seconds=seconds,
            examples=epochs * len(network.features),
        )

    def draw(self, found: Sequence[Summary], *, quick: bool, path: Path) -> None:
        """The four panels of the paper's figure."""
        interference_plot.draw(found, title=self.name, quick=quick, path=path)


def interference_metrics(errors: Sequence[tuple[float, float]]) -> dict[str, float]:
    """The error of A when B starts to be learned, the worst of A after that, both at the end."""
    switch = min(SWITCH, len(errors) - 1)
    return {
        "error_of_a_at_switch": errors[switch][0],
        "worst_error_of_a_after_switch": max(a for a, _ in errors[switch:]),
        "error_of_a_at_the_end": errors[-1][0],
        "error_of_b_at_the_end": errors[-1][1],
    }


def curve_metrics(errors: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Both errors along the epochs, as points of a curve."""
    measured = dict[str, float]()
    for epoch in range(0, len(errors), TURN // NEAR):
        if epoch > SWITCH + TURN and epoch % TURN:
            continue
        measured |= {f"error_of_a_at_{epoch}": errors[epoch][0], f"error_of_b_at_{epoch}": errors[epoch][1]}
    return measured


LINEAR_INTERFERENCE = LinearInterference(
    name="linear-interference",
    protocol=(
        "Task A and the very same task B in a deep linear network (paper 000, Figure 1): 16 items that "
        f"descend from one ({LEVELS} levels, each of {FEATURES} features flips with {FLIPS}), one hidden "
        f"layer of {HIDDEN} units, an output layer for each task, gradient descent on all items at step "
        f"size {RATE}, {EPOCHS:,} epochs. sequential: A, then from epoch {SWITCH} B alone. multi_task: A, "
        f"then A and B. interleaved: A and B in turns of {TURN} epochs. Metrics: mean squared errors (1: "
        "nothing learned). The paper shows curves and gives no figures."
    ),
)
