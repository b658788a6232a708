"""Tasks that come back, and digits under noise and behind a square."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from streamlearner.bench import report
from streamlearner.bench.catalogue import EXPERIMENTS
from streamlearner.bench.experiments.noise_and_occlusion import (
    NOISE_AND_OCCLUSION,
    clipped,
    noisy,
    occluded,
    repeated,
)
from streamlearner.bench.experiments.revision import FIRST, LAST, REVISION, revised
from streamlearner.bench.kit.experiment import Experiment, Scope
from streamlearner.bench.kit.results import Result, Row, Sheet
from streamlearner.bench.streams.digit_tasks import permnist
from streamlearner.stream import Message
from tests.support.tiny_bench import TinyBench, dataset

QUICK = Scope(seeds=1, budgets_bits=None, quick=True)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def ran(experiment: Experiment, arm: str) -> list[object]:
    (trial,) = [trial for trial in experiment.trials(QUICK) if trial.arm == arm]
    bench = TinyBench()(data=Path("nowhere"), download=False)
    return list(experiment.run(trial, fixture=bench, scope=QUICK))


def values_by_metric(found: list[object]) -> dict[str, float]:
    return {row.metric: row.value for row in found if isinstance(row, Row)}


def test_half_of_the_first_task_and_of_the_last_comes_back_at_the_end() -> None:
    whole = permnist(dataset("MNIST", True))
    stream, (six, first, last) = revised(whole)
    assert stream.tasks is not None
    assert (six, first, last) == (100, 110, 120)
    assert sorted(set(stream.tasks[:six])) == sorted(set(whole.tasks or ()))
    assert stream.tasks[:six] == sorted(stream.tasks[:six])
    assert set(stream.tasks[six:first]) == {FIRST}
    assert set(stream.tasks[first:]) == {LAST}
    seen = {image.tobytes() for image in stream.images}
    assert len(seen) == len(whole.labels)  # no image comes twice


def test_what_revision_gained_is_the_difference_that_it_made() -> None:
    found = values_by_metric(ran(REVISION, "generative_dual_memory"))
    for task in ("first", "last"):
        before, after = found[f"{task}_before_revision"], found[f"{task}_after_revision"]
        assert found[f"{task}_gain"] == pytest.approx(after - before)
    assert 0.0 <= found["accuracy"] <= 1.0


def test_noise_is_the_same_each_time_and_a_square_is_in_the_middle() -> None:
    images = np.full((4, 28, 28), 128, dtype=np.uint8)
    assert np.allclose(noisy(images, 0), 128 / 255)
    assert np.array_equal(noisy(images, 20), noisy(images, 20))
    assert noisy(images, 20).std() == pytest.approx(0.2, rel=0.1)
    assert noisy(images, 100).min() < 0 < 1 < noisy(images, 100).max()
    assert np.array_equal(clipped(images, 100), noisy(images, 100).clip(0, 1))
    hidden = occluded(images, 50)
    assert (hidden == 0).sum() == 4 * 14 * 14
    assert set(hidden[:, 7:21, 7:21].flat) == {0}
    assert np.array_equal(occluded(images, 0), images)


def test_a_stream_of_epochs_has_every_message_once_in_each_and_no_offset_twice() -> None:
    messages = [Message(bytes([n]), "bench", 0, n) for n in range(20)]
    stream = repeated(messages, epochs=3, seed=0)
    assert [message.offset for message in stream] == list(range(60))
    epochs = [[message.value for message in stream[start : start + 20]] for start in (0, 20, 40)]
    assert all(sorted(epoch) == [message.value for message in messages] for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert [each.value for each in repeated(messages, epochs=3, seed=0)] == [each.value for each in stream]


def test_each_harm_is_a_point_of_a_curve_and_reconstructions_are_shown(tmp_path: Path) -> None:
    found = ran(NOISE_AND_OCCLUSION, "deep_generative_replay")
    values = values_by_metric(found)
    curve = [value for name, value in values.items() if name.startswith("accuracy_under_noise_at_")]
    assert len(curve) == 9
    assert values["accuracy_under_noise"] == pytest.approx(sum(curve) / 9)
    assert (
        values["accuracy_under_noise_at_0"] == values["accuracy"] == values["accuracy_under_occlusion_at_0"]
    )
    (sheet,) = [entry for entry in found if isinstance(entry, Sheet)]
    assert sheet.pixels.shape == (6 * 28, 10 * 28)
    result = Result(tmp_path, name="noise-and-occlusion", protocol="", quick=True)
    result.add([entry for entry in found if isinstance(entry, Row)])
    assert tmp_path / "noise-and-occlusion.png" in set(report.write(tmp_path, EXPERIMENTS))
