"""The transfer experiment: every cell of the paper's tables, inside its bits, taught from recollections."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from streamlearner.bench.experiments.mnist_transfer import (
    ARMS,
    MNIST_TRANSFER,
    budget_bits,
    most_episodes,
    student_runs,
)
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.kit.results import Row
from streamlearner.bench.kit.summary import summarise
from streamlearner.bench.material import transfer_tables
from streamlearner.bench.material.transfer import to_tensors, transfer_setup
from streamlearner.bench.material.transfer_memory import (
    decoder_bits,
    deep_association,
    raw_association,
    recollect,
)
from tests.support.tiny_bench import TinyBench, dataset

QUICK = Scope(seeds=1, budgets_bits=None, quick=True)
IMAGE_BITS = 8 * 28 * 28


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def fixture() -> Fixture:
    return TinyBench()(data=Path("nowhere"), download=False)


def trial_of(arm: str) -> Trial:
    """Under the arm's tightest budget."""
    return Trial(arm, budget_bits(max(ARMS[arm].associations)), 0)


def rows(fixture: Fixture, trial: Trial) -> list[Row]:
    return list(MNIST_TRANSFER.run(trial, fixture=fixture, scope=QUICK))


def test_there_is_a_trial_for_each_column_of_the_tables_and_one_for_the_teacher() -> None:
    trials = list(MNIST_TRANSFER.trials(Scope(seeds=2, budgets_bits=None, quick=False)))
    assert len(trials) == 2 * (1 + 3 + 3 + 1 + 3)
    columns = {f"{ARMS[arm].column} {compression}" for arm in ARMS for compression in ARMS[arm].associations}
    assert columns == set(transfer_tables.COLUMNS)
    assert len(list(student_runs(most_episodes(0, quick=False)))) == 2 * 2 * 5
    assert len(list(student_runs(most_episodes(1, quick=False)))) == 2 * 2 * 4
    assert len(list(student_runs(most_episodes(0, quick=True)))) == 2 * 2 * 2


@pytest.mark.parametrize("compression", [10, 50, 100])
def test_a_budget_is_a_fraction_of_the_papers_images(compression: int) -> None:
    assert budget_bits(compression) == 50_000 * IMAGE_BITS // compression


def test_figures_stand_beside_the_papers() -> None:
    def paper(student: str, sampling: str, column: str, episodes: int) -> float | None:
        return transfer_tables.paper_accuracy(
            student=student, sampling=sampling, column=column, episodes=episodes
        )

    assert paper("cnn", "active", "codes 10", 100_000) == 0.9918
    assert paper("mlp", "random", "lossless 100", 1_000) == 0.7776
    assert paper("mlp", "active", "real 1", 10_000) == 0.9648
    assert paper("mlp", "active", "real 1", 5) is None


@pytest.mark.parametrize("arm", ["ours", "paper_configuration", "lossless"])
def test_students_are_taught_within_the_bits_of_their_arm(fixture: Fixture, arm: str) -> None:
    found = rows(fixture, trial_of(arm))
    assert {row.metric for row in found} == {
        f"{student}_100x_{sampling}_{episodes}"
        for student in ("cnn", "mlp")
        for sampling in ("random", "active")
        for episodes in (10, 100)
    }
    for row in found:
        assert 0 < row.stored_bits + row.parameter_bits <= row.budget_bits
        assert 0.0 <= row.value <= 1.0
        assert row.paper is not None


def test_the_same_seed_gives_the_same_figures(fixture: Fixture) -> None:
    trial = Trial("ours", budget_bits(50), 3)
    first = [(row.metric, row.value) for row in rows(fixture, trial)]
    transfer_setup.cache_clear()
    torch.rand(5)
    assert [(row.metric, row.value) for row in rows(fixture, trial)] == first


def test_the_teacher_has_a_row_of_its_own(fixture: Fixture) -> None:
    (row,) = rows(fixture, Trial("teacher", 0, 0))
    assert (row.metric, row.paper) == ("teacher", 0.9929)
    assert row.parameter_bits > 0


def test_a_picture_shows_the_students_side_by_side(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    cells = [("ours", 100, 0.9), ("real", 1, None)]
    made = [
        Row(arm, budget_bits(by), 1, 1, 0, f"{student}_{by}x_active_{episodes}", 0.8, paper, 1.0, 1.0)
        for arm, by, paper in cells
        for student in ("cnn", "mlp")
        for episodes in (1_000, 10_000)
    ]
    MNIST_TRANSFER.draw(summarise(made), quick=False, path=tmp_path / "transfer.png")
    assert (tmp_path / "transfer.png").read_bytes().startswith(b"\x89PNG")


def test_held_out_images_are_tested_on_and_never_taught(fixture: Fixture) -> None:
    def load(name: str, train: bool) -> Dataset:
        assert train, "the test set is left alone"
        return dataset(name, train)

    blind = dataclasses.replace(fixture, load_dataset=load)
    setup = transfer_setup(blind, seed=0, quick=True, held_out=True)
    everything, _ = to_tensors(dataset("MNIST", True))
    assert len(setup.images) == 100
    assert len(setup.tests) == 20
    assert not {bytes(image.numpy()) for image in setup.images} & {
        bytes(image.numpy()) for image in setup.tests
    }
    assert len(setup.images) + len(setup.tests) == len(everything)


def test_lossless_recollections_are_the_images_and_as_many_as_fit() -> None:
    images, _ = to_tensors(dataset("MNIST", True))
    found = recollect(
        raw_association,
        images=images,
        budget_bits=7 * (IMAGE_BITS + 1) + 8,
        generator=torch.Generator().manual_seed(0),
    )
    assert len(found.inputs) == 7
    held = {bytes(image.numpy()) for image in found.inputs}
    assert len(held) == 7 and held <= {bytes(image.numpy()) for image in images}


def test_a_decoder_takes_its_bits_from_the_codes() -> None:
    images, _ = to_tensors(dataset("MNIST", True))
    make = deep_association(variables=8, passes=1)
    taken = decoder_bits(make(images, torch.Generator().manual_seed(0)))
    found = recollect(
        make,
        images=images,
        budget_bits=taken + 96,
        generator=torch.Generator().manual_seed(0),
    )
    assert found.decoder_bits == taken
    assert len(found.inputs) == 10  # nine bits each: eight symbols and the idle bit
    assert found.inputs.shape[1:] == (1, 28, 28)
