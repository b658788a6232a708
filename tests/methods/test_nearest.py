"""The nearest recollections as an answerer: what they answer, while they may, and when they are chosen."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamlearner.app import make_method
from streamlearner.config import loading
from streamlearner.methods import nearest as nearest_recollections
from streamlearner.methods.answerers import ANSWERERS, AVERAGED, NEAREST, STATISTICS
from streamlearner.methods.base import Experience
from streamlearner.methods.experience import Selection
from streamlearner.methods.held_out import nearest_ahead
from streamlearner.methods.nearest import BANDWIDTH, NEIGHBOURS, NearestRecollections, most_of
from streamlearner.methods.recollection_replay import RecollectionReplay
from streamlearner.statistics.directions import Directions
from streamlearner.statistics.statistics import Statistics

COLUMNS = 6
CLOUDS = torch.randn(60, COLUMNS, generator=torch.Generator().manual_seed(8))


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


def made() -> RecollectionReplay:
    config = loading.load(path=None, settings={"memory.budget_bits": 400_000}, environ={})
    method = make_method(config, input_shape=(COLUMNS,), dtype=torch.float32)
    assert isinstance(method, RecollectionReplay)
    return method


def batch(number: int, size: int = 10) -> Experience:
    """Small clouds anywhere, each of one of two classes."""
    chance = torch.Generator().manual_seed(number)
    cloud = torch.randint(len(CLOUDS), (size,), generator=chance)
    inputs = CLOUDS[cloud] + 0.1 * torch.randn(size, COLUMNS, generator=chance)
    return Experience(inputs, cloud % 2, ids=torch.arange(size) + 1 + number * size)


def learned(batches: int) -> RecollectionReplay:
    method = made()
    for number in range(batches):
        method.observe(batch(number))
    return method


def choose(method: RecollectionReplay) -> None:
    """Of an exam that tells nothing."""
    none = torch.zeros(0, dtype=torch.bool)
    method.choose_answerer(dict.fromkeys(method.answerers, none), torch.zeros(0, dtype=torch.int64))


def answer(method: RecollectionReplay, who: str) -> None:
    method.answering.choice[0] = ANSWERERS.index(who)


def test_of_many_an_even_part_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """They did not answer any more: right 99.9 % of the time became 79, from one batch to the next."""
    monkeypatch.setattr(nearest_recollections, "MOST", 512)
    method = made()
    assert NEAREST not in method.answerers
    looked_at, right = [], []
    for number in range(60):
        asked = batch(number)
        method.observe(asked)
        answer(method, NEAREST)
        looked_at.append(len(method._nearest().shown))
        answered = method.predict_proba(batch(1_000 + number).inputs, None).argmax(1)
        right.append(float((answered == batch(1_000 + number).labels).float().mean()))
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


def statistics_of(inputs: Tensor, labels: Tensor) -> Statistics:
    directions = Directions(input_shape=(COLUMNS,), most=12, seed=0)
    found = Statistics(directions=directions, budget_bits=100_000, most=12)
    found.directions.calibrate(inputs)
    found.grow(2)
    for start in range(0, len(inputs), 10):
        part = slice(start, start + 10)
        found.learn(found.numbers(inputs[part]), labels[part], None)
    return found


def ahead(inputs: Tensor, labels: Tensor, *, of: Statistics) -> float | None:
    return nearest_ahead(inputs, of.numbers(inputs), labels, statistics=of, classes=2)


def noisy(count: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Two classes that overlap in one column, among others that tell nothing."""
    labels = torch.arange(count) % 2
    inputs = torch.randn(count, COLUMNS, generator=torch.Generator().manual_seed(seed))
    inputs[:, 0] += 1.5 * labels
    return inputs, labels


def test_held_out_recollections_tell_who_is_better() -> None:
    clouds = batch(0, size=600)
    found = ahead(clouds.inputs, clouds.labels, of=statistics_of(clouds.inputs, clouds.labels))
    assert found is not None and found > 2
    inputs, labels = noisy(600, seed=2)
    found = ahead(inputs, labels, of=statistics_of(inputs, labels))
    assert found is not None and found < -2
    assert ahead(inputs[:40], labels[:40], of=statistics_of(inputs, labels)) is None


@pytest.mark.parametrize("who", [NEAREST, STATISTICS])
def test_the_nearest_do_not_answer_where_they_are_behind_on_recollections(who: str) -> None:
    """An exam of few examples may say the contrary by chance."""
    method = learned(30)
    answer(method, who)
    hits = {name: torch.full((8,), name == NEAREST) for name in method.answerers}
    method.answering.weigh(hits, torch.arange(8) % 2, nearest_ahead=-0.5)
    assert method.route != NEAREST
    method.answering.weigh(hits, torch.arange(8) % 2, nearest_ahead=0.5)
    assert method.route == NEAREST


@pytest.mark.parametrize(("of_100", "who"), [(63, AVERAGED), (90, NEAREST)])
def test_of_a_part_they_must_be_better_each_time_anew(
    of_100: int, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network learns from all, they look at as many as ever."""
    method = learned(30)
    labels = torch.arange(100) % 2
    hits = {name: torch.arange(100) < 30 for name in method.answerers}
    hits |= {AVERAGED: torch.arange(100) < 60, NEAREST: torch.arange(100) >= 100 - of_100}
    for looked_at, expected in ((300, NEAREST), (200, who)):
        monkeypatch.setattr(nearest_recollections, "MOST", looked_at)
        monkeypatch.setattr(nearest_recollections, "LEAST_ROOM", 100)
        method.share_budget()
        answer(method, NEAREST)
        method.answering.evidence.forget_latest()
        method.answering.evidence.trust_exam()
        method.answering.weigh(hits, labels, nearest_ahead=1.0)
        assert method.route == expected


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
