"""A batch that the clock cut is cut there again in a replay: no name ever means two models."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamlearner.app import build
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.loop import Daemon
from streamlearner.state.batch_ends import KEPT, BatchEnds
from tests.support.daemon_runs import example, learned, predict, running, settings, wait_until
from tests.support.intakes import NoEnds, an_intake, everything, message

NEVER_SAVED = {"checkpoint__every_examples": None, "checkpoint__every_s": None, "exam__fraction": 0.0}


class Killed(Exception):
    """The stand-in for kill -9."""


def weights(daemon: Daemon) -> bytes:
    assert daemon.learner is not None
    return b"".join(
        tensor.numpy().tobytes() for tensor in daemon.learner.tensors()["method"].values() if tensor.numel()
    )


def killed_after(daemon: Daemon, source: MemorySource, stretches: list[list[int]]) -> tuple[str, bytes]:
    """Learns each stretch of messages before the next one comes; what then answered, and its weights."""
    with pytest.raises(Killed), running(daemon):
        for stretch in stretches:
            source.extend([example(n) for n in stretch])
            wait_until(lambda: learned(daemon) == stretch[-1] + 1, "it is learned")  # noqa: B023
        wait_until(lambda: daemon.serving.version == f"0.{learned(daemon)}", "it answers")
        name, found = predict(daemon)["model_version"], weights(daemon)

        def kill() -> None:
            raise Killed

        daemon.checkpoint = kill  # type: ignore[method-assign]
    return name, found


def test_a_model_of_a_name_is_the_same_one_after_a_kill(tmp_path: Path) -> None:
    config = settings(tmp_path, daemon__at_end="serve", serving__refresh_every_examples=1, **NEVER_SAVED)
    source = MemorySource(finite=False)
    cut = [[0, 1, 2], [*range(3, 10)], [10], [11, 12]]  # batches of five: 3, 5, 2, 1 and 2
    name, found = killed_after(build(config, source=source), source, cut)
    replayed = build(config, source=source)
    with running(replayed):
        wait_until(lambda: learned(replayed) == 13, "all is learned again")
        wait_until(lambda: replayed.serving.version == name, "it answers under the same name")
        assert weights(replayed) == found


def test_cut_by_count_alone_the_same_messages_end_otherwise(tmp_path: Path) -> None:
    """Else the test before would prove nothing."""
    config = settings(tmp_path, daemon__at_end="serve", serving__refresh_every_examples=1, **NEVER_SAVED)
    source = MemorySource(finite=False)
    name, found = killed_after(build(config, source=source), source, [[0, 1, 2], [*range(3, 13)]])
    (tmp_path / "batch_ends").unlink()
    replayed = build(config, source=source)
    with running(replayed):
        wait_until(lambda: replayed.serving.version == name, "it answers under the same name")
        assert weights(replayed) != found


def test_only_ends_that_the_count_does_not_give_are_noted() -> None:
    intake = an_intake(MemorySource([message(n) for n in range(10)]))
    assert [taken.messages for taken in everything(intake)] == [4, 4, 2]
    assert isinstance(intake._ends, NoEnds) and intake._ends.added == [10]


def test_ends_outlive_the_process_and_are_bounded(tmp_path: Path) -> None:
    ends = BatchEnds(tmp_path / "ends")
    for end in range(3, 3 * KEPT, 2):
        ends.add(end)
    again = BatchEnds(tmp_path / "ends")
    assert [again.after(n) for n in (3 * KEPT - 4, 3 * KEPT)] == [3 * KEPT - 3 + KEPT % 2, None]
    assert again.after(0) == ends.after(0) > KEPT - 3  # type: ignore[operator]


@pytest.mark.parametrize("torn", ["", "[1, 2", "{}", '["a"]'])
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, torn: str) -> None:
    (tmp_path / "ends").write_text(torn)
    assert BatchEnds(tmp_path / "ends").after(0) is None
