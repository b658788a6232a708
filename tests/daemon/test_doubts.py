"""What is doubtful is named, told with the setting to look at, and only while it is so."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from streamlearner.config.loading import Config
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.doubts import ALONG, BEGUN, FEW, REFUSING, diverged, doubts
from streamlearner.daemon.events import Events
from streamlearner.decoding.batch import Batch
from streamlearner.evaluation.prequential import NoChange, Prequential
from streamlearner.learning.learner import Learner
from streamlearner.learning.results import LearningResult
from streamlearner.networks.refused_steps import REFUSED
from streamlearner.telemetry.metrics import Metrics
from tests.support.daemon_runs import example, figure, run, settings
from tests.support.learners import of_classes, slept, with_oracle


def learned(*, knows: int, fraction: float = 0.5) -> Learner:
    """Four classes, of which a sleep leaves so many known; far beyond the beginning."""
    learner = with_oracle(retains=knows, fraction=fraction, tolerance=1.0)
    for _ in range(30):
        learner.learn(of_classes(["0", "1", "2", "3"]))
    slept(learner)
    learner.progress.learned = BEGUN
    return learner


def test_all_is_well_where_retention_is_good_and_well_measured() -> None:
    assert doubts(learned(knows=4)) == {}


def test_an_answer_no_better_than_guessing_is_doubted() -> None:
    found = doubts(learned(knows=1))
    assert found.keys() == {"at_chance", "below_class_means"}  # its classes lie apart
    assert "25.0%" in found["at_chance"]
    assert "memory.budget_bits" in found["at_chance"]
    assert doubts(learned(knows=2)).keys() == {"below_class_means"}


def test_an_exam_of_a_few_examples_is_doubted() -> None:
    found = doubts(learned(knows=4, fraction=0.05))
    assert found.keys() == {"exam_small"}
    assert "exam.fraction" in found["exam_small"]


def test_answers_below_those_of_class_means_are_doubted() -> None:
    learner = learned(knows=4)
    measured = learner.exam_accuracy
    assert measured is not None and sum(measured.hits) == len(measured.hits)
    wrong = tuple(i % 2 == 0 for i in range(len(measured.hits)))
    learner.exam_accuracy = replace(measured, hits=wrong, class_means=0.9)
    assert doubts(learner).keys() == {"below_class_means"}
    assert "90.0%" in doubts(learner)["below_class_means"]
    learner.exam_accuracy = replace(measured, hits=wrong, class_means=0.52)  # no more than chance tells
    assert doubts(learner) == {}


@pytest.mark.parametrize(("wrong", "doubted"), [(0, set()), (1, set()), (6, {"below_class_means"})])
def test_a_slip_or_two_are_no_doubt_where_class_means_are_always_right(wrong: int, doubted: set[str]) -> None:
    learner = learned(knows=4)
    measured = learner.exam_accuracy
    assert measured is not None
    hits = (False,) * wrong + (True,) * (40 - wrong)
    learner.exam_accuracy = replace(measured, hits=hits, class_means=1.0)
    assert doubts(learner).keys() == doubted


def test_examples_withheld_since_the_measurement_are_not_counted_as_wrong() -> None:
    learner = learned(knows=4)
    measured = learner.exam_accuracy
    assert measured is not None and all(measured.hits)
    assert len(learner.exam) > FEW
    learner.exam_accuracy = replace(measured, hits=measured.hits[:FEW], class_means=1.0)
    assert doubts(learner) == {}


def test_examples_withheld_since_the_measurement_do_not_make_it_surer() -> None:
    learner = learned(knows=4)
    measured = learner.exam_accuracy
    assert measured is not None and len(learner.exam) > FEW
    by_chance = 1 / 4 + 1.9 * (3 / 16 / FEW) ** 0.5  # of the four classes, as 30 examples may have it
    of_all = 1 / 4 + 2 * (3 / 16 / len(learner.exam)) ** 0.5
    assert by_chance > of_all
    learner.exam_accuracy = replace(measured, hits=measured.hits[:FEW], overall=by_chance)
    assert doubts(learner).keys() == {"at_chance"}


IN_CLASS_ORDER = [nth // 250 for nth in range(1_000)]
SHUFFLED = random.Random(0).sample(IN_CLASS_ORDER, k=1_000)


@pytest.mark.parametrize(
    ("right", "labels", "doubted"),
    [
        pytest.param(0.9, SHUFFLED, False, id="knows"),
        pytest.param(0.25, SHUFFLED, True, id="guesses"),
        pytest.param(0.9, IN_CLASS_ORDER, True, id="in-class-order"),
    ],
)
def test_answers_no_better_than_the_label_before_are_doubted(
    right: float, labels: list[int], doubted: bool
) -> None:
    """Early on, too: a learner that guesses, or a stream in class order, where it would tell nothing."""
    learner = learned(knows=1)
    learner.prequential, learner.no_change = Prequential(window=1_000), NoChange(window=1_000)
    learner.prequential.update([nth < 1_000 * right for nth in range(1_000)])
    learner.no_change.follow(labels[:-1])
    learner.progress.learned = ALONG
    assert doubts(learner) == {}  # its window is not full
    learner.no_change.follow(labels[-1:])
    assert doubts(learner).keys() == ({"no_change"} if doubted else set())
    learner.progress.learned = ALONG - 1
    assert doubts(learner) == {}


def test_codes_that_tell_less_than_class_means_are_doubted() -> None:
    learner = learned(knows=4)
    assert learner.exam_accuracy is not None
    for error, found in ((1.2, {"poor_codes"}), (0.9, set()), (None, set())):
        learner.exam_accuracy = replace(learner.exam_accuracy, code_error=error)
        assert doubts(learner).keys() == found


@pytest.mark.parametrize(("refused", "adopted", "doubted"), [(2, 0, 0), (3, 0, 1), (3, 2, 0), (9, 2, 1)])
def test_sleeps_refused_again_and_again_are_doubted(refused: int, adopted: int, doubted: int) -> None:
    learner = learned(knows=4)
    learner.progress.refused, learner.progress.adopted = refused, adopted
    assert ("sleeps_refused" in doubts(learner)) == bool(doubted)


def test_nothing_is_doubted_before_it_has_begun() -> None:
    learner = learned(knows=1, fraction=0.05)
    learner.progress.learned = BEGUN - 1
    assert doubts(learner) == doubts(None) == {}


def test_by_default_the_exam_is_large_enough_before_it_could_be_doubted() -> None:
    assert Config().exam.fraction * BEGUN >= 2 * FEW


def test_all_doubts_are_told_together() -> None:
    learner = learned(knows=1, fraction=0.3)
    learner.progress.refused = 5
    learner.progress.adopted = 0
    assert doubts(learner).keys() == {"at_chance", "below_class_means", "sleeps_refused"}


def test_a_doubt_is_logged_when_it_arises_and_shown_while_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics(CollectorRegistry())
    events = Events(metrics=metrics, clock=float, wall_clock=float)
    for now in ({"at_chance": "guesses"}, {"at_chance": "guesses"}, {}, {"at_chance": "guesses"}):
        events.doubted(now)
        shown = 'streamlearner_doubts{name="at_chance"} 1.0' in metrics.exposition().decode()
        assert shown == bool(now)
    assert [record.getMessage() for record in caplog.records] == ["guesses (at_chance)"] * 2


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"weight": "neocortex.head.bias"}, "neocortex.head.bias is not finite, and no checkpoint is saved"),
        ({"answers": True}, "the model gives no finite answer"),
        ({"refusing": REFUSING}, "20% of the last batches had steps that were not taken"),
    ],
)
def test_a_model_that_diverged_is_doubted_from_the_first_example_on(told: dict[str, Any], says: str) -> None:
    well: dict[str, Any] = {"weight": None, "answers": False, "refusing": REFUSING - 0.01}
    assert diverged(**well) == {}
    found = diverged(**well | told)
    assert found.keys() == {"diverged"}
    assert found["diverged"].startswith(f"{says}: ") and "method.learning_rate" in found["diverged"]


def test_steps_refused_batch_after_batch_are_a_doubt_and_a_single_one_is_none(tmp_path: Path) -> None:
    def refuses(self: Learner, batch: Batch, **how: Any) -> LearningResult:
        REFUSED.add()
        return learn(self, batch, **how)

    learn = Learner.learn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "learn", refuses)
        daemon = run(settings(tmp_path), MemorySource([example(n) for n in range(5)]))
        assert "diverged" not in daemon.status()["doubts"]
        daemon = run(settings(tmp_path), MemorySource([example(n) for n in range(150)]))
        assert "of the last batches" in daemon.status()["doubts"]["diverged"]
    assert figure(daemon, 'streamlearner_doubts{name="diverged"}') == 1
