"""The nearest recollections as an answerer: what they answer, and where they may."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamlearner.methods import nearest as nearest_recollections
from streamlearner.methods.answerers import AVERAGED, NEAREST, STATISTICS
from streamlearner.methods.experience import Selection
from streamlearner.methods.nearest import BANDWIDTH, NEIGHBOURS, NearestRecollections, most_of
from tests.support.clouds import answer, batch, choose, learned, made


def by_hand(inputs: Tensor, shown: Tensor, labels: Tensor, *, classes: int) -> Tensor:
    """Of vectors: probabilities [n, classes] by the definition."""
    unit = shown.double().std(0, correction=0)
    unit[unit == 0] = 1.0
    rows = []
    for one in inputs.double():
        squares = (((one - shown.double()) / unit) ** 2).sum(1)
        variance = BANDWIDTH * squares.sort().values[:NEIGHBOURS].mean()
        kernels = torch.exp((squares.min() - squares) / variance)
        of_class = torch.stack([kernels[labels == k].sum() for k in range(classes)])
        rows.append(of_class / of_class.sum())
    return torch.stack(rows)


def test_classes_are_as_likely_as_the_kernels_of_their_recollections_say() -> None:
    chance = torch.Generator().manual_seed(1)
    shown = torch.randn(40, 5, generator=chance) * torch.tensor([1.0, 100.0, 0.01, 3.0, 0.0])
    labels = torch.randint(3, (40,), generator=chance)
    inputs = shown[:7] + 0.3 * torch.randn(7, 5, generator=chance)
    found = NearestRecollections(shown, labels, classes=3)(inputs).softmax(1)
    assert torch.allclose(found.double(), by_hand(inputs, shown, labels, classes=3), atol=1e-6)


def test_an_input_that_is_remembered_has_the_label_it_had() -> None:
    shown = torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    scores = NearestRecollections(shown, torch.tensor([2, 2, 0]), classes=4)(shown)
    assert scores.argmax(1).tolist() == [2, 2, 0]
    assert scores.isfinite().all()  # also of a class without a recollection


def test_pixels_of_an_image_are_not_scaled_by_how_much_they_vary() -> None:
    shown = torch.zeros(3, 1, 2, 2)
    shown[1, 0, 0, 0], shown[2, 0, 1, 1] = 0.1, 1.0
    asked = torch.zeros(1, 1, 2, 2)
    asked[0, 0, 0, 0], asked[0, 0, 1, 1] = 0.1, 0.4
    assert NearestRecollections(shown, torch.arange(3), classes=3)(asked).argmax(1).tolist() == [1]


def test_only_small_recollections_may_answer() -> None:
    assert most_of((64,)) == most_of((1, 8, 8)) == 2_048
    assert most_of((256,)) == 512
    assert most_of((1, 28, 28)) == 0


def test_of_many_an_even_part_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """They did not answer any more: right 99.9 % of the time became 79, from one batch to the next."""
    monkeypatch.setattr(nearest_recollections, "MOST", 512)
    method = made()
    assert NEAREST not in method.answerers
    looked_at, right = [], []
    for number in range(60):
        method.observe(batch(number))
        answer(method, NEAREST)
        looked_at.append(len(method._nearest().shown))
        asked = batch(1_000 + number)
        answered = method.predict_proba(asked.inputs, None).argmax(1)
        right.append(float((answered == asked.labels).float().mean()))
    assert looked_at == [min(512, held) for held in range(10, 601, 10)]
    assert method.route == NEAREST
    assert sum(right[-9:]) / 9 > sum(right[40:49]) / 9 - 0.05


def test_without_statistics_the_network_takes_over_from_them() -> None:
    method = learned(5)
    method.answering.statistics = None
    answer(method, NEAREST)
    method.erase(Selection(label=0))
    assert method.route == NEAREST
    method.erase(Selection(label=1))
    assert NEAREST not in method.answerers and method.route == AVERAGED


def test_they_answer_where_they_answer_better() -> None:
    method = learned(30)
    choose(method)
    assert method.route == NEAREST
    asked = batch(1_000, size=400)
    right = {
        name: float((found.argmax(1) == asked.labels).float().mean())
        for name, found in method.answers(asked.inputs, None).items()
    }
    assert right[NEAREST] > right[STATISTICS]


def test_a_frozen_copy_answers_the_same_and_goes_on_doing_so() -> None:
    method, asked = learned(10), batch(77).inputs
    answer(method, NEAREST)
    frozen, expected = method.frozen(), method.predict_proba(asked, None)
    for number in range(10, 20):
        method.observe(batch(number))
    assert torch.equal(frozen.predict_proba(asked, None), expected)
    assert not torch.equal(method.predict_proba(asked, None), expected)
    assert torch.equal(frozen.frozen().predict_proba(asked, None), expected)


@pytest.mark.parametrize("who", [NEAREST, STATISTICS])
def test_a_frozen_copy_holds_no_memory(who: str) -> None:
    """Of a large one a copy took its time with each refresh, and decoded it for each answer."""
    method = learned(10)
    answer(method, who)
    frozen = method.frozen()
    assert not isinstance(frozen.memory, type(method.memory))
    assert (frozen.decoded is not None) == (who == NEAREST)
    assert frozen.state_dict().keys() <= method.state_dict().keys()


def test_what_is_erased_answers_no_more() -> None:
    method = learned(10)
    answer(method, NEAREST)
    asked = batch(3)
    where = int((asked.labels == 1).nonzero()[0])
    one, before = asked.inputs[where : where + 1], len(method.memory)
    sure = float(method.predict_proba(one, None)[0, 1])
    assert asked.ids is not None
    method.erase(Selection(id=int(asked.ids[where])))
    assert len(method.memory) == before - 1
    assert float(method.predict_proba(one, None)[0, 1]) < sure


def test_a_restart_comes_to_the_same_bits() -> None:
    method = learned(20)
    choose(method)
    assert method.route == NEAREST
    again = made()
    again.load_state_dict(method.state_dict())
    for one in (method, again):
        for number in range(20, 30):
            one.observe(batch(number))
        choose(one)
    theirs = method.state_dict()
    assert all(torch.equal(held, theirs[name]) for name, held in again.state_dict().items())


def test_checkpoints_from_before_they_could_answer_are_read() -> None:
    method = learned(20)
    state = method.state_dict()
    state["answering.choice"] = state["answering.choice"][:4]
    state["answering.evidence.hits"] = state["answering.evidence.hits"][:4]
    again = made()
    again.load_state_dict(state)
    assert NEAREST not in again.answerers
    again.observe(batch(20))
    assert NEAREST in again.answerers
    assert again.answering.evidence.hits.shape == method.answering.evidence.hits.shape


@pytest.mark.parametrize("changed", [False, True])
def test_after_a_change_of_meaning_recollections_are_not_asked(changed: bool) -> None:
    method = learned(30)
    answer(method, STATISTICS)
    method.answering.evidence.forget_latest()  # nor does the exam tell anything
    assert method.answering.statistics is not None
    if changed:
        method.answering.statistics.sums.halve()
    choose(method)
    assert method.route == (STATISTICS if changed else NEAREST)
