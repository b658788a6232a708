"""A daemon that lets batches follow the lag beside one of batches of ten, both behind, in turns."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.peers.turns import TurnSource, cpu_seconds_of, run_turn

PACES: Mapping[str, Mapping[str, Any]] = {
    "ten": {"daemon.batch_size": 10},
    "auto": {"daemon.batch_size": "auto"},
    "thin": {"daemon.batch_size": "auto", "daemon.when_behind": "thin"},
}
"""Settings by name; the first is what the others are compared with."""


def ratios_when_behind(
    dataset: Dataset, fixture: Fixture, settings: Mapping[str, Any], *, turns: int
) -> tuple[dict[str, float], float]:
    """Ratios by metric of examples a second of CPU to those of batches of ten, and what these are. The first
    turn, in which batches grow, does not count."""
    messages = fixture.messages(dataset)
    count = len(messages) // turns
    speeds: dict[str, list[float]] = {name: [] for name in PACES}
    with ExitStack() as opened:
        behind = {}
        for name, pace in PACES.items():
            daemon = opened.enter_context(fixture.daemon({**settings, **pace}, messages))
            opened.callback(daemon.close)
            source = daemon.state.intake.source = TurnSource(daemon.state.source)
            daemon.serving.start()
            source.open(None)
            behind[name] = daemon, source
        for _ in range(turns):
            for name, (daemon, source) in behind.items():
                source.left = count
                speeds[name].append(count / cpu_seconds_of(partial(run_turn, daemon, source)))
    ten = speeds.pop("ten")[1:]
    ratios = {
        f"ratio_of_{name}_to_ten": statistics.median([a / b for a, b in zip(each[1:], ten, strict=True)])
        for name, each in speeds.items()
    }
    return ratios, statistics.median(ten)
