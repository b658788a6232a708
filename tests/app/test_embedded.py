"""A program's Learner is the daemon's learning: the same state bit for bit, and each takes the other's up."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from streamlearner import CheckpointError, ConfigError, Learner, Message, StateInUse, encode
from streamlearner.connectors.memory import MemorySource
from streamlearner.state.checkpoint import CheckpointStore
from streamlearner.state.lock import StateLock
from tests.support.daemon_runs import CLASSES, SETTINGS, differing, run, settings, state, store

PAUSED = {"sleep__steps_per_batch": 0}
BESIDE = {"sleep__steps_per_batch": 3}
COUNT = 243
"""No multiple of the batch's five."""


class Examples:
    """6x6 images of a few classes, of two tasks from the 40th on, every ninth sent twice: as arrays, and as
    messages."""

    def __init__(self) -> None:
        draw = random.Random(7)
        self.y = [draw.randrange(CLASSES) for _ in range(COUNT)]
        self.tasks = [f"task-{label % 2}" if number > 40 else None for number, label in enumerate(self.y)]
        self.ids = [f"id-{number - (number % 9 == 8)}" for number in range(COUNT)]
        self.X = np.random.default_rng(7).integers(0, 60, (COUNT, 6, 6), dtype=np.uint8)
        for image, label in zip(self.X, self.y, strict=True):
            image[label : label + 2] += np.uint8(180)

    def messages(self) -> list[Message]:
        messages = []
        for number in range(COUNT):
            value, headers = encode(
                self.X[number], label=self.y[number], task=self.tasks[number], id=self.ids[number]
            )
            messages.append(Message(value, "memory", 0, number, headers=headers))
        return messages

    def teach(self, learner: Learner, start: int = 0, stop: int = COUNT) -> None:
        part = slice(start, stop)
        learner.learn_many(self.X[part], self.y[part], tasks=self.tasks[part], ids=self.ids[part])


EXAMPLES = Examples()


def learner(**more: Any) -> Learner:
    """With the settings of the daemons in `daemon_runs`; in `more`, `__` nests."""
    return Learner(config=SETTINGS | {name.replace("__", "."): value for name, value in more.items()})


def saved(learner: Learner, folder: Path) -> dict[str, Any]:
    learner.save(folder)
    return state(folder)


def of_the_daemon(found: dict[str, Any]) -> dict[str, Any]:
    """What a daemon saves too, but for its place in the stream."""
    return {name: value for name, value in found.items() if name not in ("features", "position")}


@pytest.mark.parametrize("sleeps", [PAUSED, BESIDE], ids=["the stream pauses", "the stream goes on"])
def test_the_same_batches_give_the_state_of_a_daemon_bit_for_bit(
    tmp_path: Path, sleeps: dict[str, Any]
) -> None:
    daemon = run(settings(tmp_path / "daemon", **sleeps), MemorySource(EXAMPLES.messages()))
    assert daemon.learner is not None
    assert daemon.learner.progress.adopted > 1 and daemon.state.tally.duplicate > 10
    ours = learner(**sleeps)
    EXAMPLES.teach(ours)
    if sleeps == BESIDE:
        ours.sleep()  # a daemon ends the one under way once its stream has ended
    theirs = state(tmp_path / "daemon")
    assert differing(of_the_daemon(saved(ours, tmp_path / "ours")), of_the_daemon(theirs)) == []


@pytest.mark.parametrize("cut", [5, 100, 240], ids="after {}".format)
def test_a_learner_that_was_saved_and_loaded_goes_on_as_if_it_had_not(tmp_path: Path, cut: int) -> None:
    whole, first = learner(**BESIDE), learner(**BESIDE)
    EXAMPLES.teach(whole)
    EXAMPLES.teach(first, stop=cut)
    first.save(tmp_path / "half")
    second = Learner.load(tmp_path / "half")
    EXAMPLES.teach(second, start=cut)
    assert differing(saved(whole, tmp_path / "whole"), saved(second, tmp_path / "second")) == []
    assert whole.sleep() == second.sleep()
    assert np.array_equal(whole.predict_proba_many(EXAMPLES.X), second.predict_proba_many(EXAMPLES.X))


def test_a_learner_goes_on_from_what_a_daemon_saved_amid_a_sleep(tmp_path: Path) -> None:
    """With the settings that the checkpoint tells of: none is given here."""
    half = settings(tmp_path / "daemon", checkpoint__keep=100, **BESIDE)
    run(half, MemorySource(EXAMPLES.messages()))
    asleep = [
        number
        for number in checkpoints(half.state_dir)
        if facts_at(half.state_dir, number)["consolidation_steps"]
    ]
    store(half.state_dir).rollback(asleep[0])
    ours = Learner.load(half.state_dir)
    taken = store(half.state_dir).load(asleep[0]).manifest.position
    assert taken is not None and ours.learned > 0
    EXAMPLES.teach(ours, start=taken["index"])
    ours.sleep()
    theirs = run(half, MemorySource(EXAMPLES.messages()))
    assert theirs.learner is not None and theirs.learner.progress.learned == ours.learned
    found = of_the_daemon(saved(ours, tmp_path / "ours"))
    assert differing(found, of_the_daemon(state(half.state_dir))) == []


def checkpoints(state_dir: Path) -> list[int]:
    return [entry.number for entry in store(state_dir).entries()]


def facts_at(state_dir: Path, number: int) -> dict[str, Any]:
    facts: dict[str, Any] = store(state_dir).load(number).facts["learner"]
    return facts


def test_a_daemon_goes_on_from_what_a_learner_saved_with_its_stream_from_the_beginning(
    tmp_path: Path,
) -> None:
    ours = learner(**PAUSED)
    ours.learn_many(EXAMPLES.X[:100] // 2, EXAMPLES.y[:100])
    ours.save(tmp_path)
    daemon = run(settings(tmp_path, **PAUSED), MemorySource(EXAMPLES.messages()))
    EXAMPLES.teach(ours)
    assert daemon.learner is not None and daemon.learner.progress.learned == ours.learned > 250
    found = of_the_daemon(saved(ours, tmp_path / "ours"))
    assert differing(found, of_the_daemon(state(tmp_path))) == []


def test_a_daemon_that_gets_its_state_back_reads_on_from_where_it_was(tmp_path: Path) -> None:
    config = settings(tmp_path, **PAUSED)
    run(config, MemorySource(EXAMPLES.messages()[:100]))
    ours = Learner.load(tmp_path)
    ours.sleep()
    ours.save(tmp_path)
    assert state(tmp_path)["position"] == {"index": 100}
    run(config, MemorySource(EXAMPLES.messages()))
    assert state(tmp_path)["position"] == {"index": COUNT}


def test_saving_again_keeps_the_last_few_and_loads_the_newest(tmp_path: Path) -> None:
    ours = learner(checkpoint__keep=2)
    for stop in (20, 40, 60):
        EXAMPLES.teach(ours, start=stop - 20, stop=stop)
        ours.save(tmp_path)
    assert len(checkpoints(tmp_path)) == 2
    assert Learner.load(tmp_path).learned == ours.learned


def test_no_learner_is_saved_into_the_folder_of_a_daemon_that_runs(tmp_path: Path) -> None:
    with StateLock(tmp_path), pytest.raises(StateInUse, match="in use by"):
        learner().save(tmp_path)


def test_a_newer_checkpoint_that_is_torn_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours = learner()
    EXAMPLES.teach(ours, stop=50)
    ours.save(tmp_path)
    ours.save(tmp_path)
    (newest,) = tmp_path.glob("checkpoints/*2/method.safetensors")
    newest.write_bytes(newest.read_bytes()[:-1])
    assert Learner.load(tmp_path).learned == ours.learned
    assert "checkpoint 2 was skipped" in caplog.text


def test_a_folder_without_a_checkpoint_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no checkpoint in /"):
        Learner.load(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


def test_a_checkpoint_from_before_it_told_its_settings_needs_them(tmp_path: Path) -> None:
    ours = learner(**PAUSED)
    EXAMPLES.teach(ours, stop=60)
    old = rewritten(tmp_path, ours, without="settings")
    with pytest.raises(ConfigError, match="from before settings were kept"):
        Learner.load(old)
    assert Learner.load(old, config=SETTINGS).predict_one(EXAMPLES.X[0]) is not None


def rewritten(folder: Path, learner: Learner, *, without: str, more: dict[str, Any] | None = None) -> Path:
    """Saved, and saved again without that fact, and with more."""
    learner.save(folder)
    found = store(folder).latest()
    assert found is not None
    CheckpointStore(folder / "old" / "checkpoints", keep=1, clock=lambda: 0.0).save(
        tensors=found.tensors,
        facts={name: value for name, value in found.facts.items() if name != without} | (more or {}),
        position=found.manifest.position,
        method=found.manifest.method,
        config_digest=found.manifest.config_digest,
    )
    return folder / "old"


def test_settings_given_to_load_count_before_those_of_the_checkpoint(tmp_path: Path) -> None:
    ours = learner(sleep__tolerance=0.0)
    EXAMPLES.teach(ours, stop=60)
    ours.save(tmp_path)
    again = Learner.load(tmp_path, config={"sleep": {"tolerance": 1.0}})
    assert saved(again, tmp_path / "again")["settings"]["sleep"]["tolerance"] == 1.0
    with pytest.raises(ConfigError, match="was learned by method recollection_replay, config says finetune"):
        Learner.load(tmp_path, config={"method.name": "finetune"})
    with pytest.raises(ConfigError, match="does not fit these settings"):
        Learner.load(tmp_path, config={"association.name": "gumbel"})


def test_a_checkpoint_has_no_code_imported_unless_the_program_names_it_too(tmp_path: Path) -> None:
    own = {"network.name": "tests.support.learners:Skill"}  # imported, and found to be no network
    ours = learner()
    EXAMPLES.teach(ours, stop=20)
    old = rewritten(tmp_path, ours, without="settings", more={"settings": {"network": {"name": "os:system"}}})
    with pytest.raises(ConfigError, match=r"names code, network\.name os:system: to have it imported"):
        Learner.load(old)
    with pytest.raises(ConfigError, match=r"Skill: called with input_shape"):
        Learner.load(old, config=own)


def test_labels_of_several_factors_are_left_to_the_daemon(tmp_path: Path) -> None:
    value, headers = encode(EXAMPLES.X[0], label={"shape": "round", "size": 3})
    messages = [Message(value, "memory", 0, number, headers=headers) for number in range(10)]
    run(settings(tmp_path), MemorySource(messages))
    with pytest.raises(ConfigError, match="several factors; only a daemon"):
        Learner.load(tmp_path)


def test_nothing_global_is_touched() -> None:
    before = torch.get_num_threads(), torch.get_rng_state(), np.random.get_state()[1]
    ours = learner(threads=7)
    EXAMPLES.teach(ours, stop=100)
    ours.sleep()
    ours.predict_many(EXAMPLES.X)
    after = torch.get_num_threads(), torch.get_rng_state(), np.random.get_state()[1]
    assert before[0] == after[0] and torch.equal(before[1], after[1]) and np.array_equal(before[2], after[2])
