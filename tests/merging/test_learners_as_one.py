"""Learners of parts of a stream merge into what one would be that saw all of it."""

from __future__ import annotations

import operator
from functools import cache
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from streamlearner.app.learning import make_learner
from streamlearner.config import loading as config
from streamlearner.decoding.batch import Batch
from streamlearner.decoding.codec import Schema
from streamlearner.learning.learner import Learner
from streamlearner.learning.merging import continue_from, draw_apart, merge
from streamlearner.merging.fits import best_fit, fit_digest, recode
from streamlearner.merging.shards import Codes, Indices
from streamlearner.methods.base import raw, unit_interval

GREY, VECTOR = Schema(shape=(1, 8, 8), dtype="uint8"), Schema(shape=(64,), dtype="float32")
BUDGET = 64 * 8 * 1_024


@cache
def digits(schema: Schema) -> tuple[Tensor, list[int]]:
    bundle = load_digits()
    order = torch.randperm(1_200, generator=torch.Generator().manual_seed(0))
    pixels = torch.tensor(bundle.images)[order].reshape(-1, *schema.shape)
    inputs = pixels.float() if schema.dtype == "float32" else (pixels * 255 / 16).round().to(torch.uint8)
    return inputs, [int(label) for label in torch.tensor(bundle.target)[order]]


def a_learner(schema: Schema = GREY, *, seed: int = 0, **settings: Any) -> Learner:
    chosen = {"seed": seed, "memory.budget_bits": BUDGET, "exam.fraction": 0.0, "sleep.steps": 300}
    chosen |= {name.replace("__", "."): value for name, value in settings.items()}
    return make_learner(config.load(path=None, settings=chosen, environ={}), schema=schema)


def taught(learner: Learner, schema: Schema, rows: list[int]) -> Learner:
    inputs, labels = digits(schema)
    for start in range(0, len(rows), 10):
        part = rows[start : start + 10]
        named, nobody = tuple(labels[row] for row in part), (None,) * len(part)
        learner.learn(Batch(inputs=inputs[part], labels=named, tasks=nobody, ids=nobody))
    return learner


def by_digit(schema: Schema, shards: int) -> list[list[int]]:
    """Each shard sees digits of its own, and all see some zeros."""
    labels = digits(schema)[1]
    rows = [row for row, label in enumerate(labels) if label and row < 600]
    zeros = [row for row, label in enumerate(labels) if not label and row < 600]
    return [
        [r for r in rows if labels[r] % shards == shard] + zeros[shard::shards] for shard in range(shards)
    ]


def merged(schema: Schema, shards: list[Learner], **settings: Any) -> Learner:
    whole = a_learner(schema, **settings)
    merge(whole, shards, generator=torch.Generator().manual_seed(1))
    return whole


def accuracy(learner: Learner, schema: Schema) -> float:
    inputs, labels = digits(schema)
    answers = learner.method.predict_proba(inputs[600:], None).argmax(1).tolist()
    return sum(learner.labels.label(k) == y for k, y in zip(answers, labels[600:], strict=True)) / 600


@pytest.mark.parametrize("seed", [20_261_129, 2**63, 10**30])
def test_a_seed_may_be_as_large_as_one_likes_and_learners_still_draw_apart(seed: int) -> None:
    learners = [a_learner(seed=seed, exam__fraction=0.5) for _ in range(2)]
    for number, learner in enumerate(learners, 1):
        draw_apart(learner, number=number)
    inputs, named = digits(GREY)
    labels = torch.tensor(named[:60])
    first, second = (each.exam.withhold(inputs[:60], labels, None, period=0) for each in learners)
    assert first and first != second


@pytest.mark.parametrize("shards", [2, 5])
def test_statistics_of_shards_equal_those_of_one_process_to_the_last_bit(shards: int) -> None:
    settings = {"method__name": "streaming_statistics"}
    parts = by_digit(GREY, shards)
    learners = [taught(a_learner(seed=0, **settings), GREY, part) for part in parts]
    whole, alone = a_learner(seed=0, **settings), a_learner(seed=0, **settings)
    for label in sorted({label for part in parts for label in [digits(GREY)[1][row] for row in part]}):
        assert whole.labels.index(label) == alone.labels.index(label)
    merge(whole, learners, generator=torch.Generator().manual_seed(1))
    taught(alone, GREY, [row for part in parts for row in part])
    ours, theirs = whole.method.hippocampus.state_dict(), alone.method.hippocampus.state_dict()
    for name in [name for name in ours if name.startswith("sums.")]:
        assert torch.equal(ours[name], theirs[name]), name
    assert accuracy(whole, GREY) == accuracy(alone, GREY) > 0.85


def test_statistics_that_scale_inputs_otherwise_are_no_sum() -> None:
    settings = {"method__name": "streaming_statistics"}
    one, other = (taught(a_learner(VECTOR, **settings), VECTOR, rows) for rows in ([0, 1, 2], [700, 701]))
    with pytest.raises(ValueError, match="cannot merge statistics: other seeds, or other first inputs"):
        merged(VECTOR, [one, other], **settings)


def test_learners_whose_statistics_are_no_sum_merge_without_them() -> None:
    learners = [taught(a_learner(VECTOR), VECTOR, rows) for rows in ([0, 1, 2], [700, 701])]
    whole = merged(VECTOR, learners)
    assert "statistics" not in whole.method.stored_bits() and whole.method.remembered == 5


def test_learners_draw_apart() -> None:
    settings = {"memory__budget_bits": 6_000, "method__statistics": False}
    held = []
    for number in (0, 1):
        learner = a_learner(**settings)
        draw_apart(learner, number=number)
        held.append(taught(learner, GREY, list(range(400))).method.memory.contents().symbols)
    assert not torch.equal(*held)


def test_a_method_that_cannot_merge_says_so() -> None:
    settings = {"method__name": "generative_dual_memory"}
    with pytest.raises(ValueError, match="GenerativeDualMemory remembers nothing that could be merged"):
        merged(GREY, [a_learner(**settings)], **settings)


def test_learners_that_see_other_digits_are_one_that_knows_all_of_them() -> None:
    parts = by_digit(GREY, 4)
    learners = [taught(a_learner(), GREY, part) for part in parts]
    whole = merged(GREY, learners)
    assert whole.method.remembered == sum(learner.method.remembered for learner in learners)
    assert whole.progress.learned == sum(map(len, parts))
    names = {whole.labels.label(k): n for k, n in whole.method.remembered_by_class().items()}
    assert names == {
        label: sum(digits(GREY)[1][row] == label for part in parts for row in part) for label in names
    }
    assert len(names) == 10
    whole.begin_consolidation()
    result = whole.consolidate(1_000)
    assert result is not None and result.adopted and result.version == 1
    inputs, labels = digits(GREY)
    for answerer, answers in whole.method.answers(inputs[600:], None).items():
        right = [whole.labels.label(k) for k in answers.argmax(1).tolist()]
        assert sum(map(operator.eq, right, labels[600:])) > 0.85 * 600, answerer
    assert whole.method.stored_bits()["recollections"] <= BUDGET


def test_the_merged_exam_holds_what_each_withheld() -> None:
    settings = {"exam__fraction": 0.2}
    learners = [taught(a_learner(**settings), GREY, part) for part in by_digit(GREY, 3)]
    whole = merged(GREY, learners, **settings)
    assert len(whole.exam) == sum(len(learner.exam) for learner in learners) == whole.progress.withheld
    answers = {whole.labels.label(int(k)) for k in whole.exam.labels}
    assert answers == set(range(10))


def test_a_merged_exam_of_little_room_is_balanced() -> None:
    learners = [taught(a_learner(exam__fraction=0.3), GREY, part) for part in by_digit(GREY, 3)]
    whole = merged(GREY, learners, exam__budget_bits=20 * (8 * 64 + 96))
    counts = torch.bincount(whole.exam.labels)
    assert len(whole.exam) == 20 and counts.tolist() == [2] * 10
    assert whole.exam.stored_bits <= whole.exam.budget_bits


def test_who_answers_is_chosen_by_the_merged_exam_also_where_it_goes_on_from_a_version() -> None:
    learners = [taught(a_learner(exam__fraction=0.2), GREY, part) for part in by_digit(GREY, 2)]
    first, second = merged(GREY, learners), a_learner()
    continue_from(second, first)
    merge(second, learners, generator=torch.Generator().manual_seed(2))
    assert second.method.route == "hippocampus"
    labels = torch.arange(10).repeat(4)
    hits = {name: torch.full((40,), name == "statistics") for name in second.method.answerers}
    second.method.choose_answerer(hits, labels)
    assert second.method.route == "statistics"


def test_a_fit_is_known_by_what_its_codes_mean() -> None:
    rows = list(range(300))
    one, same, other = (
        taught(a_learner(VECTOR, seed=seed, memory__budget_bits=12_000), VECTOR, seen).method
        for seed, seen in ((0, rows), (1, rows), (0, rows[100:]))
    )
    assert fit_digest(one.association) == fit_digest(same.association) != fit_digest(other.association)


def test_codes_of_another_fit_are_encoded_anew_and_the_distortion_is_counted() -> None:
    settings = {"memory__budget_bits": 12_000, "method__statistics": False}
    parts = by_digit(VECTOR, 2)
    one, other = (taught(a_learner(VECTOR, **settings), VECTOR, part).method for part in parts)
    assert fit_digest(one.association) != fit_digest(other.association)
    before = one.association.decode(one.memory.contents().symbols)
    counted = recode(one.memory, of=one.association, by=other.association)
    after = other.association.decode(one.memory.contents().symbols)
    assert counted.records == len(before) and counted.distortion_l1 > 0
    assert len(after) == len(before)
    assert float((after - before).abs().mean()) == pytest.approx(counted.distortion_l1, rel=0.2)


def test_the_fit_that_suits_all_best_is_chosen() -> None:
    settings = {"memory__budget_bits": 12_000, "method__statistics": False}
    rows = list(range(600))
    most, few = (taught(a_learner(VECTOR, **settings), VECTOR, part).method for part in (rows, rows[:20]))
    nothing = Indices({k: k for k in range(10)}, {})
    shards = [Codes(method.memory, method.association, nothing) for method in (few, most)]
    assert best_fit(shards, torch.Generator().manual_seed(0)) is most.association


def test_what_a_merged_memory_decodes_to_is_close_to_what_was_seen() -> None:
    parts = by_digit(GREY, 2)
    whole = merged(GREY, [taught(a_learner(), GREY, part) for part in parts])
    inputs, _ = digits(GREY)
    seen = unit_interval(inputs[[row for part in parts for row in part]]).flatten(1)
    held = whole.method.memory.contents()
    shown = unit_interval(raw(whole.method.association.decode(held.symbols))).flatten(1)
    assert float(torch.cdist(shown, seen).min(1).values.mean()) < 1.5
