"""What a start costs: seconds to the help, to the first answer, to learning; and memory beyond torch's own.

Each is measured on processes of their own, beside others that only import torch: in turns, as machines drift.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Fixture
from streamlearner.bench.kit.results import Row
from streamlearner.bench.served.started import (
    Reached,
    StartedDaemon,
    cpu_seconds_to_end,
    import_torch,
    started_daemon,
)

TURNS = 5
FEATURES, EXAMPLES, AT_ONCE = 16, 600, 100
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Start:
    """Medians of turns."""

    name: str = "start"
    protocol: str = (
        "Processes of their own, beside others that only import torch; medians of differences taken in "
        "turns, by the clock and in seconds of CPU; bytecode of all packages is there. help: those of "
        "`streamlearner --help`. run: from the beginning of `streamlearner run` with an empty state (push "
        "source) to the first answer of /livez. killed: a daemon (default MLP) has learned 600 examples of "
        "16 features and saved a checkpoint, is killed (SIGKILL) and started again: to the first prediction, "
        "and to the first example learned; and its resident memory before that, less that of a process that "
        "has imported torch, in MiB."
    )

    def trials(self, scope: Scope) -> Iterable[Trial]:
        return [Trial(arm, 0, seed) for seed in range(scope.seeds) for arm in ("help", "run", "killed")]

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        turns, started_s = 1 if scope.quick else TURNS, time.perf_counter()
        measure: Callable[[], dict[str, float]] = {"help": help_of, "run": run_of, "killed": killed}[
            trial.arm
        ]
        found = [measure() for _ in range(turns)]
        seconds = round(time.perf_counter() - started_s, 2)
        for metric in found[0]:
            value = statistics.median(each[metric] for each in found)
            yield Row(trial.arm, 0, 0, 0, trial.seed, metric, round(value, 4), None, seconds, 0.0)


def help_of() -> dict[str, float]:
    return {"help_cpu_s": cpu_seconds_to_end("--help")}


def run_of() -> dict[str, float]:
    torch = import_torch()
    with folder() as empty, started_daemon(empty) as daemon:
        return beyond(torch, daemon.until(lambda: daemon.ask("/livez")), to="livez")


def killed() -> dict[str, float]:
    """A daemon that has learned is killed and started again."""
    with folder() as kept:
        with started_daemon(kept) as daemon:
            daemon.until(lambda: daemon.ask("/livez"))
            push(daemon, EXAMPLES)
            held = daemon.until(lambda: taken(daemon) == EXAMPLES and daemon.ask("/v1/checkpoint", {}))
        torch = import_torch()
        with started_daemon(kept) as daemon:
            question = {"inputs": [[0.0] * FEATURES]}
            answered = daemon.until(lambda: daemon.ask("/v1/predict", question))
            before = taken(daemon)
            push(daemon, 20)
            learning = daemon.until(lambda: taken(daemon) > before)
    more = (held.resident_bytes - torch.resident_bytes) / MIB
    times = beyond(torch, answered, to="answer") | beyond(torch, learning, to="learning")
    return times | {"resident_beyond_torch_mib": more}


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="streamlearner-bench-") as path:
        yield Path(path)


def push(daemon: StartedDaemon, count: int) -> None:
    """Examples of two classes."""
    drawn = np.random.default_rng(0).normal(size=(count, FEATURES)).round(3)
    examples = [{"input": [*map(float, row)], "label": int(row[0] > 0)} for row in drawn]
    for start in range(0, count, AT_ONCE):
        body: dict[str, Any] = {"examples": examples[start : start + AT_ONCE]}
        daemon.until(lambda body=body: daemon.ask("/v1/examples", body))  # type: ignore[misc]


def taken(daemon: StartedDaemon) -> int:
    """Examples that were learned or withheld."""
    counts = (daemon.ask("/v1/status") or {"examples": {}})["examples"]
    return int(counts.get("learned", 0)) + int(counts.get("withheld", 0))


def beyond(torch: Reached, reached: Reached, *, to: str) -> dict[str, float]:
    return {
        f"{to}_beyond_torch_s": reached.seconds - torch.seconds,
        f"{to}_beyond_torch_cpu_s": reached.cpu_s - torch.cpu_s,
    }


START = Start()
