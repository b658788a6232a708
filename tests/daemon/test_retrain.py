"""After an erasure a fresh network is taught from what is left, and what the old ones were goes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from streamlearner.app import build
from streamlearner.client import Client
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.after_erasure import AfterErasure
from streamlearner.daemon.loop import Daemon
from streamlearner.decoding.codec import encode_raw
from streamlearner.decoding.erasures import digest_of
from streamlearner.methods.chooses_answerer import ChoosesAnswerer
from streamlearner.methods.remembering import Remembering
from streamlearner.serving import Conflict
from streamlearner.state.checkpoint import CheckpointError
from streamlearner.state.versions import Versions
from streamlearner.stream import Message
from tests.support.daemon_runs import ask, running, store
from tests.support.patience import wait_until
from tests.support.transplants import STREAM, a_config, ended, last, predict


def vector(number: int) -> Message:
    """Sixteen columns, of which one tells the class."""
    drawn = np.random.default_rng(number).normal(size=16).astype(np.float32)
    drawn[number % 4] += 8
    value, headers = encode_raw(drawn, label=number % 4, id=f"example-{number}", task=None)
    return Message(value, "memory", 0, number, headers=headers)


VECTORS = [vector(number) for number in range(160)]
SLEEPY = {"sleep__every_examples": 40, "sleep__min_examples": 0}


def test_a_fresh_network_answers_and_earlier_versions_are_gone(tmp_path: Path) -> None:
    daemon = build(a_config(tmp_path, **SLEEPY), source=MemorySource(STREAM, finite=False))
    with running(daemon):
        wait_until(lambda: daemon.state.tally.messages == len(STREAM) and not daemon.state.asleep, "learned")
        wait_until(lambda: len(daemon.persistence.versions.numbers()) >= 2, "versions are kept")
        client = Client("http://{}:{}".format(*daemon.serving.address))
        answer = client.erase_label("3")
        assert answer["removed"]["recollections"] > 0
        assert len(answer["kept_versions"]) >= 2
        assert ask(daemon, "/v1/retrain", {"steps": 60})["to"] == "lenet"
        wait_until(lambda: ended(daemon), "it was taught")
        assert last(daemon)["outcome"] == "adopted"
        assert daemon.learner is not None
        newest = daemon.learner.progress.newest
        wait_until(lambda: daemon.persistence.versions.numbers() == [newest], "the others are deleted")
        assert predict(daemon, label=1)["predictions"][0]["label"] != 3
    assert list((tmp_path / "versions").glob("*.safetensors")) != []


def test_earlier_versions_that_could_not_be_deleted_go_after_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where it is killed between the checkpoint and that. Once they are gone, nothing more is deleted."""

    def fails(versions: Versions, number: int) -> None:
        if number:
            raise CheckpointError("it cannot be deleted")

    monkeypatch.setattr(Versions, "forget_before", fails)
    with running(build(a_config(tmp_path, **SLEEPY), source=MemorySource(STREAM, finite=False))) as daemon:
        wait_until(lambda: daemon.state.tally.messages == len(STREAM) and not daemon.state.asleep, "learned")
        wait_until(lambda: len(daemon.persistence.versions.numbers()) >= 2, "versions are kept")
        assert ask(daemon, "/v1/retrain", {"steps": 60})["to"] == "lenet"
        wait_until(lambda: ended(daemon), "it was taught")
        newest = daemon.learner.progress.newest  # type: ignore[union-attr]
        wait_until(lambda: newest in daemon.persistence.versions.numbers(), "the fresh one is kept")
    monkeypatch.undo()
    with running(build(a_config(tmp_path, **SLEEPY), source=MemorySource(STREAM, finite=False))) as daemon:
        wait_until(lambda: daemon.persistence.versions.numbers() == [newest], "the others are deleted")
    saved = store(tmp_path).latest()
    assert saved is not None and AfterErasure.of(saved.facts).oldest_version == 0


def test_it_is_taught_by_labels_alone_also_after_a_restart(tmp_path: Path) -> None:
    config = a_config(tmp_path, sleep__every_examples=None)
    for begins in (True, False):
        daemon = build(config, source=MemorySource(STREAM[:60]))
        daemon.restore()
        for _ in range(12 if begins else 0):
            daemon.wake()
        if begins:
            daemon.begin_transplant(None, 50)
        learner = daemon.learner
        assert learner is not None and learner.consolidation is not None
        candidate = learner.consolidation.candidate
        assert isinstance(candidate, Remembering)
        _, targets = candidate._distillation_batch(8, torch.Generator().manual_seed(0)) if begins else (0, 0)
        assert not begins or set(targets.flatten().tolist()) == {0.0, 1.0}
        assert candidate.label_weight == 1.0
        daemon.close()
    assert store(tmp_path).entries()


def test_a_sleep_under_way_makes_way_for_it(tmp_path: Path) -> None:
    daemon = build(a_config(tmp_path, sleep__every_examples=None), source=MemorySource(STREAM[:60]))
    for _ in range(12):
        daemon.wake()
    assert daemon.learner is not None
    daemon.learner.begin_consolidation()
    begun = daemon.begin_transplant(None, 5)
    assert begun.fresh
    assert daemon.learner.transplant is begun
    daemon.close()


@pytest.mark.parametrize("method", ["finetune", "streaming_statistics"])
def test_a_method_without_recollections_cannot(method: str, tmp_path: Path) -> None:
    config = a_config(tmp_path, method__name=method, sleep__every_examples=None)
    daemon = build(config, source=MemorySource(STREAM[:60]))
    for _ in range(12):
        daemon.wake()
    with pytest.raises(Conflict, match="remembers no inputs"):
        daemon.begin_transplant(None, 5)
    daemon.close()


def held(daemon: Daemon, id: str) -> bool:
    assert daemon.learner is not None and isinstance(daemon.learner.method, Remembering)
    return daemon.learner.method.memory.holds(digest_of(id))


@pytest.mark.parametrize("stream", [STREAM, VECTORS], ids=["images", "vectors"])
def test_sums_that_were_kept_are_those_of_what_is_left_once_it_is_taught(
    stream: list[Message], tmp_path: Path
) -> None:
    network = "mlp" if stream is VECTORS else "lenet"
    wanted = {"network__name": network, "memory__budget_bits": 400_000, "exam__fraction": 0.1}
    config = a_config(tmp_path, sleep__every_examples=None, **wanted)
    daemon = build(config, source=MemorySource(stream, finite=False))
    with running(daemon):
        wait_until(lambda: daemon.state.tally.messages == len(stream), "learned")
        name = next(f"example-{n}" for n in range(len(stream)) if held(daemon, f"example-{n}"))
        answer = Client("http://{}:{}".format(*daemon.serving.address)).erase(name)
        assert answer["removed"]["statistics"]["state"] == "kept"
        ask(daemon, "/v1/retrain", {"steps": 5})
        wait_until(lambda: ended(daemon), "it was taught")
    assert daemon.learner is not None
    method = daemon.learner.method
    assert isinstance(method, ChoosesAnswerer) and method.answering.statistics is not None
    sums, left = method.answering.statistics.sums, method.remembered_by_class()
    assert {label: int(count) for label, count in enumerate(sums.counts)} == left
    inputs, labels = method._shown(method.memory.contents())
    numbers = method.answering.statistics.numbers(inputs).long()
    for label in left:
        assert sums.sums[label].tolist() == numbers[labels == label].sum(0).tolist()
