"""A history that went back agrees with itself: no name means two models, no version is of another future."""

from __future__ import annotations

import hashlib
import shutil
import urllib.error
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from streamlearner.app import build
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.loop import Daemon
from streamlearner.daemon.snapshot import rollbacks
from streamlearner.state.rollback import roll_back
from streamlearner.state.versions import LINEAGE, Lineage, Versions
from tests.support.daemon_runs import (
    a_stream,
    ask,
    differing,
    example,
    figure,
    kept_checkpoints,
    predict,
    run,
    running,
    settings,
    state,
    store,
    wait_until,
)

COUNT = 200
STREAM = a_stream(COUNT)
Named = dict[str, set[str]]


def lived(folder: Path, named: Named, *, stream: list[Any] = STREAM, **more: Any) -> Daemon:
    """Learns the stream to its end, and notes by name every model that was served."""
    daemon = build(settings(folder, checkpoint__keep=50, **more), source=MemorySource(stream))
    freshen = daemon.serving.refresh

    def refresh(predictor: Any) -> bool:
        served = freshen(predictor)
        note(daemon, named)
        return served

    daemon.serving.refresh = refresh  # type: ignore[method-assign]
    daemon.run()
    return daemon


def note(daemon: Daemon, named: Named) -> None:
    if (current := daemon.serving.current) is not None:
        weights = current.method.state_dict()  # type: ignore[attr-defined]
        parts = sorted((name, part.numpy().tobytes()) for name, part in weights.items())
        named[str(current.version)].add(hashlib.sha256(repr(parts).encode()).hexdigest())


def versions_in(folder: Path) -> Versions:
    return Versions(folder / "versions", keep=5)


def checkpoint_before_version(folder: Path, version: int) -> int:
    """The last one in which that version was not yet adopted."""
    found = store(folder)
    newest = {e.number: found.load(e.number).facts["learner"] for e in found.entries()}
    return max(n for n, learner in newest.items() if learner["progress"]["newest"] < version)


def test_after_a_rollback_to_a_checkpoint_no_version_or_name_of_the_abandoned_future_is_used_again(
    tmp_path: Path,
) -> None:
    named: Named = defaultdict(set)
    lived(tmp_path, named)
    abandoned = versions_in(tmp_path).numbers()
    assert len(abandoned) >= 2
    roll_back(store(tmp_path), versions_in(tmp_path), checkpoint_before_version(tmp_path, 1))
    assert versions_in(tmp_path).numbers() == []
    other = [example(n, label=n % 3) for n in range(COUNT)]  # another future
    daemon = lived(tmp_path, named, stream=other)
    assert daemon.learner is not None and daemon.learner.progress.newest > max(abandoned)
    assert min(versions_in(tmp_path).numbers()) > max(abandoned)
    assert len(named) > 10
    assert {name: len(models) for name, models in named.items() if len(models) > 1} == {}


def test_a_version_of_an_abandoned_future_cannot_be_rolled_back_to(tmp_path: Path) -> None:
    lived(tmp_path, defaultdict(set))
    newest = max(versions_in(tmp_path).numbers())
    roll_back(store(tmp_path), versions_in(tmp_path), checkpoint_before_version(tmp_path, newest))
    config = settings(tmp_path, daemon__at_end="serve", sleep__every_examples=None)
    with running(build(config, source=MemorySource(STREAM, finite=False))) as daemon:
        wait_until(lambda: daemon.requests.status().get("ready"), "restored")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            ask(daemon, "/v1/rollback", {"version": newest})


def test_the_next_versions_after_a_rollback_are_kept(tmp_path: Path) -> None:
    more = {"checkpoint__keep_versions": 2}
    lived(tmp_path, defaultdict(set), **more)
    last = max(versions_in(tmp_path).numbers())
    roll_back(store(tmp_path), versions_in(tmp_path), checkpoint_before_version(tmp_path, 1))
    daemon = lived(tmp_path, defaultdict(set), **more)
    assert daemon.learner is not None
    adopted = daemon.learner.progress.newest
    assert versions_in(tmp_path).numbers() == [adopted - 1, adopted] and adopted - 1 > last


@pytest.mark.parametrize("step", ["before", "between"])
def test_a_rollback_that_a_crash_cut_short_ends_as_if_it_had_happened_or_not(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before: the numbers are used up, nothing else. Between: the checkpoints went, the versions did not."""
    named: Named = defaultdict(set)
    lived(tmp_path, named)
    found, versions = store(tmp_path), versions_in(tmp_path)
    kept, number = versions.numbers(), checkpoint_before_version(tmp_path, 1)

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    crashing = (found, "rollback") if step == "before" else (versions, "set_aside_above")
    monkeypatch.setattr(*crashing, crash)
    with pytest.raises(KeyboardInterrupt):
        roll_back(found, versions, number)
    assert versions_in(tmp_path).numbers() == kept
    daemon = lived(tmp_path, named, stream=[*STREAM, *(example(n, label=n % 3) for n in range(COUNT, 300))])
    assert daemon.learner is not None and daemon.learner.progress.newest > max(kept)
    assert {name: len(models) for name, models in named.items() if len(models) > 1} == {}


def test_versions_of_a_life_whose_checkpoints_were_moved_away_are_not_of_the_next(tmp_path: Path) -> None:
    lived(tmp_path, defaultdict(set))
    former = versions_in(tmp_path).numbers()
    shutil.rmtree(tmp_path / "checkpoints")
    daemon = lived(tmp_path, defaultdict(set))
    assert daemon.learner is not None and daemon.learner.progress.newest > max(former)


def test_a_version_that_a_crash_left_before_its_checkpoint_is_come_to_again_under_its_number(
    tmp_path: Path,
) -> None:
    calm, harmed = settings(tmp_path / "calm"), settings(tmp_path / "harmed")
    run(calm, MemorySource(STREAM))
    run(harmed, MemorySource(STREAM[:50]))
    shutil.copytree(tmp_path / "calm" / "versions", tmp_path / "harmed" / "versions")
    (tmp_path / "harmed" / "versions" / "000002.safetensors").unlink()
    run(harmed, MemorySource(STREAM))
    assert versions_in(tmp_path / "harmed").numbers() == versions_in(tmp_path / "calm").numbers()
    assert versions_in(tmp_path / "harmed").lineage() == Lineage()
    assert not differing(state(tmp_path / "harmed"), state(tmp_path / "calm"))


def test_a_rollback_to_the_present_version_is_served_at_once_under_another_name(tmp_path: Path) -> None:
    source = MemorySource(STREAM, finite=False)
    named: Named = defaultdict(set)
    with running(build(settings(tmp_path), source=source)) as daemon:
        wait_until(lambda: source.committed == {"index": COUNT} and not daemon.state.asleep, "all learned")
        present = daemon.learner.progress.version  # type: ignore[union-attr]
        names = []
        for turn in range(3):
            ask(daemon, "/v1/rollback", {"version": present})
            wait_until(lambda t=turn: daemon.learner.progress.rollbacks == t + 1, "rolled back")  # type: ignore[misc, union-attr]
            ending = f".{turn + 1}"
            wait_until(lambda e=ending: predict(daemon)["model_version"].endswith(e), "served")  # type: ignore[misc]
            note(daemon, named)
            names.append(predict(daemon)["model_version"])
    assert len(set(names)) == 3
    assert all(len(models) == 1 for models in named.values())
    assert figure(daemon, f'streamlearner_model_version_info{{version="{present}"}}') == 1


def test_a_rollback_is_not_forgotten_with_the_checkpoint_that_holds_it(tmp_path: Path) -> None:
    """Or the next one would give its name to another model."""
    source = MemorySource(STREAM, finite=False)
    with running(build(settings(tmp_path), source=source)) as daemon:
        wait_until(lambda: source.committed == {"index": COUNT} and not daemon.state.asleep, "all learned")
        ask(daemon, "/v1/rollback", {"version": 1})
        wait_until(lambda: predict(daemon)["model_version"].endswith(".1"), "served")
    found = kept_checkpoints(tmp_path)
    holding = [one for one in found if rollbacks(one.facts)]
    assert holding and len(holding) < len(found)
    for one in holding:
        (one.path / "facts.json").write_text("{")
    again = run(settings(tmp_path), MemorySource(STREAM))  # which goes back for want of them
    assert again.learner is not None and again.learner.progress.rollbacks == 2
    roll_back(store(tmp_path), versions_in(tmp_path), found[0].number)
    assert versions_in(tmp_path).lineage().rollbacks == 3


def test_a_start_notes_the_rollbacks_of_its_checkpoint_before_it_serves_them(tmp_path: Path) -> None:
    """The process that saved it was killed before it could; a flipped bit in that checkpoint, and the next
    rollback would give its name to another model."""
    source = MemorySource(STREAM, finite=False)
    with running(build(settings(tmp_path), source=source)) as daemon:
        wait_until(lambda: source.committed == {"index": COUNT} and not daemon.state.asleep, "all learned")
        ask(daemon, "/v1/rollback", {"version": 1})
        wait_until(lambda: predict(daemon)["model_version"].endswith(".1"), "served")
    (tmp_path / "versions" / LINEAGE).unlink()
    daemon = build(settings(tmp_path), source=MemorySource(STREAM))
    try:
        daemon.restore()
    finally:
        daemon.close()
    assert versions_in(tmp_path).lineage().rollbacks == 1
