"""Who answers best: by the latest examples of a class that comes now, by the exam of one that does not."""

from __future__ import annotations

import torch
from torch import Tensor

from streamlearner.evaluation.evidence import RECENT, Evidence

CAREFUL, HASTY = "careful", "hasty"


def evidence(classes: int = 2) -> Evidence:
    made = Evidence((CAREFUL, HASTY))
    made.grow(classes)
    return made


def came(made: Evidence, label: int, *, careful: float, hasty: float, of: int = 200) -> None:
    """Examples of one class, of which these shares were answered rightly."""
    labels = torch.full((of,), label)
    right = torch.stack([torch.arange(of) % 100 < 100 * rate for rate in (careful, hasty)])
    for start in range(0, of, 10):
        made.add(right[:, start : start + 10], labels[start : start + 10])


def exam(*right: tuple[float, float], of_each: int = 30) -> tuple[dict[str, Tensor], Tensor]:
    """By class: shares of the exam that the careful and the hasty one have right."""
    labels = torch.arange(len(right)).repeat_interleave(of_each)
    places = torch.arange(of_each) / of_each
    hits = [torch.cat([places < pair[who] for pair in right]) for who in (0, 1)]
    return dict(zip((CAREFUL, HASTY), hits, strict=True)), labels


def test_nobody_replaces_who_answers_before_there_is_evidence() -> None:
    nothing = torch.zeros(0, dtype=torch.bool)
    assert evidence().best(HASTY, {CAREFUL: nothing, HASTY: nothing}, torch.zeros(0).long()) == HASTY


def test_what_does_not_come_now_is_judged_by_the_exam() -> None:
    made = evidence()
    came(made, 0, careful=0.9, hasty=0.98)
    came(made, 1, careful=0.9, hasty=0.98, of=RECENT + 10)  # class after class: 0 is long ago
    assert made.best(HASTY, *exam((0.9, 0.1), (0.9, 1.0))) == CAREFUL


def test_what_comes_now_is_judged_by_its_latest_examples_and_not_by_an_exam_of_what_it_meant() -> None:
    made = evidence()
    for _ in range(5):
        came(made, 0, careful=0.3, hasty=0.9, of=50)
        came(made, 1, careful=0.3, hasty=0.9, of=50)
    assert made.best(CAREFUL, *exam((1.0, 0.0), (1.0, 0.0))) == HASTY


PLACES = torch.arange(100)
OF_ONE_CLASS = torch.zeros(100, dtype=torch.int64)
EIGHTY, THREE_MORE, THREE_MORE_IN_ALL = PLACES < 80, PLACES < 83, PLACES >= 17
"""Right answers: the last two are 83 each, of which 80 or 63 are among the first."""


def test_a_difference_that_may_be_chance_changes_nothing() -> None:
    """Of 100 answers three more are right, of three that differ, or of 37."""
    made = evidence(1)
    assert made.best(CAREFUL, {CAREFUL: EIGHTY, HASTY: THREE_MORE}, OF_ONE_CLASS) == HASTY
    assert made.best(CAREFUL, {CAREFUL: EIGHTY, HASTY: THREE_MORE_IN_ALL}, OF_ONE_CLASS) == CAREFUL
    assert made.best(CAREFUL, {CAREFUL: EIGHTY, HASTY: THREE_MORE}, OF_ONE_CLASS, doubt=2.0) == CAREFUL
    assert made.best(CAREFUL, {CAREFUL: EIGHTY, HASTY: PLACES < 99}, OF_ONE_CLASS, doubt=2.0) == HASTY


def test_less_tells_of_two_who_are_akin() -> None:
    shown = {CAREFUL: EIGHTY, HASTY: THREE_MORE_IN_ALL}
    made = evidence(1)
    assert made.best(CAREFUL, shown, OF_ONE_CLASS, akin=(CAREFUL, HASTY)) == HASTY
    assert made.best(CAREFUL, shown, OF_ONE_CLASS, akin=(CAREFUL, "another")) == CAREFUL
    same = {CAREFUL: EIGHTY, HASTY: EIGHTY}
    assert made.best(CAREFUL, same, OF_ONE_CLASS, akin=(CAREFUL, HASTY)) == CAREFUL


def test_of_two_who_are_akin_one_may_be_expected_to_be_better() -> None:
    """Nothing is asked of it, and against it as much as between any two."""
    akin, made = (CAREFUL, HASTY), evidence(1)
    hardly = {CAREFUL: EIGHTY, HASTY: PLACES >= 19}
    assert made.best(CAREFUL, hardly, OF_ONE_CLASS, akin=akin) == CAREFUL
    assert made.best(CAREFUL, hardly, OF_ONE_CLASS, akin=akin, expected=HASTY) == HASTY
    assert made.best(CAREFUL, hardly, OF_ONE_CLASS, expected=HASTY) == CAREFUL
    against_it = {CAREFUL: THREE_MORE_IN_ALL, HASTY: EIGHTY}
    assert made.best(HASTY, against_it, OF_ONE_CLASS, akin=akin) == CAREFUL
    assert made.best(HASTY, against_it, OF_ONE_CLASS, akin=akin, expected=HASTY) == HASTY
    beyond_doubt = {CAREFUL: PLACES < 99, HASTY: EIGHTY}
    assert made.best(HASTY, beyond_doubt, OF_ONE_CLASS, akin=akin, expected=HASTY) == CAREFUL


def test_of_few_classes_only_who_forgets_none_of_the_others_takes_over() -> None:
    made = Evidence((CAREFUL, HASTY), lasting=CAREFUL)
    made.grow(3)
    assert made.best(HASTY, {CAREFUL: PLACES < 99, HASTY: EIGHTY}, OF_ONE_CLASS) == CAREFUL
    assert made.best(CAREFUL, {CAREFUL: EIGHTY, HASTY: PLACES < 99}, OF_ONE_CLASS) == CAREFUL


def test_who_can_answer_no_more_is_replaced() -> None:
    assert evidence(1).best(HASTY, {CAREFUL: EIGHTY}, OF_ONE_CLASS) == CAREFUL


def test_after_a_change_of_meaning_the_exam_says_nothing_for_a_while() -> None:
    made = evidence()
    came(made, 0, careful=0.9, hasty=0.9)
    made.forget_latest()
    assert made.best(CAREFUL, *exam((0.0, 1.0), (0.0, 1.0))) == CAREFUL
    came(made, 0, careful=0.5, hasty=0.5, of=RECENT)
    assert made.best(CAREFUL, *exam((0.5, 1.0), (0.0, 1.0))) == HASTY


def test_a_restart_judges_alike_whatever_the_number_of_classes() -> None:
    made, again = evidence(5), Evidence((CAREFUL, HASTY))
    for label in range(5):
        came(made, label, careful=0.2 * label, hasty=0.5)
    again.load_state_dict(made.state_dict())
    assert {name: part.tolist() for name, part in again.state_dict().items()} == {
        name: part.tolist() for name, part in made.state_dict().items()
    }
