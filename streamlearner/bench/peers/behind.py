"""A daemon that lets batches follow the lag beside one of batches of ten, both behind."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.kit.retention_curve import accuracy
from streamlearner.bench.peers.turns import TurnSource, cpu_seconds_of, run_turn

TEN, AUTO, THIN = "ten", "auto", "thin"
PACES: Mapping[str, Mapping[str, Any]] = {
    TEN: {"daemon.batch_size": 10},
    AUTO: {"daemon.batch_size": "auto"},
    THIN: {"daemon.batch_size": "auto", "daemon.when_behind": "thin"},
}


def ratios_when_behind(
    dataset: Dataset, fixture: Fixture, settings: Mapping[str, Any], *, turns: int, turn: int
) -> tuple[dict[str, float], float]:
    """Ratios by metric of examples a second of CPU to those of batches of ten, and what these are, in `turns`
    of so many examples. What comes before them is learned first, so that batches have grown; what comes after
    them waits, so that they stay large."""
    messages = fixture.messages(dataset)
    speeds: dict[str, list[float]] = {name: [] for name in PACES}
    with ExitStack() as opened:
        behind = {}
        for name, pace in PACES.items():
            daemon = opened.enter_context(fixture.daemon({**settings, **pace}, messages))
            opened.callback(daemon.close)
            source = daemon.state.intake.source = TurnSource(daemon.state.source)
            daemon.serving.start()
            source.open(None)
            source.left = len(messages) - (turns + 1) * turn
            run_turn(daemon, source)
            behind[name] = daemon, source
        for _ in range(turns):
            for name, (daemon, source) in behind.items():
                source.left = turn
                speeds[name].append(turn / cpu_seconds_of(partial(run_turn, daemon, source)))
    ten = speeds.pop(TEN)
    ratios = {
        f"ratio_of_{name}_to_{TEN}": statistics.median([a / b for a, b in zip(each, ten, strict=True)])
        for name, each in speeds.items()
    }
    return ratios, statistics.median(ten)


def accuracies_when_behind(
    dataset: Dataset, test: Dataset, fixture: Fixture, settings: Mapping[str, Any]
) -> tuple[dict[str, float], float]:
    """By metric, of batches of ten and of batches that follow the lag, all of the stream waiting: accuracy
    along it, each batch answered before it was learned, and after it on `test`; and examples a second of CPU
    in batches of ten."""
    messages = fixture.messages(dataset)
    measured: dict[str, float] = {}
    speeds: dict[str, float] = {}
    for name in (TEN, AUTO):
        with fixture.daemon({**settings, **PACES[name]}, messages) as daemon:
            speeds[name] = len(messages) / cpu_seconds_of(daemon.run)
            answered = daemon.learner.prequential
            measured[f"along_{name}"] = answered.right / answered.seen
            measured[f"end_{name}"] = accuracy(daemon.learner, test, names_tasks=False)
    return measured | {f"ratio_of_{AUTO}_to_{TEN}": speeds[AUTO] / speeds[TEN]}, speeds[TEN]
