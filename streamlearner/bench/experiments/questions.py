"""Questions: accuracy for the same number of labels, of inputs that are asked about or drawn at random."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from streamlearner.bench.kit.experiment import Scope, Trial, trial_rows
from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.kit.results import Row
from streamlearner.bench.kit.retention_curve import accuracy, to_tensor
from streamlearner.bench.kit.summary import Summary
from streamlearner.bench.material.labelled_stream import Indices, class_numbers
from streamlearner.bench.streams.suite.grey_images import digits_of_8x8, mnist
from streamlearner.learning.questions import choose
from streamlearner.stream import Message

BUDGET_BITS = 64 * 2**13
FIRST, ASKED, LABELS = 50, 10, 400
"""Labels before the first question, in each round, and in all."""
TESTED = 50
"""Labels between two tests."""
WAITING = 1_024
QUICK_LABELS = 100
ARRIVE = {"digits": 60, "mnist": 200}
"""Inputs between two rounds; the others wait."""
COPIES, ONE_IN, NOISE = 30, 5, 6
"""One input in five comes thirty times as often as the others, each pixel moved by up to six levels."""
KNOWN = 7
"""Classes among the first labels of the streams with new classes."""
REMEMBERED = 50
"""Recollections of each class that questions are compared with."""

Pick = Callable[[Any, Dataset, np.random.Generator], list[int]]
"""From a learner and what waits: the places of those that are asked about."""


def at_random(learner: Any, waiting: Dataset, rng: np.random.Generator) -> list[int]:
    return [int(place) for place in rng.permutation(len(waiting.labels))[:ASKED]]


def by_margin(learner: Any, waiting: Dataset, rng: np.random.Generator) -> list[int]:
    with torch.inference_mode():
        leads, _ = learner.predictor().look(to_tensor(waiting))
    return [int(place) for place in leads.argsort()[:ASKED]]


def by_question(learner: Any, waiting: Dataset, rng: np.random.Generator) -> list[int]:
    predictor = learner.predictor()
    with torch.inference_mode():
        leads, features = predictor.look(to_tensor(waiting))
        held = [inputs for _, inputs in predictor.method.recollect(REMEMBERED)]
        remembered = [predictor.method.features(inputs) for inputs in held]
    none = features[:0]
    found = choose(
        leads, features, remembered=torch.cat(remembered) if held else none, asked=none, count=ASKED
    )
    return [one.place for one in found]


ARMS: Mapping[str, Pick] = {"ours": by_question, "margin": by_margin, "random": at_random}
STREAMS = tuple(f"{data}{kind}" for data in ARRIVE for kind in ("", "-copies", "-new-classes"))


class Asker:
    """Called between batches: once all was learned, more inputs arrive, some of those that wait are picked,
    and their labels come."""

    def __init__(
        self,
        pick: Pick,
        pool: Dataset,
        test: Dataset,
        *,
        messages: Callable[[Dataset], list[Message]],
        arrive: int,
        most: int,
        seed: int,
    ) -> None:
        self.pick, self.pool, self.test, self.messages = pick, pool, test, messages
        self.arrive, self.most = arrive, most
        self.rng = np.random.default_rng(seed)
        self.arrived, self.waiting = 0, list[int]()
        self.given, self.points = FIRST, list[tuple[int, float]]()
        self.daemon: Any = None

    def __call__(self, taken: int) -> None:
        if taken < self.given:
            return
        if self.given >= (due := TESTED * (len(self.points) + 1)):
            self.points.append((due, accuracy(self.daemon.learner, self.test, names_tasks=False)))
        if self.given >= self.most or self.arrived >= len(self.pool.labels):
            return
        upto = min(self.arrived + self.arrive, len(self.pool.labels))
        self.waiting = [*self.waiting, *range(self.arrived, upto)][-WAITING:]
        self.arrived = upto
        offered = self.pool.select(np.array(self.waiting))
        picked = self.pick(self.daemon.learner, offered, self.rng)
        rows = [self.waiting[place] for place in picked]
        self.waiting = [row for row in self.waiting if row not in set(rows)]
        self.given += len(rows)
        self.daemon.state.intake.source.extend(self.messages(self.pool.select(np.array(rows))))


@dataclass(frozen=True, slots=True)
class QuestionsAsked:
    """Six streams of inputs that wait for a label, a few of which get one in each round."""

    name: str
    protocol: str

    def trials(self, scope: Scope) -> Iterable[Trial]:
        for seed in range(scope.seeds):
            for arm in ARMS:
                yield Trial(arm=arm, budget_bits=BUDGET_BITS, seed=seed)

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        measured, seconds, bits = dict[str, float](), 0.0, 0
        most = QUICK_LABELS if scope.quick else LABELS
        for stream in STREAMS:
            started = time.perf_counter()
            points, learner = _learned(stream, trial, fixture=fixture, most=most)
            seconds += time.perf_counter() - started
            bits = sum(learner.method.stored_bits().values())
            measured |= {f"{stream}_after_{labels}_labels": value for labels, value in points}
            measured[f"{stream}_on_average"] = float(np.mean([value for _, value in points]))
        yield from trial_rows(
            trial, measured, stored_bits=bits, parameter_bits=0, seconds=seconds, examples=most * len(STREAMS)
        )

    def tables(self, found: Sequence[Summary]) -> Iterator[str]:
        """A line for each stream, with every arm on average over the tests, and at the end."""
        mean = {(one.arm, one.metric): one for one in found}
        yield f"| stream | {' | '.join(f'{arm}, on average | at the end' for arm in ARMS)} |"
        yield "| --- |" + " --- | --- |" * len(ARMS)
        for stream in STREAMS:
            cells = []
            for arm in ARMS:
                tests = [
                    one for (who, name), one in mean.items() if who == arm and f"{stream}_after_" in name
                ]
                last = max(tests, key=lambda one: int(one.metric.split("_")[-2]), default=None)
                cells += [_cell(mean.get((arm, f"{stream}_on_average"))), _cell(last)]
            yield f"| {stream} | {' | '.join(cells)} |"


def _cell(one: Summary | None) -> str:
    if one is None:
        return ""
    return f"{100 * one.mean:.1f}" + (f" ± {100 * one.spread:.1f}" if one.spread is not None else "")


def _learned(
    stream: str, trial: Trial, *, fixture: Fixture, most: int
) -> tuple[list[tuple[int, float]], Any]:
    """Accuracies by labels given, and the learner at the end."""
    rng = np.random.default_rng(trial.seed)
    data, _, kind = stream.partition("-")
    count = ARRIVE[data] * (LABELS - FIRST) // ASKED + 2 * FIRST
    training, test = digits_of_8x8(rng, most=count) if data == "digits" else mnist(fixture, rng, count=count)
    first, pool = _divided(training, kind)
    if kind == "copies":
        pool = with_copies(pool, rng)
    pick, arrive, seed = ARMS[trial.arm], ARRIVE[data], trial.seed
    asker = Asker(pick, pool, test, messages=fixture.messages, arrive=arrive, most=most, seed=seed)
    asker.given = len(first.labels)
    settings = {"seed": trial.seed, "memory.budget_bits": BUDGET_BITS, "sleep.every_examples": 200}
    with fixture.daemon(settings, fixture.messages(first), between=asker) as daemon:
        asker.daemon = daemon
        daemon.run()
        return asker.points, daemon.learner


def _divided(training: Dataset, kind: str) -> tuple[Dataset, Dataset]:
    """The first labels, and what comes after them."""
    numbers = class_numbers(training)
    known = np.flatnonzero(numbers < KNOWN) if kind == "new-classes" else np.arange(len(numbers))
    first: Indices = known[:FIRST]
    return training.select(first), training.select(np.setdiff1d(np.arange(len(numbers)), first))


def with_copies(pool: Dataset, rng: np.random.Generator) -> Dataset:
    """As many inputs as before: one in `ONE_IN` comes `COPIES` times as often as the others."""
    times = np.where(rng.random(len(pool.labels)) < 1 / ONE_IN, COPIES, 1)
    rows = rng.permutation(np.repeat(np.arange(len(pool.labels)), times))[: len(pool.labels)]
    found = pool.select(rows)
    noise = rng.integers(-NOISE, NOISE + 1, found.images.shape)
    images = np.clip(found.images.astype(np.int64) + noise, 0, 255).astype(np.uint8)
    return Dataset(images, found.labels)


QUESTIONS = QuestionsAsked(
    name="questions",
    protocol=(
        f"Inputs arrive ({ARRIVE['digits']} small digits or {ARRIVE['mnist']} of MNIST a round) and wait, "
        f"{WAITING:,} at most; in each round {ASKED} of those that wait get their label and are learned, "
        f"after {FIRST} first labels, up to {LABELS}. Default settings, a budget of 64 KiB, a sleep every "
        "200 labels. ours: the questions of GET /v1/questions. margin: the least margins. random: drawn. "
        f"-copies: one input in {ONE_IN} comes {COPIES} times as often as the others, with a little noise. "
        "-new-classes: the first "
        f"labels are of {KNOWN} classes, three come later. Tested after every {TESTED} labels on 400 digits, "
        "or 2,000 test images of MNIST; on average: over these tests. The weight of novelty was chosen on "
        "the digits; MNIST was not looked at before."
    ),
)
