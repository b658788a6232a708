"""Statistics answer from the first example on, in any order, and follow where meanings change."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from torch import Tensor

from streamlearner.app import make_method
from streamlearner.config import loading as config
from streamlearner.methods.base import DualMemory, Experience
from streamlearner.statistics import statistics

Data = tuple[Tensor, Tensor]


def a_method(shape: tuple[int, ...], dtype: torch.dtype, **settings: Any) -> DualMemory:
    chosen = {"method.name": "streaming_statistics"} | {k.replace("__", "."): v for k, v in settings.items()}
    loaded = config.load(path=None, settings=chosen, environ={})
    return make_method(loaded, input_shape=shape, dtype=dtype)


def digits() -> Data:
    """Drawn in an order that is the same each time."""
    bundle = load_digits()
    images = torch.tensor((bundle.images * 255 / 16).round().astype("uint8"))[:, None]
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return images[order], torch.tensor(bundle.target)[order].long()


def learned(data: Data, method: DualMemory, *, size: int = 10) -> DualMemory:
    for start in range(0, len(data[1]), size):
        method.observe(Experience(data[0][start : start + size], data[1][start : start + size]))
    return method


def accuracy(method: DualMemory, data: Data) -> float:
    return float((method.predict_proba(data[0], None).argmax(1) == data[1]).float().mean())


def in_class_order(data: Data) -> Data:
    order = torch.argsort(data[1], stable=True)
    return data[0][order], data[1][order]


def test_two_hundred_digits_are_enough() -> None:
    images, labels = digits()
    method = learned((images[:200], labels[:200]), a_method((1, 8, 8), torch.uint8))
    assert accuracy(method, (images[600:], labels[600:])) > 0.85


def test_the_order_of_the_stream_does_not_matter_to_the_last_bit() -> None:
    images, labels = digits()
    shuffled = learned((images[:500], labels[:500]), a_method((1, 8, 8), torch.uint8))
    ordered = learned(in_class_order((images[:500], labels[:500])), a_method((1, 8, 8), torch.uint8))
    for name in ("sums.counts", "sums.sums", "sums.scatter"):
        one, other = (method.hippocampus.state_dict()[name] for method in (shuffled, ordered))
        assert torch.equal(one, other), name


@pytest.mark.parametrize("invert", [False, True])
def test_dark_on_white_is_as_good_as_white_on_dark(invert: bool) -> None:
    images, labels = digits()
    shown = 255 - images if invert else images
    method = learned(in_class_order((shown[:1000], labels[:1000])), a_method((1, 8, 8), torch.uint8))
    assert accuracy(method, (shown[1000:], labels[1000:])) > 0.9


def test_unscaled_columns_in_class_order() -> None:
    bundle = load_breast_cancer()
    values, labels = torch.tensor(bundle.data).float(), torch.tensor(bundle.target).long()
    test = torch.arange(len(labels)) % 4 == 0
    method = learned(in_class_order((values[~test], labels[~test])), a_method((30,), torch.float32))
    assert accuracy(method, (values[test], labels[test])) > 0.88


def test_labels_that_change_their_meaning_are_followed() -> None:
    images, labels = digits()
    method = learned((images[:900], labels[:900]), a_method((1, 8, 8), torch.uint8))
    turned = (labels + 1) % 10
    told = [method.observe(Experience(images[i : i + 10], turned[i : i + 10])) for i in range(900, 1500, 10)]
    assert any(one.changed for one in told[:6])
    assert accuracy(method, (images[1500:], turned[1500:])) > 0.75


def test_a_class_is_answered_from_its_second_batch_on() -> None:
    images, labels = digits()
    ordered = in_class_order((images[:1000], labels[:1000]))
    method, hits, asked = a_method((1, 8, 8), torch.uint8), 0, 0
    for label in range(10):
        own = ordered[0][ordered[1] == label]
        for start in range(0, 50, 10):
            if start >= 20:
                answers = method.predict_proba(own[start : start + 10], None).argmax(1)
                hits, asked = hits + int((answers == label).sum()), asked + len(answers)
            method.observe(Experience(own[start : start + 10], torch.full((10,), label)))
    assert hits / asked > 0.85


def test_what_was_worked_out_to_be_served_is_not_worked_out_again_before_the_next_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images, labels = digits()
    method = learned((images[:200], labels[:200]), a_method((1, 8, 8), torch.uint8))
    solved: list[int] = []
    work_out = statistics.discriminant
    monkeypatch.setattr(statistics, "discriminant", lambda *sums: solved.append(1) or work_out(*sums))
    for start in range(200, 260, 10):
        method.predict_proba(images[start : start + 10], None)
        method.observe(Experience(images[start : start + 10], labels[start : start + 10]))
    assert len(solved) == 6
    again = a_method((1, 8, 8), torch.uint8)
    again.load_state_dict(method.state_dict())
    assert torch.equal(again.predict_proba(images[:50], None), method.predict_proba(images[:50], None))


@pytest.mark.parametrize("budget_bits", [2_000, 20_000])
def test_the_budget_holds_while_a_hundred_classes_come(budget_bits: int) -> None:
    method = a_method((1, 8, 8), torch.uint8, memory__budget_bits=budget_bits)
    images = digits()[0]
    for label in range(25 if budget_bits == 2_000 else 100):
        method.observe(Experience(images[label : label + 1], torch.tensor([label])))
        assert method.stored_bits()["statistics"] <= budget_bits
    assert method.classes == label + 1
