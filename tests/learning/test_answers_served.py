"""What the default answers on streams that its settings were not chosen on: with the floor of statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from torch import Tensor

from streamlearner.app.learning import make_learner
from streamlearner.config import loading as config
from streamlearner.decoding.batch import Batch
from streamlearner.decoding.codec import Schema
from streamlearner.learning.learner import Learner
from tests.support.learners import restarted

SIZE = 10


def digits(*, invert: bool = False) -> tuple[Tensor, Tensor]:
    """8 x 8 pictures in an order that is the same each time."""
    bundle = load_digits()
    images = torch.tensor((bundle.images * 255 / 16).round().astype("uint8"))[:, None]
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return (255 - images if invert else images)[order], torch.tensor(bundle.target)[order].long()


def clusters(classes: int, of_each: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Vectors [n, 16] around a centre for each class, class after class."""
    drawn = torch.Generator().manual_seed(seed)
    centres = 3 * torch.randn(classes, 16, generator=drawn)
    labels = torch.arange(classes).repeat_interleave(of_each)
    return centres[labels] + 0.5 * torch.randn(len(labels), 16, generator=drawn), labels


def fresh(inputs: Tensor, **settings: Any) -> Learner:
    chosen = {name.replace("__", "."): value for name, value in settings.items()}
    dtype = "uint8" if inputs.dtype == torch.uint8 else "float32"
    schema = Schema(dtype=dtype, shape=tuple(inputs.shape[1:]))
    return make_learner(config.load(path=None, settings=chosen, environ={}), schema=schema)


def learn(learner: Learner, inputs: Tensor, labels: Tensor) -> float:
    """Learns in batches; the share that was served rightly before it was learned."""
    right = 0.0
    for start in range(0, len(labels), SIZE):
        part = inputs[start : start + SIZE], labels[start : start + SIZE]
        if learner.predictor().ready:
            right += served(learner, *part) * len(part[1])
        names = tuple(str(int(label)) for label in part[1])
        none = (None,) * len(names)
        learner.learn(Batch(inputs=part[0], labels=names, tasks=none, ids=none))
    return right / len(labels)


def served(learner: Learner, inputs: Tensor, labels: Tensor) -> float:
    """The share of right answers, of what would be served."""
    answers = [answer.label for answer in learner.predictor().freeze().predict(inputs)]
    return float(np.mean([answer == str(int(label)) for answer, label in zip(answers, labels, strict=True)]))


def in_class_order(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    order = torch.argsort(labels, stable=True)
    return inputs[order], labels[order]


def test_two_hundred_small_digits_are_answered_from_the_first_hundred_on() -> None:
    images, labels = digits()
    learner = fresh(images)
    learn(learner, images[:200], labels[:200])
    assert served(learner, images[600:], labels[600:]) > 0.82  # the averaged network alone had 0.09


def test_dark_on_white_class_after_class() -> None:
    images, labels = digits(invert=True)
    learner = fresh(images)
    learn(learner, *in_class_order(images[:1000], labels[:1000]))
    assert served(learner, images[1000:], labels[1000:]) > 0.85


def test_unscaled_columns_class_after_class() -> None:
    bundle = load_breast_cancer()
    values, labels = torch.tensor(bundle.data).float(), torch.tensor(bundle.target).long()
    test = torch.arange(len(labels)) % 4 == 0
    learner = fresh(values)
    learn(learner, *in_class_order(values[~test], labels[~test]))
    assert served(learner, values[test], labels[test]) > 0.85


def test_a_new_class_is_answered_two_batches_after_its_first_examples_however_long_the_other_came() -> None:
    drawn = torch.Generator().manual_seed(0)
    old, new = (torch.randn(n, 8, generator=drawn) + shift for n, shift in ((1500, 0.0), (100, 4.0)))
    learner = fresh(old)
    learn(learner, old, torch.zeros(1500).long())
    learn(learner, new[: 2 * SIZE], torch.ones(2 * SIZE).long())
    assert served(learner, new[50:], torch.ones(50).long()) > 0.9
    assert served(learner, old[:200], torch.zeros(200).long()) > 0.9


def test_of_three_hundred_classes_the_newest_are_known_too() -> None:
    values, labels = clusters(300, 10)
    learner = fresh(values)
    learn(learner, values, labels)
    newest = labels >= 256
    assert served(learner, values[newest], labels[newest]) > 0.9


def test_labels_that_change_their_meaning_are_followed() -> None:
    images, labels = digits()
    learner = fresh(images)
    learn(learner, images[:800], labels[:800])
    along = learn(learner, images[800:], (labels[800:] + 1) % 10)
    assert along > 0.5
    assert served(learner, images[:400], (labels[:400] + 1) % 10) > 0.7


def test_the_prequential_accuracy_is_that_of_what_is_served() -> None:
    images, labels = digits()
    learner = fresh(images, exam__fraction=0)
    learn(learner, images[:SIZE], labels[:SIZE])  # there is no answer yet, and nobody is served
    before = learner.prequential.right
    along = learn(learner, images[SIZE:600], labels[SIZE:600])
    assert learner.prequential.right - before == round(along * (600 - SIZE))


def test_statistics_and_recollections_share_the_budget_at_any_time() -> None:
    images, labels = digits()
    learner = fresh(images, memory__budget_bits=60_000)
    held = []
    for start in range(0, 1200, 100):
        learn(learner, images[start : start + 100], labels[start : start + 100])
        bits = learner.method.stored_bits()
        held.append(sum(bits.values()))
    assert max(held) <= 60_000
    assert bits["statistics"] > 0
    assert held[-1] > 50_000


def test_too_small_a_budget_leaves_no_room_for_statistics_and_the_network_answers() -> None:
    images, labels = digits()
    learner = fresh(images, memory__budget_bits=8_000)
    learn(learner, images[:100], labels[:100])
    assert "statistics" not in learner.method.stored_bits()
    assert learner.method.route in ("hippocampus", "live")


def test_who_answers_is_the_same_after_a_restart() -> None:
    images, labels = digits()
    calm, killed = fresh(images), fresh(images)
    for start in range(0, 600, 200):
        part = images[start : start + 200], labels[start : start + 200]
        learn(calm, *part)
        learn(killed, *part)
        killed = restarted(killed, fresh(images))
        assert killed.method.route == calm.method.route
        answers = [one.predictor().predict_proba(images[600:]) for one in (calm, killed)]
        assert torch.equal(*answers)
