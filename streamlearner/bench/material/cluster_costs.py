"""What the parts of a cluster cost on this machine, in seconds of its CPU and in bits: other users of the
machine do not count."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.material.shards import batches, by_class, slept
from streamlearner.learning.learner import Learner
from streamlearner.learning.merging import draw_apart, merge
from streamlearner.learning.shards import NOT_READ, apart
from streamlearner.state.checkpoint import CheckpointStore

SHARDS = 4


@dataclass(frozen=True, slots=True)
class Costs:
    """`..._s` are seconds of one core. `moved_bits` are read of a partition at a sleep, `checkpoint_bits`
    written at a checkpoint, `version_bits` read of a version by each who follows it."""

    example_s: float
    checkpoint_s: float
    merge_shard_s: float
    sleep_s: float
    checkpoint_bits: float
    moved_bits: float
    version_bits: float


def measured(fixture: Fixture, settings: Mapping[str, Any], stream: Dataset) -> Costs:
    """By SHARDS learners of parts of this stream."""
    learners, parts = [], by_class(stream, SHARDS)
    began_s = time.process_time()
    for number, part in enumerate(parts):
        learner: Learner = fixture.build_learner(settings, stream)
        draw_apart(learner, number=number)
        for batch in batches(part):
            learner.learn(batch)
        learners.append(learner)
    example_s = (time.process_time() - began_s) / len(stream.labels)
    whole: Learner = fixture.build_learner(settings, stream)
    merge_s = _cpu_s(lambda: merge(whole, learners, generator=torch.Generator().manual_seed(0)))
    sleep_s = _cpu_s(lambda: slept(whole))
    checkpoint_s, checkpoint_bits, moved_bits = _checkpoint(learners)
    return Costs(
        example_s=example_s,
        checkpoint_s=checkpoint_s,
        merge_shard_s=merge_s / SHARDS,
        sleep_s=sleep_s,
        checkpoint_bits=checkpoint_bits,
        moved_bits=moved_bits,
        version_bits=_checkpoint([whole])[1],
    )


def _cpu_s(work: Callable[[], Any]) -> float:
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def _checkpoint(learners: Sequence[Learner]) -> tuple[float, float, float]:
    """Seconds to write the checkpoint of one of them, its bits, and the bits of it that a merge reads."""
    with tempfile.TemporaryDirectory(prefix="streamlearner-bench-") as name:
        store, seconds = CheckpointStore(Path(name), keep=1, clock=time.time), 0.0
        for learner in learners:
            files = apart(
                {"method": learner.method.state_dict(), "exam": learner.exam.state_dict()}, learner.method
            )
            seconds += _cpu_s(
                lambda files=files: store.save(  # type: ignore[misc]
                    tensors=files, facts={}, position=None, method="", config_digest=""
                )
            )
        sizes = {path.stem: 8 * path.stat().st_size for path in Path(name).rglob("*") if path.is_file()}
    moved = sum(bits for stem, bits in sizes.items() if stem not in NOT_READ)
    return seconds / len(learners), float(sum(sizes.values())), float(moved)
