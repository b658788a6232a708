"""`bench run streams`: what its learners are worth, what its tables and its picture say."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from streamlearner.bench.assembly import build_fixture
from streamlearner.bench.experiments import streams
from streamlearner.bench.experiments.streams import ARMS, RIVER, STREAMS, arms_for, built
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Fixture
from streamlearner.bench.kit.results import Row
from streamlearner.bench.kit.summary import summarise
from streamlearner.bench.material.labelled_stream import LabelledStream, class_numbers
from streamlearner.bench.material.stream_comparison import comparisons, figures, tables
from streamlearner.bench.peers import joint
from streamlearner.bench.peers.answering import BATCH, Candidate, answer_then_learn
from streamlearner.bench.peers.discriminant import LinearDiscriminant
from streamlearner.bench.peers.raw_replay import RawReplay
from streamlearner.bench.peers.simple import NearestMean, Neighbours, item_bits
from streamlearner.bench.runner import select_arms
from streamlearner.bench.streams.suite.all import SUITE
from tests.support.tiny_bench import TinyBench

SCOPE = Scope(seeds=1, budgets_bits=None, quick=False)
HAS_RIVER = importlib.util.find_spec("river") is not None


def fixture() -> Fixture:
    """Tiny images in place of the files; scikit-learn's own tables are as they are."""
    return TinyBench()(data=Path("nowhere"), download=False)


@cache
def measured(stream: str, arm: str, budget_bits: int = streams.BUDGET_BITS) -> dict[str, float]:
    """What seed 0 of an arm came to on a stream that needs no file."""
    real = build_fixture(data=Path("nowhere"))
    trial = Trial(f"{stream}/{arm}", budget_bits, 0)
    return {row.metric: row.value for row in STREAMS.run(trial, fixture=real, scope=SCOPE)}


# learners


class Parrot(Candidate):
    """Answers how many examples it has learned; remembers what it was asked."""

    def __init__(self) -> None:
        self.learned = 0

    def answer(self, inputs: Tensor) -> Tensor:
        return torch.full((len(inputs),), self.learned)

    def learn(self, inputs: Tensor, labels: Tensor) -> None:
        self.learned += len(labels)


def test_each_batch_is_answered_before_its_labels_are_learned() -> None:
    answers = answer_then_learn(Parrot(), torch.zeros(25, 2), torch.zeros(25, dtype=torch.int64))[""]
    assert answers.tolist() == [0] * BATCH + [10] * BATCH + [20] * 5


def drawn(classes: int, *, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """600 vectors of overlapping but separable classes; the last of six values is noise."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(600) % classes
    means = 3 * torch.randn(classes, 6, generator=generator)
    inputs = means[labels] + torch.randn(600, 6, generator=generator)
    inputs[:, -1] = scale * torch.randn(600, generator=generator)
    return inputs, labels + 7


@pytest.mark.parametrize(
    "make", [NearestMean, LinearDiscriminant, lambda: Neighbours(budget_bits=50_000, seed=0)]
)
def test_simple_learners_are_right_whatever_the_scale_of_a_noise_column(make: streams.Make) -> None:
    for scale in (1.0, 1e4):
        inputs, labels = drawn(4, scale=scale)
        answers = answer_then_learn(make(), inputs, labels)[""]
        assert answers[:BATCH].unique().tolist() == [-1]  # type: ignore[no-untyped-call]
        assert (answers == labels)[100:].float().mean() > 0.85


def test_neighbours_and_replay_stay_inside_their_bits_and_neighbours_keep_classes_even() -> None:
    inputs, labels = drawn(3)
    order = labels.argsort(stable=True)
    budget = 40 * item_bits(inputs)
    for learner in (
        Neighbours(budget_bits=budget, seed=0),
        RawReplay(budget_bits=budget, seed=0, asymmetric=False),
    ):
        answer_then_learn(learner, inputs[order], labels[order])
        assert learner.stored_bits == budget
        if isinstance(learner, Neighbours):
            assert max(Counter(learner.labels).values()) <= 14


def test_averaged_weights_answer_for_themselves_and_lag_behind() -> None:
    inputs, labels = drawn(4)
    labels[300:] = 7 + (labels[300:] - 6) % 4
    found = answer_then_learn(RawReplay(budget_bits=500, seed=0, asymmetric=False), inputs, labels)
    live, averaged = ((found[way] == labels)[300:].float().mean() for way in ("", "_averaged"))
    assert live > averaged + 0.1


# the experiment


def test_nearest_mean_on_digits_class_after_class_is_what_it_is_known_to_be() -> None:
    found = measured("digits-class", "nearest_mean")
    assert 0.85 < found["end"] < 0.95
    assert 0.7 < found["worst_class"] < found["end"] < 1


def test_the_last_label_is_right_along_classes_in_a_row_and_worth_nothing_after_them() -> None:
    found = measured("digits-class", "no_change")
    assert found["along"] > 0.95
    assert found["end"] < 0.2
    assert found["newest"] == 1.0
    assert found["worst_class"] == 0.0


def test_daemons_answer_far_above_chance_with_any_method() -> None:
    assert measured("digits-class", "statistics")["end"] > 0.85
    assert measured("breast-cancer-shuffled", "ours")["along"] > 0.75
    assert measured("breast-cancer-shuffled", "finetune", 0)["along"] > 0.75


def test_the_daemon_learns_every_example_though_the_last_batch_is_smaller() -> None:
    bench = build_fixture(data=Path("nowhere"))
    stream: LabelledStream = built("wine-class", bench, 0, False)
    assert len(stream.training.labels) % BATCH
    trial = Trial("wine-class/statistics", streams.BUDGET_BITS, 0)
    with streams.candidate_for("statistics", trial, stream, bench) as candidate:
        inputs = torch.from_numpy(stream.training.images)
        answer_then_learn(candidate, inputs, torch.from_numpy(class_numbers(stream.training)))
        progress = candidate.daemon.learner.progress  # type: ignore[attr-defined]
        assert progress.learned + progress.withheld == len(stream.training.labels)


def test_joint_knows_the_last_meaning_of_every_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint, "SHOWN", 4_000)
    assert measured("breast-cancer-relabelled", "joint", 0)["end"] > 0.9
    assert measured("breast-cancer-relabelled", "majority", 0)["end"] < 0.8


def test_replay_is_measured_with_live_and_with_averaged_weights_arms_of_their_own_in_tables() -> None:
    rows = list(STREAMS.run(Trial("wine-class/er", 50_000, 0), fixture=fixture(), scope=SCOPE))
    assert {row.arm for row in rows} == {"wine-class/er"}
    metrics = {row.metric for row in rows}
    assert {"along", "along_averaged", "end", "end_averaged", "newest_averaged"} <= metrics
    found = figures(summarise(rows), "end")["wine-class"]
    assert found == {
        f"er{way}": row.value for row in rows for way in ("", "_averaged") if row.metric == f"end{way}"
    }
    assert all(0 < row.stored_bits <= 50_000 < row.parameter_bits for row in rows)


def test_without_river_its_arms_say_so_and_measure_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(streams, "river_is_installed", lambda: False)
    trial = Trial("wine-class/logistic_regression", 0, 0)
    assert list(STREAMS.run(trial, fixture=fixture(), scope=SCOPE)) == []
    assert (
        "wine-class/logistic_regression is left out: River is not installed: pip" in capsys.readouterr().out
    )


@pytest.mark.skipif(not HAS_RIVER, reason="river is not installed")
@pytest.mark.parametrize("arm", RIVER)
def test_rivers_models_learn_vectors(arm: str) -> None:
    assert measured("breast-cancer-shuffled", arm, 0)["along"] > 0.75


def test_rivers_arms_are_for_small_tables_alone() -> None:
    assert set(RIVER) <= set(arms_for(SUITE["wine-class"])) == set(ARMS)
    assert not set(RIVER) & set(arms_for(SUITE["mnist-class"]))


def test_arms_are_chosen_by_pattern() -> None:
    trials = list(STREAMS.trials(SCOPE))
    chosen = {trial.arm for trial in select_arms(STREAMS, trials, ["*/ours", "wine-class/er"])}
    assert chosen == {"wine-class/er", *(f"{name}/ours" for name in SUITE)}
    with pytest.raises(ValueError, match="the nearest is 'wine-class/er"):
        select_arms(STREAMS, trials, ["wine-class/er_"])


# the table and the picture


def rows() -> list[Row]:
    """Ours a point behind on one stream, far behind the majority on another, best on a third; on the last,
    behind its own statistics alone."""
    values = {
        "wine-class": {"ours": 0.90, "lda": 0.91, "no_change": 0.2, "er": 0.5},
        "bananas": {"ours": 0.60, "majority": 0.8, "er": 0.7, "joint": 0.99},
        "phishing": {"ours": 0.95, "no_change": 0.9, "er_ace": 0.94},
        "segments-class": {"ours": 0.80, "lda": 0.79, "statistics": 0.85},
    }
    usual = Row("", 1, 0, 0, 0, "along", 0.0, None, 2.0, 1.0)
    return [
        dataclasses.replace(usual, arm=f"{stream}/{arm}", value=value)
        for stream, arms in values.items()
        for arm, value in arms.items()
    ]


def test_the_table_counts_how_often_ours_keeps_up_and_names_the_worst_gap() -> None:
    text = list(tables(summarise(rows()), chosen_on=streams.CHOSEN_ON))
    assert "| reported | 3 | 1 | 1 | 2 | 2 | 20.0 points behind majority on bananas |" in text
    assert "| settings chosen on | 1 | 1 | 1 | 1 | 1 | 1.0 points behind lda on wine-class |" in text
    (wine,) = [line for line in text if line.startswith("| wine-class* |") and "91.0" in line]
    assert wine == "| wine-class* | 90.0 | 20.0 |  | **91.0** |  | 50.0 |  |  |"
    assert "| bananas | 60.0 |  | **80.0** |  |  | 70.0 |  | 99.0 |" in text
    assert "| mean, of arms that have all | 81.2 |  |  |  |  |  |  |  |" in text


def test_the_best_of_each_kind_is_named_and_joint_is_none_of_them() -> None:
    _, bananas, phishing, segments = comparisons(
        figures(summarise(rows()), "along"), ["wine-class", "bananas", "phishing", "segments-class"]
    )
    assert (bananas.simple, bananas.replay) == ((0.8, "majority"), (0.7, "er"))
    assert (phishing.simple, phishing.seeing, phishing.replay) == ((0.9, "no_change"), None, (0.94, "er_ace"))
    assert (segments.simple, segments.of_others) == ((0.85, "statistics"), (0.79, "lda"))


def test_the_picture_has_a_row_for_each_stream(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    STREAMS.draw(summarise(rows()), quick=False, path=tmp_path / "few.png")
    more = [dataclasses.replace(row, arm=row.arm.replace("wine", "digits")) for row in rows()]
    STREAMS.draw(summarise([*rows(), *more]), quick=False, path=tmp_path / "more.png")
    from PIL import Image

    few, many = (Image.open(tmp_path / f"{name}.png").size for name in ("few", "more"))
    assert few[0] == many[0]
    assert few[1] < many[1]
