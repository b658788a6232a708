"""Codes that are worse recollections than the mean of each class are refused, and others chosen."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamlearner.app.learning import make_learner
from streamlearner.config.loading import load
from streamlearner.decoding.batch import Batch
from streamlearner.decoding.codec import Schema
from streamlearner.evaluation.class_means import code_error
from streamlearner.learning.learner import Learner
from streamlearner.methods.code_choice import CodeChoice
from tests.support.learners import everything, restarted

CLASSES = 4


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def learner(shape: tuple[int, ...], **settings: object) -> Learner:
    named = {"precision": "fp32", "network.name": "mlp", "exam.fraction": 0.3} | {
        name.replace("__", "."): value for name, value in settings.items()
    }
    dtype = "uint8" if len(shape) == 3 else "float32"
    return make_learner(load(path=None, settings=named, environ={}), schema=Schema(shape=shape, dtype=dtype))


def icons(count: int, shape: tuple[int, ...] = (1, 16, 16), *, seed: int = 1, noise: int = 4) -> Tensor:
    """Of each class the same sharp picture, as a fixed camera sees it, with a little noise."""
    drawn, rng = torch.Generator().manual_seed(0), torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 2, (CLASSES, *shape), generator=drawn) * 200.0 + 20
    noisy = pictures[labels_of(count)] + noise * torch.randn(count, *shape, generator=rng)
    return noisy.round().clamp(0, 255).to(torch.uint8)


def labels_of(count: int) -> Tensor:
    return torch.arange(count) % CLASSES


def smooth(count: int, *, seed: int = 1) -> Tensor:
    """Each another one, of no few pictures: what any code says more of than the mean."""
    coarse = torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
    return (torch.nn.functional.interpolate(coarse, size=(16, 16)) * 255).to(torch.uint8)


def learn(taught: Learner, inputs: Tensor, labels: Tensor, *, batch: int = 10) -> list[CodeChoice]:
    """Which codes were chosen on the way."""
    found = []
    for some, named in zip(torch.split(inputs, batch), torch.split(labels, batch), strict=True):
        none, names = (None,) * len(some), tuple(f"class {label}" for label in named.tolist())
        result = taught.learn(Batch(inputs=some, labels=names, tasks=none, ids=none))
        found += [result.code] if result.code else []
    return found


def error(taught: Learner, inputs: Tensor, labels: Tensor) -> float:
    coded = taught.method.coded(inputs)
    assert coded is not None
    found = code_error(inputs, coded, labels)
    assert found is not None
    return found


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 8, 8), (1, 8, 8)])
def test_of_pictures_that_hardly_vary_longer_codes_are_kept(shape: tuple[int, ...]) -> None:
    taught = learner(shape, memory__budget_bits=200_000)
    chosen = learn(taught, icons(240, shape), labels_of(240))
    assert [choice.before > 1 >= choice.after for choice in chosen] == [True]
    assert chosen[0].code_bits[1] > chosen[0].code_bits[0]
    assert error(taught, icons(60, shape, seed=2), labels_of(60)) <= 1
    assert taught.method.stored_bits()["recollections"] <= 200_000
    assert taught.method.remembered > 20
    shown = taught.method.recollect(1)
    assert {label for label, _ in shown} == set(range(CLASSES))


def test_codes_that_say_more_than_the_mean_stay() -> None:
    taught = learner((1, 16, 16), memory__budget_bits=200_000)
    before = taught.method.state_dict().keys()
    assert learn(taught, smooth(240), labels_of(240)) == []
    assert taught.refused_codes is None
    assert "refused_codes" not in taught.facts()
    assert {name for name in taught.method.state_dict() if "association" in name} <= set(before)


def test_a_length_that_was_configured_stays() -> None:
    taught = learner((1, 16, 16), memory__budget_bits=200_000, association__code_bits=40)
    assert all(choice.code_bits == (40, 40) for choice in learn(taught, icons(240), labels_of(240)))


def test_nothing_is_chosen_of_which_the_budget_holds_too_few() -> None:
    taught = learner((1, 16, 16), memory__budget_bits=12_000)
    for choice in learn(taught, icons(240), labels_of(240)):
        assert choice.recollections >= 20
    assert taught.method.remembered >= 20


def moved(seed: int) -> tuple[Tensor, Tensor]:
    """For long one class of vectors, then another where the codes fitted to the first do not reach."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.tensor([0] * 400 + [1] * 100)
    return torch.randn(500, 16, generator=rng) + 20.0 * labels[:, None], labels


def test_a_class_that_is_elsewhere_has_codes_that_reach_it() -> None:
    taught = learner((16,), memory__budget_bits=20_000)
    chosen = learn(taught, *moved(1))
    assert chosen
    assert error(taught, *moved(2)) <= 1
    assert taught.refused_codes is not None
    assert taught.refused_codes["count"] == len(chosen)
    assert taught.refused_codes["error"]["after"] == chosen[-1].after


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 8, 8), (16,)])
def test_a_restart_after_codes_were_refused_continues_to_the_same_bits(shape: tuple[int, ...]) -> None:
    images = len(shape) == 3
    inputs, labels = (icons(300, shape), labels_of(300)) if images else moved(1)
    taught = learner(shape, memory__budget_bits=100_000 if images else 20_000)
    last = len(inputs) - 40
    assert learn(taught, inputs[:last], labels[:last])
    again = restarted(taught, learner(shape, memory__budget_bits=100_000 if images else 20_000))
    assert everything(again) == everything(taught)
    for one in (taught, again):
        learn(one, inputs[last:], labels[last:])
        one.begin_consolidation(share=0.01)
        one.consolidate(1_000)
    assert everything(again) == everything(taught)
