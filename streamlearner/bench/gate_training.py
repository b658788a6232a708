"""Trains a gate for a network, and for a trial of `meta_learned_update` before its stream (paper 002)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from streamlearner.bench.readout_classroom import BATCH, Task, task
from streamlearner.bench.workbench import Settings, Workbench
from streamlearner.gate_file import save_gate
from streamlearner.meta_learning import Course, Lesson, along_the_way, learn_alone, meta_train
from streamlearner.network import Network
from streamlearner.networks import build
from streamlearner.update_gate import UpdateGate

STARTS, WAY_STEPS, HORIZON = 10, 500, 50
COURSE = Course(
    episodes=100, steps=HORIZON, batch_size=BATCH, inner_rate=0.05, outer_rate=1e-3, least=100.0, most=100.0
)
HIDDEN = 32
PRETRAINING_STEPS = 1_500
EPISODES = 40
"""Before a stream, where the network is four times as wide as those that `COURSE` is for."""
QUICK_EXAMPLES, QUICK_STEPS = 200, 5


def trained_gate(
    network: Network, old: Task, new: Task, *, course: Course, seed: int, quick: bool
) -> UpdateGate:
    """A gate for this network. Episodes start where a teacher of both tasks is after some of its steps, so
    that the gate knows weights along the whole way."""
    chance = torch.Generator().manual_seed(2_000 + seed)
    draws = old.draw(chance), new.draw(chance)
    course = replace(course, episodes=2, steps=QUICK_STEPS) if quick else course
    starts = along_the_way(
        network,
        old=draws[0],
        new=draws[1],
        count=2 if quick else STARTS,
        steps=QUICK_STEPS if quick else WAY_STEPS,
        course=course,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        gate = UpdateGate(network, hidden=HIDDEN)

    def lesson(_: int) -> Lesson:
        start = starts[int(torch.randint(len(starts), (1,), generator=chance))]
        return Lesson(network=start, old=draws[0], new=draws[1])

    for _ in meta_train(gate, lesson=lesson, course=course):
        pass
    return gate


@contextmanager
def gate_settings(
    workbench: Workbench, settings: Settings, *, on: str | None, quick: bool
) -> Iterator[dict[str, Any]]:
    """Further settings that let a daemon learn by a gate trained on the training half of the set `on`, images
    of the shape of the stream's; none where that is None. The file they name goes with the context.

    The network that `network.name` is by default learns half of the classes, and the gate then sees it learn
    the other half, in episodes from points along a teacher's way.
    """
    if on is None:
        yield {}
        return
    known = task(workbench.load_pictures(on, True, QUICK_EXAMPLES if quick else None))
    classes = sorted(set(known.labels.tolist()))
    old, new = (known.of(tuple(classes[start::2])) for start in (0, 1))
    seed = int(settings["seed"])
    chance = torch.Generator().manual_seed(seed)
    network = build(name="auto", input_shape=tuple(known.images.shape[1:]), generator=chance)
    network.head.grow(classes[-1] + 1)
    learn_alone(
        network,
        old.draw(chance),
        steps=QUICK_STEPS if quick else PRETRAINING_STEPS,
        batch_size=BATCH,
        learning_rate=COURSE.inner_rate,
    )
    course = replace(COURSE, episodes=EPISODES)
    gate = trained_gate(network, old, new, course=course, seed=seed, quick=quick)
    with tempfile.TemporaryDirectory(prefix="streamlearner-bench-") as folder:
        path = Path(folder) / "gate.safetensors"
        save_gate(gate, path, facts={"data_set": on})
        yield {"method.meta_learned_update.gate": str(path)}
