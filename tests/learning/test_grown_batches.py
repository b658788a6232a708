"""A batch that was grown is learned in one step, but for what surprises in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from streamlearner.app.learning import make_learner
from streamlearner.decoding.batch import Batch
from streamlearner.decoding.codec import Codec, Schema
from streamlearner.learning import observing
from streamlearner.learning.learner import Learner
from streamlearner.methods.base import Experience
from streamlearner.networks.averaged import AveragedNetwork
from streamlearner.networks.by_name import mlp
from tests.support.daemon_runs import example, settings

USUAL = 5


@pytest.fixture
def settles_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams of tests are short."""
    monkeypatch.setattr(observing, "SETTLED", 1)


def a_learner(state_dir: Path, **more: object) -> tuple[Learner, list[tuple[int, float]]]:
    """One that notes of each experience how long it was, and its growth."""
    auto = {"daemon__batch_size": "auto", "daemon__smallest_batch": USUAL, "exam__fraction": 0.0}
    learner = make_learner(settings(state_dir, **auto | more), schema=Schema(shape=(1, 6, 6), dtype="uint8"))
    observed: list[tuple[int, float]] = []
    observe = learner.method.observe

    def noting(experience: Experience) -> object:
        observed.append((len(experience.labels), experience.growth))
        return observe(experience)

    learner.method.observe = noting  # type: ignore[method-assign, assignment]
    return learner, observed


def batch_of(labels: list[int], *, first: int = 0) -> Batch:
    messages = [example(first + n, label=label) for n, label in enumerate(labels)]
    batch, rejects = Codec().decode(messages)
    assert not rejects
    return batch


def taught(learner: Learner) -> None:
    """Classes 0 and 1, so that they are known for certain."""
    for first in range(0, 300, USUAL):
        learner.learn(batch_of([n % 2 for n in range(USUAL)], first=first))


@pytest.mark.usefixtures("settles_at_once")
def test_what_does_not_surprise_is_one_step_of_a_larger_batch(tmp_path: Path) -> None:
    learner, observed = a_learner(tmp_path)
    taught(learner)
    assert set(observed) == {(USUAL, 1.0)}
    observed.clear()
    learner.learn(batch_of([n % 2 for n in range(40)], first=1_000))
    assert observed == [(40, 8.0)]


@pytest.mark.usefixtures("settles_at_once")
def test_what_comes_before_a_class_that_is_new_is_one_step_and_the_class_begins_as_usual(
    tmp_path: Path,
) -> None:
    learner, observed = a_learner(tmp_path)
    taught(learner)
    observed.clear()
    learner.learn(batch_of([n % 2 for n in range(20)] + [2] * 20, first=1_000))
    sizes = [size for size, _ in observed]
    assert sizes[:2] == [20, USUAL] and sum(sizes) == 40


@pytest.mark.usefixtures("settles_at_once")
def test_labels_that_change_their_meaning_are_learned_as_usual_until_they_are_known(tmp_path: Path) -> None:
    learner, observed = a_learner(tmp_path)
    taught(learner)
    observed.clear()
    swapped = batch_of([n % 2 for n in range(40)], first=1_000)
    learner.learn(replace(swapped, labels=tuple(1 - label for label in swapped.labels)))
    sizes = [size for size, _ in observed]
    assert sizes[0] == USUAL and sum(sizes) == 40


def test_a_portion_is_at_most_the_hundredth_part_of_the_answers_since_accuracy_last_changed(
    tmp_path: Path,
) -> None:
    learner, observed = a_learner(tmp_path)
    taught(learner)
    for settled, largest in ((499, USUAL), (1_900, 19), (100_000, 40)):
        observed.clear()
        learner.served.overall.width = learner.served.overall.total = settled
        learner.learn(batch_of([n % 2 for n in range(40)], first=1_000))
        assert (sum(size for size, _ in observed), max(size for size, _ in observed)) == (40, largest)


def test_all_that_is_counted_is_counted_once(tmp_path: Path) -> None:
    learner, _ = a_learner(tmp_path)
    result = learner.learn(batch_of([0, 1, 2, 3] * 10))
    assert (result.learned, learner.progress.learned, learner.prequential.seen) == (40, 40, 40)
    assert result.observation is not None and len(result.observation.predicted) == 40
    assert learner.method.memory.seen == 40


def test_a_fixed_size_is_learned_as_it_comes_however_large(tmp_path: Path) -> None:
    learner, observed = a_learner(tmp_path, daemon__batch_size=40)
    learner.learn(batch_of([0, 1, 2, 3] * 10))
    assert observed == [(40, 1.0)]


def test_of_a_thinned_batch_a_share_is_trained_and_all_is_remembered_and_counted(tmp_path: Path) -> None:
    learner, _ = a_learner(tmp_path, memory__budget_bits=100_000)
    trained: list[int] = []
    observe = learner.method.observe

    def noting(experience: Experience) -> object:
        assert experience.trained is not None
        trained.append(int(experience.trained.sum()))
        assert len(experience.taught.labels) == trained[-1] == len(experience.taught.inputs)
        return observe(experience)

    learner.method.observe = noting  # type: ignore[method-assign, assignment]
    result = learner.learn(batch_of([0, 1, 2] * 10), one_in=4)
    assert trained == [8] and (result.learned, result.without_steps) == (30, 22)
    assert (learner.progress.learned, learner.progress.without_steps, learner.prequential.seen) == (
        30,
        22,
        30,
    )
    assert learner.method.memory.seen == 30
    assert int(learner.method.answering.statistics.sums.counts.sum()) == 30
    assert learner.facts()["progress"]["without_steps"] == 22


def test_what_is_trained_of_a_thinned_batch_is_drawn_evenly_by_its_place(tmp_path: Path) -> None:
    learner, _ = a_learner(tmp_path)
    again, _ = a_learner(tmp_path)
    times = np.zeros(10)
    for place in range(400):
        learner.progress.learned = again.progress.learned = 10 * place
        drawn = learner._share(10, 2)
        assert drawn.sum() == 5 and drawn.equal(again._share(10, 2))
        times += drawn.numpy()
    assert times.min() > 160 and times.max() < 240  # 200 each, four standard deviations


def test_without_thinning_nothing_new_is_saved(tmp_path: Path) -> None:
    learner, _ = a_learner(tmp_path)
    learner.learn(batch_of([0, 1, 2] * 10))
    assert "without_steps" not in learner.facts()["progress"]


def test_recollections_grow_by_the_square_root_of_the_batch() -> None:
    nothing = torch.zeros(0)
    usual, four, sixteen = (Experience(nothing, nothing, growth=growth) for growth in (1.0, 4.0, 16.0))
    assert [grown.items(10) for grown in (usual, four, sixteen)] == [10, 20, 40]


def test_an_average_moves_as_far_in_one_grown_step_as_in_as_many_usual_ones() -> None:
    network = mlp(input_shape=(4,), hidden=(8,))
    usual, grown = AveragedNetwork(network, steps=10_000), AveragedNetwork(network, steps=10_000)
    for averaged in (usual, grown):
        for weight in averaged.network.weights:
            weight.data += 1.0
    for _ in range(8):
        usual.update_average(decay=0.995)
    grown.update_average(decay=0.995, growth=8.0)
    assert usual.steps == grown.steps
    for one, other in zip(usual.average.weights, grown.average.weights, strict=True):
        np.testing.assert_allclose(one.detach(), other.detach(), rtol=1e-4)
