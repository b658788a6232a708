"""Messages of which the process dies without a word: by a signal of the kernel or of C code."""

from __future__ import annotations

import ctypes
import faulthandler
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.learning_failures import DEATH, ENOUGH
from streamlearner.decoding.batch import Batch
from streamlearner.learning.learner import Learner
from streamlearner.learning.results import LearningResult
from streamlearner.state import learning_mark
from tests.daemon.test_learning_failures import BATCH, POISON, STREAM, accounted, set_aside
from tests.support.daemon_runs import run, settings

DEATHS = -(-ENOUGH // DEATH)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def segmentation_fault() -> None:
    ctypes.string_at(0)


def life(folder: Path, die: Callable[[], None], at: int, **more: Any) -> int:
    """The exit code of a process that learns the stream and dies at a message. `more` are settings."""

    def child() -> None:
        learn = Learner.learn

        def deadly(self: Learner, batch: Batch, **how: Any) -> LearningResult:
            if at in {message.offset for message in batch.messages}:
                die()
            return learn(self, batch, **how)

        Learner.learn = deadly  # type: ignore[method-assign]
        faulthandler.enable((folder / learning_mark.FATAL_SIGNAL).open("ab"))
        run(settings(folder, **more), MemorySource(STREAM))

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


@pytest.fixture
def out_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Dies as the kernel has it where memory is short: the kernel counts it."""
    counts = tmp_path / "vmstat"
    counts.write_text("nr_free_pages 1\noom_kill 3\n")
    monkeypatch.setattr(learning_mark, "_KERNEL_COUNTS", counts)

    def die() -> None:
        before = int(counts.read_text().split()[-1])
        counts.write_text(f"nr_free_pages 1\noom_kill {before + 1}\n")
        killed()

    return die


def test_a_batch_that_ends_the_process_in_c_code_twice_is_set_aside(tmp_path: Path) -> None:
    for _ in range(2):
        assert life(tmp_path, segmentation_fault, POISON) == -signal.SIGSEGV
    daemon = run(settings(tmp_path), MemorySource(STREAM))
    assert set_aside(tmp_path) == BATCH and accounted(daemon) == len(STREAM)
    assert "Segmentation fault" in (tmp_path / "dead-letters" / "dead_letters.jsonl").read_text()


def test_a_batch_for_which_memory_is_too_short_twice_is_set_aside(
    tmp_path: Path, out_of_memory: Callable[[], None]
) -> None:
    for kills in range(2):
        assert life(tmp_path, out_of_memory, POISON) == -signal.SIGKILL
        assert (tmp_path / "failures.json").exists() == bool(kills)
    daemon = run(settings(tmp_path), MemorySource(STREAM))
    assert set_aside(tmp_path) == BATCH and accounted(daemon) == len(STREAM)


def test_kills_that_nothing_explains_set_a_batch_aside_only_after_many_in_succession(tmp_path: Path) -> None:
    never_saved = {"checkpoint__every_examples": None, "checkpoint__every_s": None}
    others = [POISON] * (DEATHS - 1)
    for at in [*others, 90, *others]:  # the one between learned the others: their count begins anew
        assert life(tmp_path, killed, at, **never_saved) == -signal.SIGKILL
    run(settings(tmp_path), MemorySource(STREAM))
    assert set_aside(tmp_path) == []


def test_kills_at_one_batch_in_succession_set_it_aside(tmp_path: Path) -> None:
    for _ in range(DEATHS):
        assert life(tmp_path, killed, POISON) == -signal.SIGKILL
    assert accounted(run(settings(tmp_path), MemorySource(STREAM))) == len(STREAM)
    assert set_aside(tmp_path) == BATCH


def test_a_machine_that_died_blames_no_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boot = tmp_path / "boot_id"
    monkeypatch.setattr(learning_mark, "_BOOT", boot)
    for start in range(DEATHS):
        boot.write_text(f"start {start}\n")
        assert life(tmp_path, killed, POISON) == -signal.SIGKILL
    boot.write_text("the last\n")
    run(settings(tmp_path), MemorySource(STREAM))
    assert set_aside(tmp_path) == []
