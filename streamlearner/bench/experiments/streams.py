"""Default settings on streams of many kinds, beside what is simple and what replays raw items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from streamlearner.bench.kit.experiment import Scope, Trial, trial_rows
from streamlearner.bench.kit.fixture import Fixture, Settings
from streamlearner.bench.kit.results import Row
from streamlearner.bench.kit.summary import Summary
from streamlearner.bench.material import stream_comparison
from streamlearner.bench.material.feature_tables import RiverIsAbsent, river_is_installed
from streamlearner.bench.material.labelled_stream import LabelledStream
from streamlearner.bench.material.stream_comparison import JOINT, OURS, SEPARATOR, arm_of
from streamlearner.bench.peers.answering import BATCH, Candidate
from streamlearner.bench.peers.answering_daemon import daemon_candidate
from streamlearner.bench.peers.discriminant import LinearDiscriminant
from streamlearner.bench.peers.joint import Joint
from streamlearner.bench.peers.raw_replay import DECAY, RawReplay
from streamlearner.bench.peers.river import RiverCandidate
from streamlearner.bench.peers.simple import Majority, NearestMean, Neighbours, NoChange
from streamlearner.bench.peers.stream_figures import all_at_once, along_and_after
from streamlearner.bench.plots import suite as suite_plot
from streamlearner.bench.streams.suite.all import SUITE
from streamlearner.bench.streams.suite.entry import Entry

BUDGET_BITS = 64 * 8 * 2**10
QUICK_STREAMS = ("digits-class", "wine-class", "mnist-7x7-relabelled", "clusters-30-shuffled")
QUICK_EXAMPLES = 400

DAEMONS: Mapping[str, Settings] = {
    "statistics": {"method.name": "streaming_statistics"},
    "finetune": {"method.name": "finetune"},
    "rehearsal": {"method.name": "rehearsal"},
    OURS: {},
}
"""Settings over the defaults of the arms that are daemons."""
RIVER = ("logistic_regression", "hoeffding_adaptive_tree", "adaptive_random_forest")
Make = Callable[..., Candidate]
CANDIDATES: Mapping[str, Make] = {
    "no_change": lambda budget_bits, seed: NoChange(),
    "majority": lambda budget_bits, seed: Majority(),
    "nearest_mean": lambda budget_bits, seed: NearestMean(),
    "lda": lambda budget_bits, seed: LinearDiscriminant(),
    "neighbours": Neighbours,
    **{name: lambda budget_bits, seed, name=name: RiverCandidate(name, seed=seed) for name in RIVER},
    "er": partial(RawReplay, asymmetric=False),
    "er_ace": partial(RawReplay, asymmetric=True),
    JOINT: lambda budget_bits, seed: Joint(seed=seed),
}
ARMS = (*CANDIDATES, *DAEMONS)
STORES_NOTHING = ("no_change", "majority", "nearest_mean", "lda", *RIVER, JOINT, "finetune")


def listed(chosen_on: bool) -> str:
    return "; ".join(f"{e.name} ({e.about})" for e in SUITE.values() if e.chosen_on == chosen_on)


PROTOCOL = (
    f"{len(SUITE)} streams, each a data set in an order; an arm is named after its stream and its learner. "
    f"Settings of the product are chosen on: {listed(True)}. Reported: {listed(False)}. No setting was "
    "chosen on the reported ones as seeds 0 and 1 draw them, but how the budget is divided, and who answers "
    "on which evidence, also on what seed 7 draws of mnist-new-look, mnist-recurring, clusters-300-class, "
    "mnist-14x14-tasks, mnist-95-to-5, omniglot-50-shuffled, mnist-drifting, mnist-embedding-tasks, "
    "breast-cancer-relabelled, sea-recurring, mnist-wrong-labels and mnist-coloured-tasks; and two faults of "
    "the choice were found on clusters-300-class, seed 0; and of some rules by which the nearest "
    "recollections answer, that one was taken which harmed neither bananas nor mnist-14x14-tasks, as seeds "
    "0 and 1 draw them. "
    f"Every learner takes batches of {BATCH} and answers each before it sees its labels. "
    "along: accuracy of these answers, the first batch included, against the labels that came (also where "
    "some are wrong). end: on test examples after the stream, with the last meaning of the labels, both "
    "looks, no wrong labels, as many of each class where classes are rare; electricity, in time order, has "
    "none. worst_class: the least accuracy of a class at the end. newest: accuracy at the end on the newest "
    "tenth of the classes (at least one), where they came after the first tenth of the stream. Budget: 64 "
    "KiB for what keeps items. ours: the daemon with its defaults, but fp32; statistics, finetune and "
    "rehearsal: the same with this method; what answers is the predictor that POST /v1/predict has a copy "
    "of. no_change: the last label of the batch before. nearest_mean, neighbours: vectors are standardised; "
    "neighbours: of the raw items that fit the budget, as many of each class. lda: one covariance of raw "
    "inputs (of large images averaged over blocks, to at most 1,024 values), ridge 0.3 of each variance. "
    "logistic_regression, hoeffding_adaptive_tree, adaptive_random_forest: River 0.26 with its defaults, on "
    "vectors of at most 80 values; left out where it is not installed. er, er_ace: one step on each batch "
    "and ten raw items of a reservoir, with the daemon's network and step size; ..._averaged: by weights "
    f"averaged with {DECAY:g} a batch. joint: the same network, shown all examples of the stream many times "
    "with their last meaning: a reference, not a candidate. CIFAR-10 is tested on training images held out. "
    f"Simple alternatives: {', '.join(stream_comparison.SIMPLE)}. Replay peers: "
    f"{', '.join(stream_comparison.REPLAY)}."
)


@dataclass(frozen=True, slots=True)
class Streams:
    """All arms on a stream, then the next stream."""

    name: str = "streams"
    protocol: str = PROTOCOL

    def trials(self, scope: Scope) -> Iterable[Trial]:
        budgets = scope.budgets_bits or (BUDGET_BITS,)
        for seed in range(scope.seeds):
            for entry in SUITE.values():
                if scope.quick and entry.name not in QUICK_STREAMS:
                    continue
                for arm in arms_for(entry):
                    held = (0,) if arm in STORES_NOTHING else budgets
                    yield from (Trial(arm_of(entry.name, arm), budget, seed) for budget in held)

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        name, arm = trial.arm.split(SEPARATOR)
        try:
            if arm in RIVER and not river_is_installed():
                raise RiverIsAbsent
            stream = built(name, fixture, trial.seed, scope.quick)
        except RiverIsAbsent as error:
            print(f"{trial.arm} is left out: {error}")
            return
        length = len(stream.training.labels)
        with candidate_for(arm, trial, stream, fixture) as candidate:
            found = (all_at_once if arm == JOINT else along_and_after)(candidate, stream)
            yield from trial_rows(
                trial,
                found.measured,
                stored_bits=candidate.stored_bits,
                parameter_bits=candidate.parameter_bits,
                seconds=found.seconds,
                examples=length,
            )

    def tables(self, found: Sequence[Summary]) -> Iterator[str]:
        return stream_comparison.tables(found, chosen_on=CHOSEN_ON)

    def draw(self, found: Sequence[Summary], *, quick: bool, path: Path) -> None:
        suite_plot.draw(found, chosen_on=CHOSEN_ON, title=self.name, quick=quick, path=path)


CHOSEN_ON = {entry.name: entry.chosen_on for entry in SUITE.values()}


def arms_for(entry: Entry) -> Iterator[str]:
    for arm in ARMS:
        if (arm not in RIVER or entry.for_river) and (arm != JOINT or entry.tested):
            yield arm


@lru_cache(maxsize=1)  # from arm to arm
def built(name: str, fixture: Fixture, seed: int, quick: bool) -> LabelledStream:
    stream = SUITE[name].build(fixture, np.random.default_rng(seed))
    return stream.shortened(QUICK_EXAMPLES) if quick else stream


def candidate_for(
    arm: str, trial: Trial, stream: LabelledStream, fixture: Fixture
) -> AbstractContextManager[Candidate]:
    if arm not in DAEMONS:
        return nullcontext(CANDIDATES[arm](budget_bits=trial.budget_bits, seed=trial.seed))
    settings = {**DAEMONS[arm], "seed": trial.seed, "precision": "fp32", "daemon.batch_size": BATCH}
    budget = {"memory.budget_bits": trial.budget_bits} if trial.budget_bits else {}
    return daemon_candidate(fixture, settings | budget, stream.training)


STREAMS = Streams()
