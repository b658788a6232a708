"""What becomes of messages at which learning fails: named, counted across restarts, set aside."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from streamlearner.config.loading import Config
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.loop import Daemon
from streamlearner.decoding.batch import Batch
from streamlearner.decoding.codec import Codec
from streamlearner.errors import StreamlearnerError
from streamlearner.learning.learner import Learner
from streamlearner.learning.results import LearningResult
from streamlearner.state import sealed_lines
from streamlearner.state.learning_mark import FailureRecord
from streamlearner.stream import Message, Reject
from tests.support.daemon_runs import a_stream, differing, example, figure, learned, run, settings, state

STREAM = a_stream(120)
POISON = 63  # in the batch 60 to 64
BATCH = [60, 61, 62, 63, 64]

Fails = Callable[[Batch], None]


class Killed(BaseException):
    """The stand-in for a death of which the process can write nothing."""


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[Fails], None]:
    """Calls something before each batch is learned."""
    learn = Learner.learn

    def install(fail: Fails) -> None:
        def failing(self: Learner, batch: Batch, **how: Any) -> LearningResult:
            fail(batch)
            return learn(self, batch, **how)

        monkeypatch.setattr(Learner, "learn", failing)

    return install


def at(*offsets: int, error: BaseException | None = None) -> Fails:
    def fail(batch: Batch) -> None:
        if {message.offset for message in batch.messages} & set(offsets):
            raise error or RuntimeError("not finite")

    return fail


def ended(config: Config, stream: Sequence[Message], *, by: type[BaseException] = RuntimeError) -> None:
    with pytest.raises(by):
        run(config, MemorySource(stream))


def letters(folder: Path) -> list[dict[str, object]]:
    path = folder / "dead-letters" / "dead_letters.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def set_aside(folder: Path) -> list[object]:
    return [letter["offset"] for letter in letters(folder) if letter["reason"] == "learning_failed"]


def accounted(daemon: Daemon) -> int:
    tally, progress = daemon.state.tally, daemon.learner.progress  # type: ignore[union-attr]
    return progress.learned + progress.withheld + tally.rejected + tally.duplicate + tally.tombstone


def test_a_batch_that_fails_twice_is_set_aside_and_the_stream_goes_on(
    tmp_path: Path, fails: Callable[[Fails], None]
) -> None:
    fails(at(POISON))
    for _ in range(2):
        ended(settings(tmp_path), STREAM)
    daemon = run(settings(tmp_path), MemorySource(STREAM))
    assert accounted(daemon) == daemon.state.tally.messages == len(STREAM)
    assert set_aside(tmp_path) == BATCH and daemon.state.tally.reasons["learning_failed"] == 5
    assert figure(daemon, 'streamlearner_rejects_total{reason="learning_failed"}') == 5
    (detail,) = {str(one["detail"]) for one in letters(tmp_path) if one["reason"] == "learning_failed"}
    assert "memory[0]@60-64" in detail and "RuntimeError: not finite" in detail


def test_what_is_learned_is_what_a_stream_without_those_messages_teaches(
    tmp_path: Path, fails: Callable[[Fails], None]
) -> None:
    fails(at(POISON))
    for _ in range(2):
        ended(settings(tmp_path / "failed"), STREAM)
    run(settings(tmp_path / "failed"), MemorySource(STREAM))
    fails(at())
    run(settings(tmp_path / "without"), MemorySource([m for m in STREAM if m.offset not in BATCH]))
    assert differing(state(tmp_path / "failed"), state(tmp_path / "without")) == ["position", "tally"]


def test_a_replay_from_before_sets_the_same_messages_aside_once(
    tmp_path: Path, fails: Callable[[Fails], None]
) -> None:
    never_saved = settings(tmp_path, checkpoint__every_examples=None, checkpoint__every_s=None)
    fails(at(POISON))
    for _ in range(2):
        ended(never_saved, STREAM)
    fails(at(POISON, 90))
    ended(never_saved, STREAM)
    fails(at(POISON))  # 90 was an accident
    daemon = run(never_saved, MemorySource(STREAM))
    assert set_aside(tmp_path) == BATCH and accounted(daemon) == len(STREAM)
    known = sealed_lines.from_bytes((tmp_path / "failures.json").read_bytes(), "messages")["messages"]
    assert [offset for _, _, offset, *_ in known] == BATCH


def test_the_log_and_the_traceback_name_messages_and_ids(
    tmp_path: Path, fails: Callable[[Fails], None], caplog: pytest.LogCaptureFixture
) -> None:
    fails(at(POISON))
    with pytest.raises(RuntimeError) as caught:
        run(settings(tmp_path), MemorySource(STREAM))
    said = "memory[0]@60-64 (ids example-60, example-61, example-62, example-63, example-64)"
    assert caught.value.__notes__ == [f"while learning {said}"]
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert line.startswith(f"learning failed at {said}: RuntimeError: not finite; ")


def test_batches_that_are_cut_elsewhere_after_a_restart_set_only_aside_what_failed_twice(
    tmp_path: Path, fails: Callable[[Fails], None]
) -> None:
    fails(at(POISON))
    ended(settings(tmp_path), STREAM)
    ended(settings(tmp_path, daemon__batch_size=7), STREAM)  # from 60 on: 60 to 66
    daemon = run(settings(tmp_path), MemorySource(STREAM))
    assert set_aside(tmp_path) == BATCH and accounted(daemon) == len(STREAM)


def test_a_failure_of_decoding_names_its_batch_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = Codec.decode

    def failing(self: Codec, messages: Sequence[Message]) -> tuple[Batch, list[Reject]]:
        if STREAM[POISON] in messages:
            raise MemoryError("a decoder's bug")
        return decode(self, messages)

    monkeypatch.setattr(Codec, "decode", failing)
    for _ in range(2):
        ended(settings(tmp_path), STREAM, by=MemoryError)
    assert accounted(run(settings(tmp_path), MemorySource(STREAM))) == len(STREAM)
    assert set_aside(tmp_path) == BATCH


def test_the_very_first_batch_may_fail_too(tmp_path: Path, fails: Callable[[Fails], None]) -> None:
    fails(at(0))
    for _ in range(2):
        ended(settings(tmp_path), STREAM)
    assert accounted(run(settings(tmp_path), MemorySource(STREAM))) == len(STREAM)
    assert set_aside(tmp_path) == [0, 1, 2, 3, 4]


def test_with_stop_each_start_fails_there_and_nothing_is_set_aside(
    tmp_path: Path, fails: Callable[[Fails], None]
) -> None:
    fails(at(POISON))
    for _ in range(4):
        ended(settings(tmp_path, daemon__on_learning_failure="stop"), STREAM)
    assert set_aside(tmp_path) == []
    ended(settings(tmp_path), STREAM)
    run(settings(tmp_path), MemorySource(STREAM))
    assert set_aside(tmp_path) == BATCH


def test_errors_that_are_no_messages_doing_are_not_counted(
    tmp_path: Path, fails: Callable[[Fails], None]
) -> None:
    fails(at(POISON, error=StreamlearnerError("the disk is full")))
    for _ in range(4):
        ended(settings(tmp_path), STREAM, by=StreamlearnerError)
    assert set_aside(tmp_path) == [] and not (tmp_path / "failures.json").exists()


def test_a_disk_that_takes_no_count_hides_no_failure(
    tmp_path: Path, fails: Callable[[Fails], None], caplog: pytest.LogCaptureFixture
) -> None:
    fails(at(POISON))
    (tmp_path / ".tmp-failures.json" / "in the way").mkdir(parents=True)
    ended(settings(tmp_path), STREAM)
    assert any("is not counted" in record.getMessage() for record in caplog.records)


def test_no_single_bit_lets_a_message_be_learned_that_has_its_dead_letter(tmp_path: Path) -> None:
    record, rows = FailureRecord(tmp_path / "failures.json"), [["a", 0, 7, 12, 10, "it failed"]]
    record.save(rows)
    written = (tmp_path / "failures.json").read_bytes()
    for place in range(8 * len(written)):
        changed = bytearray(written)
        changed[place // 8] ^= 1 << place % 8
        (tmp_path / "failures.json").write_bytes(changed)
        assert record.load() == rows, f"bit {place}"


def test_failures_are_read_as_they_were_written_at_first(tmp_path: Path) -> None:
    (tmp_path / "failures.json").write_text('{"messages": [["a", 0, 7, 12, 10, "it failed"]]}')
    assert FailureRecord(tmp_path / "failures.json").load() == [["a", 0, 7, 12, 10, "it failed"]]


@pytest.mark.parametrize("torn", ["", "{", "[1, 2]", "{}"])
def test_a_record_that_cannot_be_read_stops_nothing(tmp_path: Path, torn: str) -> None:
    (tmp_path / "failures.json").write_text(torn)
    (tmp_path / "learning").write_text(torn)
    assert learned(run(settings(tmp_path), MemorySource([example(n) for n in range(20)]))) > 0


def test_other_messages_of_the_same_names_are_not_set_aside(
    tmp_path: Path, fails: Callable[[Fails], None]
) -> None:
    """A stream begun anew, of which the state folder was not wholly emptied."""
    fails(at(POISON))
    for _ in range(2):
        ended(settings(tmp_path), STREAM)
    fails(at())
    shutil.rmtree(tmp_path / "checkpoints")
    others = [example(n, label=n % 4) for n in range(1, 81)]
    anew = [Message(one.value, "memory", 0, n, headers=one.headers) for n, one in enumerate(others)]
    run(settings(tmp_path), MemorySource(anew))
    assert set_aside(tmp_path) == []
