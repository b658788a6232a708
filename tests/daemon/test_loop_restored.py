"""A daemon that crashed goes on as if nothing had happened, or says why it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamlearner.app import build
from streamlearner.connectors.memory import Crash, CrashMarker, MemorySource
from streamlearner.daemon.loop import Daemon
from streamlearner.errors import ConfigError, NoReadableCheckpoint
from streamlearner.stream import Message, Position
from tests.support.checkpoint_store import spoil
from tests.support.daemon_runs import (
    a_mixed_stream,
    a_stream,
    differing,
    figure,
    kept_checkpoints,
    learned,
    predict,
    run,
    run_with_crashes,
    settings,
    state,
    store,
)

COUNT = 200
STREAM = a_stream(COUNT)


@pytest.mark.parametrize("steps_per_batch", [0, 3])
def test_crashes_anywhere_leave_no_trace_in_the_end(tmp_path: Path, steps_per_batch: int) -> None:
    calm, harmed = (
        settings(tmp_path / name, sleep__steps_per_batch=steps_per_batch) for name in ("calm", "harmed")
    )
    run(calm, MemorySource(STREAM))
    run_with_crashes(harmed, STREAM, at=[3, 62, 77, 130, 171, 199])
    assert not differing(state(tmp_path / "harmed"), state(tmp_path / "calm"))


@pytest.mark.parametrize(
    "more",
    [
        {"method__name": "finetune"},
        {"method__name": "rehearsal"},
        {"memory__sampling": "balanced", "exam__fraction": 0.4},
        {"association__name": "gumbel", "association__variables": 8},
        {"codec__tasks": "ignore", "sleep__on_memory_full": True, "sleep__drift": 0.1},
        {"daemon__batch_size": 7, "codec__remembered_ids": 10, "evaluation__prequential_window": 13},
    ],
    ids=lambda more: next(iter(more.values())),
)
def test_crashes_leave_no_trace_whoever_learns_and_however(tmp_path: Path, more: dict[str, Any]) -> None:
    calm, harmed = (settings(tmp_path / name, **more) for name in ("calm", "harmed"))
    stream = a_mixed_stream(120)
    run(calm, MemorySource(stream))
    run_with_crashes(harmed, stream, at=[44, 73, 101])
    assert not differing(state(tmp_path / "harmed"), state(tmp_path / "calm"))


def test_a_stream_that_is_begun_at_its_end_is_gone_on_with_from_there_after_a_crash(tmp_path: Path) -> None:
    """Killed before the first batch was saved, it must not begin at a later end: what came between counts."""

    class AtItsEnd(MemorySource):
        begins_now = True

        def open(self, position: Position | None) -> None:
            super().open({"index": len(self._messages)} if position is None else position)

    def source(*after: Message | Crash) -> AtItsEnd:
        return AtItsEnd([*STREAM[:50], *after])

    config = settings(tmp_path)
    first = source()
    first.finite = False
    first.append(Crash())
    with pytest.raises(CrashMarker):
        build(config, source=first).run()
    daemon = run(config, source(*STREAM[50:90]))
    assert daemon.state.tally.messages == 40


def test_a_checkpoint_of_a_sleep_under_way_is_gone_on_with_to_the_same_end(tmp_path: Path) -> None:
    calm, harmed = (
        settings(tmp_path / name, checkpoint__every_examples=5, sleep__steps_per_batch=2)
        for name in ("calm", "harmed")
    )
    run(calm, MemorySource(STREAM))
    halted = build(harmed, source=MemorySource(STREAM))
    asleep_at = 0

    def stop_asleep() -> None:
        nonlocal asleep_at
        Daemon.consolidate(halted)
        if halted.state.asleep and learned(halted) > 90:
            asleep_at = learned(halted)
            halted.stop()

    halted.consolidate = stop_asleep  # type: ignore[method-assign]
    halted.run()
    kept = store(tmp_path / "harmed").latest()
    assert asleep_at and kept is not None and kept.facts["learner"]["consolidation_steps"] > 0
    run(harmed, MemorySource(STREAM))
    assert not differing(state(tmp_path / "harmed"), state(tmp_path / "calm"))


def test_a_restart_in_mid_sleep_answers_and_can_be_stopped_before_it_has_taken_the_steps_again(
    tmp_path: Path,
) -> None:
    """Again and again: what is owed is never more than was taken, and the end is that of the calm run."""
    calm, harmed = (
        settings(tmp_path / name, sleep__steps=900, sleep__steps_per_batch=0) for name in ("calm", "harmed")
    )
    run(calm, MemorySource(STREAM))
    halted = build(harmed, source=MemorySource(STREAM))
    stop_when(halted, lambda: halted.state.asleep and halted.learner.consolidation.steps > 500)  # type: ignore[union-attr]
    halted.run()
    steps = owed_in(tmp_path / "harmed")
    answered = []
    for _ in range(3):
        halted = build(harmed, source=MemorySource(STREAM))
        stop_when(halted, lambda d=halted: d.learner is not None)  # type: ignore[misc]
        halted.requests.run_pending = lambda d, one=halted: answered.append(predict(one))  # type: ignore[misc, method-assign]
        halted.run()
        assert owed_in(tmp_path / "harmed") == steps
        assert halted.state.owed_steps > 400
    assert len(answered) == 3
    run(harmed, MemorySource(STREAM))
    assert not differing(state(tmp_path / "harmed"), state(tmp_path / "calm"))


def owed_in(folder: Path) -> int:
    newest = store(folder).latest()
    assert newest is not None
    steps = newest.facts["learner"]["consolidation_steps"]
    return int(steps)


def stop_when(daemon: Daemon, holds: Callable[[], bool]) -> None:
    """Tells it to end in the round in which that first holds."""

    def consolidate() -> None:
        Daemon.consolidate(daemon)
        if holds():
            daemon.stop()

    daemon.consolidate = consolidate  # type: ignore[method-assign]


def test_a_torn_newest_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    calm, harmed = settings(tmp_path / "calm"), settings(tmp_path / "harmed")
    run(calm, MemorySource(STREAM))
    run(harmed, MemorySource([*STREAM[:150], Crash()]))
    newest = store(tmp_path / "harmed").entries()[-1].number
    spoil(tmp_path / "harmed" / "checkpoints" / f"{newest:012d}" / "method.safetensors")
    daemon = run(harmed, MemorySource(STREAM))
    assert daemon.state.tally.messages == COUNT
    assert figure(daemon, "streamlearner_checkpoint_unreadable_total") == 1
    ended, calmly = state(tmp_path / "harmed"), state(tmp_path / "calm")
    names = {"newest", "version", "rollbacks"}  # of models: what the torn one held is another future
    assert {"learner"} <= set(differing(ended, calmly)) <= {"learner", "intake/versions"}
    differing_in = differing(ended["learner"]["progress"], calmly["learner"]["progress"])
    assert "rollbacks" in differing_in and set(differing_in) <= names
    assert differing(ended["learner"], calmly["learner"]) == ["progress"]


def test_a_checkpoint_that_could_not_be_read_for_a_while_is_no_part_of_what_goes_on(tmp_path: Path) -> None:
    """Its place in the stream is later than theirs that follow, and what they need must not be released."""
    config = settings(tmp_path, checkpoint__every_examples=10)
    run(config, MemorySource([*STREAM[:150], Crash()]))
    *_, first, second = store(tmp_path).entries()
    name = f"{second.number:012d}/facts.json"
    content = (tmp_path / "checkpoints" / name).read_bytes()
    for entry in (first, second):
        spoil(tmp_path / "checkpoints" / f"{entry.number:012d}" / "facts.json")
    run(config, MemorySource([*STREAM[:145], Crash()]))
    (tmp_path / "checkpoints" / "rolled-back" / name).write_bytes(content)
    found = kept_checkpoints(tmp_path)
    places = [one.manifest.position["index"] for one in found]  # type: ignore[index]
    assert places == sorted(places) and second.number not in {one.number for one in found}


def test_where_no_checkpoint_can_be_read_a_person_must_decide(tmp_path: Path) -> None:
    run(settings(tmp_path), MemorySource(STREAM))
    for facts in (tmp_path / "checkpoints").glob("*/facts.json"):
        spoil(facts)
    with pytest.raises(NoReadableCheckpoint) as refused:
        build(settings(tmp_path), source=MemorySource(STREAM)).run()
    assert refused.value.exit_code == 74


def test_a_checkpoint_of_another_method_is_refused_by_name(tmp_path: Path) -> None:
    run(settings(tmp_path), MemorySource(STREAM))
    other = build(settings(tmp_path, method__name="finetune"), source=MemorySource(STREAM))
    with pytest.raises(ConfigError, match="recollection_replay, the configuration says finetune"):
        other.run()


@pytest.mark.parametrize(
    ("before", "then", "named"),
    [
        (
            {"memory__sampling": "balanced"},
            {"memory__sampling": "reservoir"},
            "memory.sampling was 'balanced', is 'reservoir'",
        ),
        (
            {"association__name": "raw", "seed": 1},
            {"association__name": "gumbel", "association__variables": 8, "seed": 2},
            "association.name was 'raw', is 'gumbel'; association.variables was 62, is 8; seed was 1, is 2",
        ),
    ],
    ids=["sampling", "association"],
)
def test_what_a_checkpoint_does_not_fit_is_a_setting_for_a_person_to_set_back(
    tmp_path: Path, before: dict[str, Any], then: dict[str, Any], named: str
) -> None:
    run(settings(tmp_path, **before), MemorySource(STREAM))
    other = build(settings(tmp_path, **then), source=MemorySource(STREAM))
    with pytest.raises(ConfigError, match="set back what it does not fit") as refused:
        other.run()
    assert named in str(refused.value)
    assert refused.value.exit_code == 78
    run(settings(tmp_path, **before), MemorySource(STREAM))


def test_settings_that_changed_and_fit_are_told_by_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(settings(tmp_path, method__learning_rate=0.01), MemorySource(STREAM))
    run(settings(tmp_path, method__learning_rate=0.02), MemorySource(STREAM))
    told = [record.getMessage() for record in caplog.records if "have changed" in record.getMessage()]
    assert [one.partition(": ")[2] for one in told] == ["method.learning_rate was 0.01, is 0.02"]
