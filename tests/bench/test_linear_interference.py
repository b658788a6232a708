"""Two equal tasks in a deep linear network: learning the second harms the first, unless both are learned."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from streamlearner.bench import report
from streamlearner.bench.catalogue import EXPERIMENTS
from streamlearner.bench.experiments.linear_interference import ARMS, LINEAR_INTERFERENCE, item_features
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.results import Result, Row
from tests.support.tiny_bench import TinyBench

WHOLE = Scope(seeds=1, budgets_bits=None, quick=False)


def rows(arm: str, *, quick: bool = False) -> dict[str, Row]:
    bench = TinyBench()(data=Path("nowhere"), download=False)
    scope = Scope(seeds=1, budgets_bits=None, quick=quick)
    found = LINEAR_INTERFERENCE.run(Trial(arm, 0, 0), fixture=bench, scope=scope)
    return {row.metric: row for row in found}


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Row]]:
    return {arm: rows(arm) for arm in ARMS}


def test_learning_the_same_task_again_with_another_head_harms_the_first(
    found: dict[str, dict[str, Row]],
) -> None:
    sequential, both = found["sequential"], found["multi_task"]
    assert sequential["error_of_a_at_switch"].value < 1e-3
    assert sequential["error_of_a_at_the_end"].value > 0.03
    assert both["error_of_a_at_the_end"].value < 1e-3
    assert both["error_of_b_at_the_end"].value < 1e-3


def test_turns_harm_each_other_less_and_less(found: dict[str, dict[str, Row]]) -> None:
    turns = found["interleaved"]
    errors = {epoch: turns[f"error_of_a_at_{epoch}"].value for epoch in (50, 90, 150, 190)}
    first, second = errors[90] - errors[50], errors[190] - errors[150]
    assert first > 0.01
    assert first > second > 0
    assert turns["error_of_a_at_the_end"].value < 1e-3


def test_items_that_parted_late_are_alike() -> None:
    features = item_features(torch.Generator().manual_seed(1))
    assert features.shape == (16, 64)
    assert set(features.flatten().tolist()) == {-1.0, 1.0}
    likeness = features @ features.T / 64
    twins = likeness[torch.arange(0, 16, 2), torch.arange(1, 16, 2)].mean()
    strangers = likeness[:8, 8:].mean()
    assert twins > strangers + 0.2


def test_curves_are_in_the_json_and_the_picture_but_not_in_the_table(tmp_path: Path) -> None:
    result = Result(
        tmp_path, name=LINEAR_INTERFERENCE.name, protocol=LINEAR_INTERFERENCE.protocol, quick=True
    )
    for arm in ARMS:
        result.add(list(rows(arm, quick=True).values()))
    report.write(tmp_path, EXPERIMENTS)
    text = (tmp_path / "RESULTS.md").read_text()
    assert (tmp_path / "linear-interference.png").exists()
    assert "error_of_a_at_10 " not in text
    assert "Series, in the JSON: error_of_a, error_of_b." in text
