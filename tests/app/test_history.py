"""The history of a whole daemon, and that nothing which befalls it befalls the daemon."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamlearner import MemorySource, Message, build, encode
from streamlearner.state.history import History
from tests.support.erasures import erasure

EVER = (0.0, 1e12)
SETTINGS = {
    "serving.port": 0, "daemon.at_end": "exit", "threads": 1, "sleep.every_examples": 20, "sleep.steps": 5,
    "sleep.min_examples": 10, "sleep.tolerance": 1.0, "history.every_s": 0.01, "exam.fraction": 0.3,
}  # fmt: skip


def messages() -> list[Message]:
    """Dark and light pictures, one of which is none."""
    found = [Message(b"no image", topic="pictures", partition=0, offset=0)]
    for number in range(1, 80):
        image = np.full((8, 8), 20 + 200 * (number % 2), dtype=np.uint8)
        value, headers = encode(image, label=["dark", "light"][number % 2])
        found.append(Message(value, topic="pictures", partition=0, offset=number, headers=headers))
    return found


def learned(folder: Path, stream: list[Message] | None = None, **more: object) -> int:
    source = MemorySource(messages() if stream is None else stream)
    daemon = build({"state_dir": str(folder)} | SETTINGS | more, source=source)
    daemon.run()
    return int(daemon.status()["messages"])


def test_a_daemon_remembers_what_it_learned_and_how_its_sleeps_ended(tmp_path: Path) -> None:
    assert learned(tmp_path) == 80
    history = History(tmp_path / "history.sqlite", budget_bits=8 * 2**20, now_s=lambda: 0.0)
    marks, samples = history.marks(*EVER), history.samples(*EVER)
    assert marks[0].kind == "started"
    slept = next(mark.details for mark in marks if mark.kind == "sleep")
    assert (slept["outcome"], slept["reason"], slept["version"]) == ("adopted", "examples", 1)
    assert samples[-1].means["retention"] >= 0.0
    assert {"retention/dark", "memory_bits/recollections", "lag"} <= samples[-1].means.keys()
    assert 0 < sum(one.counts.get("learned", 0) for one in samples) < 80
    assert max(history.versions()) >= 1
    history.close()


def test_a_class_that_was_erased_while_the_disk_refused_is_gone_after_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = [*messages(), erasure(80, by="label", name="dark")]
    assert learned(tmp_path) == 80
    assert named(tmp_path) == {"retention/dark", "retention/light"}
    with monkeypatch.context() as refusing:
        refusing.setattr(History, "erase_classes", lambda self, labels: False)
        assert learned(tmp_path, stream) == 81
    assert named(tmp_path) == {"retention/dark", "retention/light"}
    assert learned(tmp_path, stream) == 81
    assert named(tmp_path) == {"retention/light"}
    assert b"dark" not in (tmp_path / "history.sqlite").read_bytes()


def named(folder: Path) -> set[str]:
    history = History(folder / "history.sqlite", budget_bits=8 * 2**20, now_s=lambda: 0.0)
    found = {name for one in history.samples(*EVER) for name in one.means if name.startswith("retention/")}
    kinds = {mark.kind for mark in history.marks(*EVER)}
    history.close()
    assert "absent" not in kinds
    return found


@pytest.mark.parametrize("damage", ["a folder", "garbage"])
def test_a_history_that_cannot_be_used_does_not_keep_a_daemon_from_learning(
    tmp_path: Path, damage: str
) -> None:
    if damage == "a folder":
        (tmp_path / "history.sqlite").mkdir()
    else:
        (tmp_path / "history.sqlite").write_bytes(b"garbage" * 10_000)
    assert learned(tmp_path) == 80


def test_without_a_budget_there_is_no_history(tmp_path: Path) -> None:
    assert learned(tmp_path, **{"history.budget_bits": 0}) == 80
    assert not list(tmp_path.glob("history*"))
