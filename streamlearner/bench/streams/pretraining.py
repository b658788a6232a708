"""What a trial does with its association before the stream: fits it to other data, measures its tables."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from streamlearner.bench.kit.fixture import Dataset, Fixture, Settings

PRETRAINING_EXAMPLES, QUICK_EXAMPLES = 20_000, 200
CHEAP: dict[str, Any] = {
    "network.name": "mlp",
    "method.name": "recollection_replay",
    "method.steps": 1,
    "method.distillation": 0.0,
    "sleep.every_examples": None,
}
"""The cheapest learner around the association, which alone matters here."""


@contextmanager
def pretrained_association(
    fixture: Fixture, settings: Settings, *, on: str | None, quick: bool
) -> Iterator[dict[str, Any]]:
    """Settings that let a daemon start from an association fitted to the training half of the data set `on`;
    none where `on` is None. The checkpoint they name is deleted with the context."""
    if on is None:
        yield {}
        return
    dataset = fixture.load_dataset(on, True, QUICK_EXAMPLES if quick else PRETRAINING_EXAMPLES)
    order = np.random.default_rng(int(settings["seed"])).permutation(len(dataset.labels))
    messages = fixture.messages(dataset.select(order))
    with tempfile.TemporaryDirectory(prefix="streamlearner-bench-") as folder:
        fixed = {"state_dir": folder, "serving.port": 0, "daemon.at_end": "exit", "exam.budget_bits": 0}
        source = fixture.build_source(messages)
        fixture.build_daemon({**settings, **CHEAP, **fixed}, source).run()
        (checkpoint,) = sorted((Path(folder) / "checkpoints").glob("[0-9]*"))[-1:]
        yield {"association.from_checkpoint": str(checkpoint)}


def association_bits(fixture: Fixture, settings: Settings, stream: Dataset, *, names_tasks: bool) -> int:
    """The most bits that the association's tables take along this stream. Trellis codes' tables grow with
    each generation, the last of which begins after some 43,000 examples; how many directions are coded
    depends on the examples learned, so tasks are named and the exam withholds as in the trial itself."""
    messages = fixture.messages(stream, tasks=stream.tasks if names_tasks else None)
    most = 0

    def look(taken: int) -> None:
        nonlocal most
        if daemon.learner is not None:
            most = max(most, daemon.learner.method.parameter_bits()["association"])

    with fixture.daemon({**settings, **CHEAP}, messages, between=look) as daemon:
        daemon.run()
        look(len(messages))
    return most
