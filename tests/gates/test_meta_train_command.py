"""`streamlearner meta-train` makes a gate that the daemon loads, and tells what it cannot use."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from streamlearner.commands.main import app
from streamlearner.networks.by_name import build_network
from streamlearner.vision import datasets as picture_sets
from streamlearner.vision.datasets import PictureSet

IMAGES = (load_digits().images * 15).astype("uint8")
LABELS = load_digits().target.tolist()


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def digits(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(name: str, **where: object) -> PictureSet:
        return PictureSet(images=IMAGES, labels=LABELS)

    monkeypatch.setattr(picture_sets, "read", read)


def called(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["meta-train", *words])
    return done.exit_code, f"{done.output} {done.exception or ''}"


SHORT = (
    "--episodes",
    "2",
    "--steps",
    "3",
    "--pretraining-steps",
    "5",
    "--network",
    "mlp",
)


@pytest.mark.usefixtures("digits")
def test_the_command_makes_a_gate_that_the_daemon_loads(tmp_path: Path) -> None:
    path = tmp_path / "gate.safetensors"
    code, said = called(str(path), *SHORT)
    assert code == 0, said
    from streamlearner.app import make_method
    from streamlearner.config import loading as config

    settings = {"method.name": "meta_learned_update", "method.meta_learned_update.gate": str(path)}
    made = make_method(
        config.load(path=None, settings=settings, environ={}), input_shape=(1, 8, 8), dtype=torch.uint8
    )
    torch.manual_seed(0)
    network = build_network(name="mlp", input_shape=(1, 8, 8), generator=torch.Generator().manual_seed(0))
    from streamlearner.gates.gate_file import load_gate

    expected = load_gate(path, network).state_dict()
    assert all(torch.equal(made.state_dict()[f"gate.{name}"], value) for name, value in expected.items())


@pytest.mark.usefixtures("digits")
def test_a_daemon_with_a_gate_for_each_weight_starts_with_the_network_in_its_file(tmp_path: Path) -> None:
    path = tmp_path / "gate.safetensors"
    code, said = called(str(path), *SHORT, "--each-weight", "--target", "representation")
    assert code == 0, said
    from streamlearner.app import make_method
    from streamlearner.config import loading as config
    from streamlearner.gates.gate_file import read_tensors

    settings = {"method.name": "meta_learned_update", "method.meta_learned_update.gate": str(path)}
    made = make_method(
        config.load(path=None, settings=settings, environ={}), input_shape=(1, 8, 8), dtype=torch.uint8
    )
    start = {
        name.removeprefix("start."): value
        for name, value in read_tensors(path).items()
        if name.startswith("start.")
    }
    found = made.state_dict()
    assert start
    assert all(torch.equal(found[f"hippocampus.body.{name}"], value) for name, value in start.items())
    assert all(torch.equal(found[f"neocortex.body.{name}"], value) for name, value in start.items())


@pytest.mark.usefixtures("digits")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--new", "5-12"), "has no class 10: its classes are 0 to 9"),
        (("--new", "4-9"), "class 4 is old and new"),
        (("--new", "x"), "expected class numbers such as 0-4"),
        (("--network", "lenet"), "needs images"),
    ],
)
def test_a_wrong_use_is_told(tmp_path: Path, words: tuple[str, str], said: str) -> None:
    code, output = called(str(tmp_path / "gate.safetensors"), *SHORT, *words)
    assert code != 0
    assert said in " ".join(output.replace("│", " ").split())
    assert not (tmp_path / "gate.safetensors").exists()


def test_a_folder_that_is_not_there_is_told_before_any_work(tmp_path: Path) -> None:
    code, output = called(str(tmp_path / "no" / "gate.safetensors"))
    assert code != 0
    assert "expected a file in a folder that exists" in output
