"""One class after the other: a sleep after each, a test after each, and what the generator took."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from streamlearner.bench import report
from streamlearner.bench.catalogue import EXPERIMENTS
from streamlearner.bench.experiments.one_class_at_a_time import MNIST_ONE_CLASS_AT_A_TIME
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.results import Result, Row, Sheet, tiled
from tests.support.tiny_bench import TinyBench

QUICK = Scope(seeds=1, budgets_bits=None, quick=True)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def ran(arm: str) -> tuple[dict[str, Row], list[Sheet], list[object]]:
    tiny = TinyBench()
    bench = tiny(data=Path("nowhere"), download=False)
    (trial,) = [trial for trial in MNIST_ONE_CLASS_AT_A_TIME.trials(QUICK) if trial.arm == arm]
    found = list(MNIST_ONE_CLASS_AT_A_TIME.run(trial, fixture=bench, scope=QUICK))
    rows = {entry.metric: entry for entry in found if isinstance(entry, Row)}
    return rows, [entry for entry in found if isinstance(entry, Sheet)], list(tiny.settings)


@pytest.fixture(scope="module")
def ours() -> tuple[dict[str, Row], list[Sheet], list[object]]:
    return ran("ours")


def test_it_is_tested_after_each_class_and_at_the_end(
    ours: tuple[dict[str, Row], list[Sheet], object],
) -> None:
    rows, _, _ = ours
    assert {f"accuracy_after_{k}" for k in range(1, 10)} | {"accuracy", "sleep_seconds"} <= set(rows)
    assert all(0.0 <= rows[name].value <= 1.0 for name in rows if name.startswith("accuracy"))
    assert rows["accuracy"].seconds > 0


def test_sheets_grow_by_a_class_a_row(ours: tuple[dict[str, Row], list[Sheet], object]) -> None:
    _, sheets, _ = ours
    stages = next(sheet for sheet in sheets if sheet.name == "ours-after-each-class")
    assert stages.pixels.shape == (10 * 28, 10 * 28)
    for row in range(10):
        assert stages.pixels[28 * row : 28 * (row + 1), 28 * (row + 1) :].sum() == 0


def test_joint_training_has_no_classes_one_after_the_other() -> None:
    rows, _, _ = ran("joint")
    assert not any(name.startswith("accuracy_after") for name in rows)


def test_masks_are_told_along_the_steps_of_the_second_class() -> None:
    rows, _, _ = ran("mask_dynamics")
    assert 0.3 < rows["mask_mean_at_20"].value < 0.7
    assert rows["mask_spread_at_20"].value >= 0


def test_the_report_shows_the_picture_and_the_sheets(tmp_path: Path) -> None:
    rows, _, _ = ran("mask_dynamics")
    name = MNIST_ONE_CLASS_AT_A_TIME.name
    result = Result(tmp_path, name=name, protocol=MNIST_ONE_CLASS_AT_A_TIME.protocol, quick=True)
    grown = {"accuracy": 0.9, "accuracy_after_1": 1.0, "units_after_1": 20.0, "units_after_2": 24.0}
    grown |= {"reserved_by_1": 8.0, "reserved_by_2": 4.0, "reused_by_1": 0.0, "reused_by_2": 3.0}
    more = [Row("ours", 5, 1, 1, 0, metric, value, None, 1.0, 1.0) for metric, value in grown.items()]
    result.add([*rows.values(), *more])
    Sheet("ours-at-the-end", torch.zeros(28, 56, dtype=torch.uint8)).save(result.path)
    Sheet("ours", torch.zeros(28, 28, dtype=torch.uint8)).save(tmp_path / f"{name}-held-out.json")
    written = {path.name for path in report.write(tmp_path, EXPERIMENTS)}
    assert written == {"RESULTS.md", f"{name}.png", f"{name}-sheet-ours-at-the-end.png"}
    assert f"({name}-sheet-ours-at-the-end.png)" in (tmp_path / "RESULTS.md").read_text()
    assert Image.open(tmp_path / f"{name}-sheet-ours-at-the-end.png").size == (56, 28)


def test_a_short_row_of_a_sheet_is_filled_with_black() -> None:
    image = torch.full((1, 2, 3), 7, dtype=torch.uint8)
    assert tiled([[image], [image, image]]).tolist() == [[7] * 3 + [0] * 3] * 2 + [[7] * 6] * 2


def test_a_budget_that_is_not_an_arms_leaves_it_out() -> None:
    chosen = Scope(seeds=1, budgets_bits=(62_720,), quick=False)
    assert {trial.arm for trial in MNIST_ONE_CLASS_AT_A_TIME.trials(chosen)} == {
        "recollection_replay",
        "mask_dynamics",
    }
    assert Trial("ours", 1_254_400, 0) in list(
        MNIST_ONE_CLASS_AT_A_TIME.trials(Scope(seeds=1, budgets_bits=None, quick=False))
    )
