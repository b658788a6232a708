"""What is asked in a bench, and that the arms differ in nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streamlearner.bench.experiments.questions import ARMS, ONE_IN, Asker, with_copies
from streamlearner.bench.kit.fixture import Dataset
from streamlearner.bench.kit.retention_curve import to_tensor
from streamlearner.bench.streams.suite.grey_images import digits_of_8x8
from streamlearner.testing import ExperimentConformance
from tests.support.tiny_bench import TinyBench, dataset

TestQuestions = ExperimentConformance.of("questions", arm="random", load_dataset=dataset)


def test_one_input_in_some_comes_again_and_again() -> None:
    pool = Dataset(np.arange(900, dtype=np.uint8).repeat(4).reshape(900, 2, 2), list(range(900)))
    found = with_copies(pool, np.random.default_rng(0))
    counts = np.bincount(found.labels)
    assert len(found.labels) == 900
    often = np.sort(counts)[::-1][: 900 // ONE_IN].sum()
    assert often > 0.8 * len(found.labels), "of the others few come at all"
    assert (counts == 1).sum() > 20


def test_each_round_learns_what_was_picked_and_picks_nothing_twice() -> None:
    """A daemon of ten first digits is asked three rounds."""
    bench = TinyBench()(data=Path("nowhere"), download=False)
    training, test = digits_of_8x8(np.random.default_rng(0), most=200)
    first, pool = training.select(np.arange(50)), training.select(np.arange(50, 200))
    for name, pick in ARMS.items():
        asker = Asker(pick, pool, test, messages=bench.messages, arrive=50, most=80, seed=0)
        settings = {"seed": 0, "memory.budget_bits": 131_072, "exam.budget_bits": 0}
        with bench.daemon(settings, bench.messages(first), between=asker) as daemon:
            asker.daemon = daemon
            daemon.run()
            assert daemon.learner.progress.learned == 80, name
        assert len(asker.waiting) == 150 - 30 == len(set(asker.waiting))
        assert [labels for labels, _ in asker.points] == [50]
    assert to_tensor(pool).shape[0] == 150
