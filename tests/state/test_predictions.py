from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamlearner.errors import StreamlearnerError
from streamlearner.state.predictions import EXPIRED, LABELLED, WAITING, Prediction, Predictions


class Clock:
    now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Opened:
    """Opens the same file again and again."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path, self._clock, self._opened = path, clock, list[Predictions]()

    def __call__(self, *, budget_bits: int = 8_000_000, keep_s: float = 100.0) -> Predictions:
        self._opened.append(Predictions(self.path, budget_bits=budget_bits, keep_s=keep_s, now_s=self._clock))
        return self._opened[-1]

    def close(self) -> None:
        for one in self._opened:
            one.close()


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Iterator[Opened]:
    opened = Opened(tmp_path / "predictions.sqlite", clock)
    yield opened
    opened.close()


def prediction(name: str = "a", *, at_s: float = 1_000_000.0, **more: Any) -> Prediction:
    """Of an input that cannot be compressed."""
    found = np.random.default_rng(len(name)).integers(0, 256, 1000, dtype=np.uint8).tobytes()
    settings: dict[str, Any] = {"version": "3.1200", "answer": '"cat"', "task": None, "shape": (1, 10, 100)}
    return Prediction(name, at_s, **settings | {"dtype": "uint8", "input": found} | more)


def test_what_is_kept_comes_back_as_it_was(opened: Opened) -> None:
    kept = prediction(task="odd")
    opened().keep([kept])
    assert opened().find("a") == kept, "after kill -9: nothing was closed"
    assert opened().find("b") is None


def test_a_label_is_joined_once_and_the_input_leaves(opened: Opened) -> None:
    predictions = opened()
    predictions.keep([prediction()])
    claimed = predictions.claim("a", '"dog"')
    assert claimed is not None and (claimed.label, claimed.state) == ('"dog"', WAITING)
    assert predictions.joined("a", right=False)
    assert not predictions.joined("a", right=False)
    found = opened().find("a")
    assert found is not None
    assert (found.state, found.label, found.input, found.answer) == (LABELLED, '"dog"', b"", "")
    assert opened().answered.document()["labelled"] == 1


def test_the_first_label_counts_also_after_a_restart_in_between(opened: Opened) -> None:
    opened().keep([prediction()])
    opened().claim("a", '"dog"')
    after = opened()
    assert [one.label for one in after.claimed()] == ['"dog"']
    found = after.claim("a", '"cow"')
    assert found is not None and found.label == '"dog"'
    after.unclaim("a")
    found = after.claim("a", '"cow"')
    assert found is not None and found.label == '"cow"'


def test_inputs_expire_with_time_and_their_ids_are_remembered(opened: Opened, clock: Clock) -> None:
    predictions = opened()
    predictions.keep([prediction()])
    clock.now_s += 101
    found = predictions.claim("a", '"dog"')
    assert found is not None and (found.state, found.input, found.label) == (EXPIRED, b"", None)
    assert len(predictions) == 0
    assert not predictions.joined("a", right=True)


def test_the_budget_is_never_exceeded_and_the_oldest_leave_first(opened: Opened) -> None:
    predictions = opened(budget_bits=100_000)
    for number in range(200):
        predictions.keep([prediction(f"run-{number}")])
        assert predictions.stored_bits <= 100_000
    waiting = [number for number in range(200) if is_in(predictions, number, WAITING)]
    assert waiting == list(range(200 - len(waiting), 200)) and 12 <= len(waiting) <= 20
    assert is_in(predictions, 200 - len(waiting) - 1, EXPIRED)
    assert predictions.find("run-0") is None, "ids have a share of the budget alone"


def is_in(predictions: Predictions, number: int, state: int) -> bool:
    found = predictions.find(f"run-{number}")
    return found is not None and found.state == state


def test_one_request_beyond_the_budget_is_not_kept_whole(opened: Opened) -> None:
    predictions = opened(budget_bits=20_000)
    predictions.keep([prediction(f"run-1.{number}") for number in range(50)])
    assert predictions.stored_bits <= 20_000
    assert len(predictions) == 2


def test_the_bits_are_those_of_what_lies_there_and_stay_after_a_restart(opened: Opened) -> None:
    predictions = opened()
    predictions.keep([prediction(f"run-{number}") for number in range(300)])
    for number in range(100):
        predictions.joined(f"run-{number}", right=True)
    assert opened().stored_bits == predictions.stored_bits
    assert len(opened()) == len(predictions) == 200
    held = sum(len(one.input) for n in range(300) if (one := predictions.find(f"run-{n}")) is not None)
    assert 8 * held < predictions.stored_bits < 8 * held * 1.2


def test_inputs_that_can_be_are_compressed(opened: Opened) -> None:
    predictions = opened()
    predictions.keep([prediction(input=bytes(1000))])
    assert predictions.stored_bits < 8 * 200


def test_once_half_of_the_budget_is_taken_inputs_are_kept_by_coarser_codes(opened: Opened) -> None:
    predictions = opened(budget_bits=100_000)
    for number in range(12):
        predictions.keep([prediction(f"run-{number:02}")])
    exact, coarse = predictions.find("run-03"), predictions.find("run-11")
    assert exact is not None and exact.input == prediction("run-03").input
    assert coarse is not None and coarse.input != prediction("run-11").input
    off = np.frombuffer(coarse.input, np.uint8).astype(int) - np.frombuffer(exact.input, np.uint8)
    assert 0 < np.abs(off).max() <= 9, "16 levels from 0 to 255"
    assert len(predictions) == 12, "raw, 11 would fill it"


def test_nothing_of_an_input_lies_on_the_disk_once_it_left(opened: Opened) -> None:
    predictions = opened()
    predictions.keep([prediction()])
    with sqlite3.connect(opened.path) as other:
        (data,) = other.execute("SELECT input FROM predictions").fetchone()
    other.close()
    predictions.joined("a", right=True)
    predictions.close()
    assert data[100:300] not in opened.path.read_bytes()


def test_answers_are_counted_by_adopted_version_and_window(opened: Opened, clock: Clock) -> None:
    predictions = opened(keep_s=1e9)
    ages_s = {"old": 8 * 86_400, "yesterday": 30 * 3600, "today": 5 * 3600, "now": 0}
    for version, (name, age_s) in enumerate(ages_s.items()):
        one = prediction(name, at_s=clock.now_s - age_s, version=f"{version // 2}.{version}")
        predictions.keep([one])
        predictions.joined(name, right=name in ("now", "yesterday"))
    document = opened().answered.document()
    assert document["labelled"] == 4
    assert document["overall"] == 0.5
    assert document["by_version"] == {"0": 0.5, "1": 0.5}
    assert document["by_window"] == {"1h": 1.0, "24h": 0.5, "7d": pytest.approx(2 / 3)}


def test_nothing_labelled_is_no_accuracy(opened: Opened) -> None:
    document = opened().answered.document()
    assert document["overall"] is None
    assert document["by_window"] == {"1h": None, "24h": None, "7d": None}


def test_a_file_that_is_not_one_is_named(opened: Opened) -> None:
    opened.path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StreamlearnerError, match=r"predictions\.sqlite cannot be used"):
        opened()


def asked(predictions: Predictions, most: int) -> list[str]:
    return [one.id for one in predictions.waiting.look(most)]


def test_half_of_those_looked_at_were_answered_least_surely_and_the_others_are_the_newest(
    opened: Opened,
) -> None:
    predictions = opened()
    sure = {"a": 0.9, "b": 0.2, "c": 0.8, "d": 0.3, "e": 0.95, "f": 0.99}
    predictions.keep([prediction(name, probability=share) for name, share in sure.items()])
    assert asked(predictions, 4) == ["b", "d", "f", "e"]
    assert asked(predictions, 2) == ["b", "f"]
    assert set(asked(predictions, 10)) == set(sure)


def test_what_has_a_label_or_expired_is_not_looked_at(opened: Opened, clock: Clock) -> None:
    predictions = opened()
    predictions.keep([prediction(name) for name in "abc"])
    predictions.claim("a", '"dog"')
    predictions.claim("b", '"cat"')
    predictions.joined("b", right=True)
    assert asked(predictions, 10) == ["c"]
    clock.now_s += 200.0
    assert asked(predictions, 10) == []


def test_a_file_of_before_probabilities_were_kept_is_read_and_its_inputs_come_first(opened: Opened) -> None:
    old = sqlite3.connect(opened.path)
    old.execute(
        "CREATE TABLE predictions (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, kept_s"
        " REAL NOT NULL, state INTEGER NOT NULL, bytes INTEGER NOT NULL, version TEXT NOT NULL, answer TEXT"
        " NOT NULL, task TEXT, label TEXT, shape TEXT NOT NULL, dtype TEXT NOT NULL, input BLOB)"
    )
    row = ("old", 1_000_000.0, 0, 1, "1.2", '"cat"', "1,1,1", "uint8", zlib.compress(b"\x07"))
    old.execute(
        "INSERT INTO predictions (id, kept_s, state, bytes, version, answer, shape, dtype, input)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        row,
    )
    old.commit()
    old.close()
    predictions = opened()
    predictions.keep([prediction("new", probability=0.1)])
    assert asked(predictions, 2) == ["old", "new"]
    found = opened().find("old")
    assert found is not None and (found.input, found.probability) == (b"\x07", None)


def test_large_inputs_are_looked_at_up_to_a_number_of_bytes(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamlearner.state.waiting.MOST_BYTES", 2_500)
    predictions = opened()
    predictions.keep([prediction(name * 2, probability=0.5) for name in "abcdef"])
    assert len(asked(predictions, 6)) == 2
