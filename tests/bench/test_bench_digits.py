"""`streamlearner bench run --data digits`: what a fresh clone can measure without a file or a download."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamlearner.bench.assembly import DIGITS, build_fixture
from streamlearner.bench.command import bench
from streamlearner.errors import ConfigError
from tests.support.tiny_bench import TinyBench


def test_digits_take_the_place_of_mnist_in_two_halves_that_share_none() -> None:
    load = build_fixture(data=DIGITS).load_dataset
    training, test = load("MNIST", True), load("MNIST", False)
    assert training.images.shape == (1437, 28, 28) and test.images.shape == (360, 28, 28)
    assert set(training.labels) == set(test.labels) == set(range(10))
    assert not {image.tobytes() for image in training.images} & {image.tobytes() for image in test.images}
    assert training.images.max() > 200  # in the range of MNIST
    few = load("MNIST", True, 100)
    assert len(few.labels) == 100 and set(few.labels) == set(range(10))


def test_another_set_is_not_replaced() -> None:
    with pytest.raises(ConfigError, match="place of MNIST alone; this experiment reads CIFAR100"):
        build_fixture(data=DIGITS).load_dataset("CIFAR100", True)


def test_where_mnist_is_absent_the_digits_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--download .*; or take .* --data digits"):
        build_fixture(data=tmp_path).load_dataset("MNIST", True)
    with pytest.raises(ConfigError) as caught:
        build_fixture(data=tmp_path).load_dataset("CIFAR100", True)
    assert "digits" not in str(caught.value)


def test_figures_of_digits_are_put_in_a_folder_of_their_own_and_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = ("run", "mnist-split", "--quick", "--budget", "20000", "--arm", "finetune", "--data", "digits")
    tiny = TinyBench()
    done = CliRunner().invoke(bench, run, obj=tiny, catch_exceptions=False)
    assert done.exit_code == 0
    path = Path("results/digits/quick/mnist-split.json")
    assert done.output.startswith(f"data: scikit-learn's digits, in the place of MNIST; results in {path}")
    assert "1/1 finetune" in done.output and "earlier run" not in done.output
    assert json.loads(path.read_text())["rows"]
    assert tiny.asked == [(DIGITS, False)]


def test_a_download_says_who_fetches_and_where_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = ("run", "mnist-split", "--quick", "--budget", "20000", "--arm", "finetune", "--download")
    done = CliRunner().invoke(bench, (*run, "--data", "there"), obj=TinyBench(), catch_exceptions=False)
    assert "a set that is absent is fetched by torchvision into there" in done.output
