"""`streamlearner export`: the model of a state folder as files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamlearner import Learner
from streamlearner.commands.main import app
from streamlearner.errors import CheckpointError, ConfigError
from streamlearner.export.card import CARD, Card
from streamlearner.export.graph import as_sent
from tests.support.exports import OnnxModel, digits


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a program that learned digits; a daemon's is the same."""
    images, labels = digits(300)
    learner = Learner(seed=0, config={"sleep.steps": 5})
    learner.learn_many(images[:, 0].numpy(), labels)
    folder = tmp_path_factory.mktemp("learned") / "state"
    learner.save(folder)
    return folder


def export(state: Path, to: Path, *more: str) -> str:
    result = CliRunner().invoke(app, ["export", "--to", str(to), "-s", f"state_dir={state}", *more])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_what_the_newest_checkpoint_answers_is_written_with_a_card(state: Path, tmp_path: Path) -> None:
    said = export(state, tmp_path / "out")
    folder = tmp_path / "out" / "0"
    assert f"is in {folder}" in said
    assert {path.name for path in folder.iterdir()} == {"model.onnx", "model.pt2", CARD}
    card = Card.from_bytes((folder / CARD).read_bytes(), where="the card")
    images, _ = digits(1_000)
    model = OnnxModel((folder / "model.onnx").read_bytes())
    learner = Learner.load(state)
    found = model.probabilities(as_sent(images).numpy())
    assert [card.classes[i] for i in found.argmax(1).tolist()] == learner.predict_many(
        images[:, 0].numpy()
    ).tolist()
    assert card.grades["overall"] is not None
    assert set(card.grades["by_class"]) <= {str(label) for label in card.classes}
    assert card.signature.document()["inputs"] == [{"name": "input", "shape": [-1, 8, 8], "dtype": "uint8"}]
    assert json.loads((tmp_path / "out" / "current.json").read_text()) == {"version": 0}


def test_one_format_alone_is_written_where_it_is_asked_for(state: Path, tmp_path: Path) -> None:
    export(state, tmp_path, "--format", "torch")
    assert {path.name for path in (tmp_path / "0").iterdir()} == {"model.pt2", CARD}


def test_a_version_that_is_not_kept_is_a_clear_error(state: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="model version 7 is not kept; kept are none yet"):
        export(state, tmp_path, "7")


def test_a_folder_without_a_checkpoint_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no checkpoint in"):
        export(tmp_path / "nothing", tmp_path)


def test_one_changed_byte_of_a_card_or_a_file_is_noticed(state: Path, tmp_path: Path) -> None:
    export(state, tmp_path, "--format", "torch")
    path = tmp_path / "0" / CARD
    card = Card.from_bytes(path.read_bytes(), where="the card")
    with pytest.raises(CheckpointError, match="the card is altered"):
        Card.from_bytes(path.read_bytes().replace(b'"answers"', b'"answerz"'), where="the card")
    data = bytearray((tmp_path / "0" / "model.pt2").read_bytes())
    card.check("model.pt2", bytes(data), where="the file")
    data[len(data) // 2] ^= 1
    with pytest.raises(CheckpointError, match="the file is torn or altered"):
        card.check("model.pt2", bytes(data), where="the file")
