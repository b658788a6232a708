"""The command line against canned answers: what an operator asks a daemon for, and the tokens for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from streamlearner.commands import main as command_line
from tests.support.canned_daemon import CannedDaemon, canned_daemon

pytestmark = pytest.mark.usefixtures("elsewhere")
Ended = Callable[..., tuple[int, str, str]]

MEMORY: dict[str, Any] = {
    "budget_bits": 32768, "exam_budget_bits": 65536, "predictions_budget_bits": 2048,
    "stored_bits": {"recollections": 32640, "exam": 39424, "predictions": 1024},
    "parameter_bits": {"hippocampus": 2131264}, "recollections": 240,
    "recollections_by_class": {"[red]cat": 200, "dog": 40}, "seen": 1680,
}  # fmt: skip
ANSWERED = {
    "labelled": 20, "overall": 0.95, "waiting": 7,
    "labels": {"accepted": 20, "duplicate": 1, "conflict": 0, "unknown": 2, "expired": 0, "invalid": 0},
}  # fmt: skip


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[CannedDaemon]:
    with canned_daemon() as found:
        monkeypatch.setenv("STREAMLEARNER_ADDRESS", found.address)
        yield found


@pytest.mark.parametrize(
    ("words", "body", "said"),
    [
        ((), {}, "asked for a rollback to the model version before;"),
        (("3",), {"version": "3"}, "asked for a rollback to model version 3;"),
    ],
)
def test_a_rollback_goes_to_the_version_that_is_named(
    daemon: CannedDaemon, ended: Ended, words: tuple[str, ...], body: dict[str, Any], said: str
) -> None:
    daemon.will_answer("/v1/rollback", {"requested": "rollback", "version": 3}, status=202)
    code, out, _ = ended("rollback", *words)
    assert (code, daemon.asked[0].body) == (0, body)
    assert out.startswith(said)


def test_a_version_that_is_not_kept_is_an_error_in_the_daemons_words(
    daemon: CannedDaemon, ended: Ended
) -> None:
    daemon.will_answer("/v1/rollback", {"error": "model version 9 is not kept; kept are 2, 3"}, status=404)
    code, _, err = ended("rollback", "9")
    assert code == 1
    assert "kept are 2, 3" in " ".join(err.split())


def test_a_checkpoint_is_asked_for_now(daemon: CannedDaemon, ended: Ended) -> None:
    daemon.will_answer("/v1/checkpoint", {"requested": "checkpoint"}, status=202)
    code, out, _ = ended("checkpoint", "now")
    assert (code, out.startswith("asked for a checkpoint")) == (0, True)
    assert [asked.path for asked in daemon.asked] == ["/v1/checkpoint"]


def test_memory_shows_bits_beside_their_budgets_and_what_is_held_of_each_class(
    daemon: CannedDaemon, ended: Ended
) -> None:
    daemon.will_answer("/v1/memory", MEMORY)
    lines = [line.split() for line in ended("memory")[1].splitlines()]
    assert ["recollections", "32,640", "32,768"] in lines
    assert ["exam", "39,424", "65,536"] in lines
    assert ["predictions", "1,024", "2,048"] in lines
    assert ["parameters", "of", "hippocampus", "2,131,264"] in lines
    assert lines.index(["[red]cat", "200"]) < lines.index(["dog", "40"])
    assert json.loads(ended("memory", "--json")[1]) == MEMORY


def test_recollections_are_saved_as_a_picture(daemon: CannedDaemon, ended: Ended, tmp_path: Path) -> None:
    daemon.will_answer("/v1/recollections?format=png&per_class=4", b"\x89PNG")
    code, out, _ = ended("recollections", "--out", "seen.png", "--per-class", "4")
    assert (code, (tmp_path / "seen.png").read_bytes()) == (0, b"\x89PNG")
    assert "seen.png" in out


def test_recollections_of_one_class_are_given_as_json(daemon: CannedDaemon, ended: Ended) -> None:
    found = {"recollections": [{"label": "cat", "inputs": [[[1]], [[2]]]}]}
    daemon.will_answer("/v1/recollections?format=json&per_class=8&label=cat", found)
    assert json.loads(ended("recollections", "--label", "cat", "--json")[1]) == found
    assert '"cat": 2' in ended("recollections", "--label", "cat")[1]


def test_recollections_of_one_class_are_a_picture_too(
    daemon: CannedDaemon, ended: Ended, tmp_path: Path
) -> None:
    daemon.will_answer("/v1/recollections?format=png&per_class=8&label=cat", b"\x89PNG")
    code, out, _ = ended("recollections", "--label", "cat", "--out", "cat.png")
    assert (code, (tmp_path / "cat.png").read_bytes(), out.strip().endswith("of cat")) == (
        0,
        b"\x89PNG",
        True,
    )


def test_a_picture_that_cannot_be_written_or_is_asked_for_as_json_is_refused(
    daemon: CannedDaemon, ended: Ended, tmp_path: Path
) -> None:
    daemon.will_answer("/v1/recollections?format=png&per_class=8", b"\x89PNG")
    code, _, err = ended("recollections", "--out", str(tmp_path / "absent" / "seen.png"))
    assert (code, "cannot be written" in " ".join(err.split())) == (1, True)
    assert ended("recollections", "--out", "seen.png", "--json")[0] == 2


@pytest.mark.parametrize(
    ("text", "label"), [("cat", "cat"), ("7", "7"), ('{"shape": "round"}', {"shape": "round"})]
)
def test_a_label_is_sent_as_it_is_written(daemon: CannedDaemon, ended: Ended, text: str, label: Any) -> None:
    daemon.will_answer("/v1/labels", {"outcome": "accepted", "prediction_id": "a-1"}, status=202)
    code, out, _ = ended("labels", "a-1", text)
    assert (code, out.strip()) == (0, "accepted")
    assert daemon.asked[0].body == {"prediction_id": "a-1", "label": label}


def problem(kind: str) -> dict[str, Any]:
    return {"type": f"urn:streamlearner:problem:{kind}", "detail": kind, "error": kind}


def test_the_labels_of_a_file_are_sent_on_past_those_that_the_daemon_does_not_take(
    daemon: CannedDaemon, ended: Ended, tmp_path: Path
) -> None:
    lines = [{"prediction_id": f"a-{i}", "label": i} for i in range(5)]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    daemon.will_answer("/v1/labels", {"outcome": "accepted"}, status=202)
    daemon.will_answer("/v1/labels", problem("unknown-prediction"), status=404)
    daemon.will_answer("/v1/labels", problem("prediction-expired"), status=410)
    daemon.will_answer("/v1/labels", problem("label-conflict"), status=409)
    daemon.will_answer("/v1/labels", {"outcome": "accepted"}, status=202)
    code, out, _ = ended("labels", "--file", "labels.jsonl")
    assert (code, out.strip()) == (0, "2 accepted, 1 unknown, 1 expired, 1 conflict")
    assert [asked.body for asked in daemon.asked] == lines


def test_what_concerns_all_labels_ends_the_file(daemon: CannedDaemon, ended: Ended, tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").write_text('{"prediction_id": "a", "label": 1}\n' * 3)
    daemon.will_answer("/v1/labels", problem("labels-not-kept"), status=409)
    code, _, err = ended("labels", "--file", "labels.jsonl")
    assert (code, "labels-not-kept" in err, len(daemon.asked)) == (1, True, 1)


def test_a_line_that_is_no_label_is_named(daemon: CannedDaemon, ended: Ended, tmp_path: Path) -> None:
    daemon.will_answer("/v1/labels", {"outcome": "accepted"})
    (tmp_path / "labels.jsonl").write_text('{"prediction_id": "a", "label": 1}\n{"label": 1}\n')
    code, _, err = ended("labels", "--file", "labels.jsonl")
    assert (code, "labels.jsonl, line 2: expected" in " ".join(err.split())) == (1, True)


def test_without_a_label_it_says_what_became_of_those_that_came(daemon: CannedDaemon, ended: Ended) -> None:
    daemon.will_answer("/v1/status", {"answered": ANSWERED}, {"answered": None})
    out = ended("labels")[1]
    for line in ("20 accepted, 1 duplicate, 2 unknown", "wait for one: 7", "95.0% of 20"):
        assert line in out
    assert "labels.budget_bits" in ended("labels")[1]


@pytest.mark.parametrize("words", [("a-1",), ("a-1", "cat", "--file", "labels.jsonl")])
def test_half_a_label_is_refused(ended: Ended, words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").touch()
    assert ended("labels", *words)[0] == 2


def test_every_command_that_asks_a_daemon_takes_a_token_and_a_file_of_one(
    daemon: CannedDaemon, ended: Ended, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    requested = {"requested": "sleep", "number": 1, "to": "mlp", "steps": 3}
    for path in ("sleep", "checkpoint", "rollback", "transplant", "labels"):
        daemon.will_answer(f"/v1/{path}", requested | {"outcome": "accepted"}, status=202)
    daemon.will_answer("/v1/memory", MEMORY)
    daemon.will_answer("/v1/recollections?format=json&per_class=8", {"recollections": []})
    asked = (
        ("sleep",), ("checkpoint", "now"), ("rollback",), ("transplant", "--to", "mlp"), ("memory",),
        ("recollections",), ("labels", "a", "1"),
    )  # fmt: skip
    for words in asked:
        assert ended(*words, "--token", "given", "--token-file", "token")[0] == 0, words
        assert ended(*words, "--token-file", "token")[0] == 0, words
    assert [each.authorization for each in daemon.asked] == ["Bearer given", "Bearer from-a-file"] * len(
        asked
    )


def test_a_token_file_that_cannot_be_read_is_named(daemon: CannedDaemon, ended: Ended) -> None:
    code, _, err = ended("sleep", "--token-file", "absent")
    assert (code, "absent: cannot be read" in " ".join(err.split()), daemon.asked) == (1, True, [])


def test_digits_are_produced_without_a_file(daemon: CannedDaemon, ended: Ended) -> None:
    daemon.will_answer("/v1/examples", {"accepted": 3}, status=202)
    code, out, _ = ended("produce", "--to", "push", "--data", "digits", "--limit", "3")
    assert (code, out.startswith("sent 3 examples")) == (0, True)
    examples = daemon.asked[0].body["examples"]
    assert [(one["input"]["shape"], one["label"]) for one in examples] == [([8, 8, 1], i) for i in range(3)]
    code, _, err = ended("produce", "--data", "letters")
    assert (code, "digits" in err) == (2, True)


def test_whatever_takes_an_address_takes_a_token_and_a_file_of_one() -> None:
    def leaves(command: Any, *path: str) -> Iterator[tuple[str, set[str]]]:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from leaves(inner, *path, name)
        else:
            yield " ".join(path), {parameter.name for parameter in command.params}

    found = dict(leaves(typer.main.get_command(command_line.app)))
    asking = {name for name, options in found.items() if "address" in options}
    assert {"rollback", "checkpoint now", "memory", "recollections", "labels", "produce", "status"} <= asking
    assert [name for name in asking if not {"token", "token_file"} <= found[name]] == []
