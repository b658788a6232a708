"""A network of another architecture takes over in a daemon that learns and answers all the while."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamlearner.app import build
from streamlearner.connectors.memory import Crash, MemorySource
from streamlearner.learning import consolidation
from streamlearner.networks.base import Network
from streamlearner.stream import Message
from tests.support.arms import state as exact_state
from tests.support.daemon_runs import ask, differing, figure, run, running, state, store, wait_until
from tests.support.transplants import (
    COUNT,
    STREAM,
    Asking,
    a_config,
    ended,
    example,
    last,
    network,
    predict,
    transplanting_at,
)


def test_another_architecture_takes_over_and_no_prediction_fails(tmp_path: Path) -> None:
    source = MemorySource(STREAM[:80], finite=False)
    config = a_config(tmp_path, sleep__every_examples=None, sleep__tolerance=0.1)
    with running(build(config, source=source)) as daemon:
        wait_until(
            lambda: daemon.state.tally.messages == 80 and daemon.requests.status().get("ready"), "a model"
        )
        asking = Asking(daemon)
        wait_until(lambda: asking.versions, "an answer")
        begun = ask(daemon, "/v1/transplant", {"to": "mlp", "steps": 200})
        assert begun == {"requested": "transplant", "number": 1, "to": "mlp", "steps": 200}
        source.extend(STREAM[80:])
        wait_until(lambda: ended(daemon), "it has ended")
        wait_until(lambda: asking.versions[-1] == 1, "the new version answers")
        asking.stop()
        shown = daemon.requests.status()
        assert predict(daemon)["predictions"][0]["label"] == 2
    assert (asking.failures, set(asking.versions)) == ([], {0, 1})
    assert (shown["network"], shown["transplant"]["outcome"]) == ("mlp", "adopted")
    assert shown["transplant"]["done"] == shown["transplant"]["steps"] == 200
    assert shown["transplant"]["after"] >= shown["transplant"]["before"] - 0.1 > 0.8
    assert shown["sleeps"] == {"adopted": 0, "refused": 0} and not shown["asleep"]
    assert figure(daemon, 'streamlearner_transplants_total{outcome="adopted"}') == 1
    assert figure(daemon, "streamlearner_asleep") == 0


def test_what_the_exam_refuses_changes_nothing(tmp_path: Path) -> None:
    source = MemorySource(STREAM, finite=False)
    config = a_config(tmp_path, sleep__every_examples=None, sleep__tolerance=0.0)
    with running(build(config, source=source)) as daemon:
        wait_until(lambda: source.committed == {"index": COUNT}, "all was learned")
        assert daemon.learner is not None
        before = exact_state(daemon.learner.method)
        ask(daemon, "/v1/transplant", {"to": "mlp", "steps": 1})
        wait_until(lambda: ended(daemon), "it has ended")
        shown = daemon.requests.status()
        assert exact_state(daemon.learner.method) == before
    assert (shown["network"], shown["transplant"]["outcome"]) == ("lenet", "refused")
    assert shown["transplant"]["after"] < shown["transplant"]["before"]
    assert shown["model_version"].startswith("0.")
    assert figure(daemon, 'streamlearner_transplants_total{outcome="refused"}') == 1


# restarts


def test_crashes_in_the_middle_of_a_transplant_and_after_it_leave_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consolidation, "ROUND_STEPS", 15)
    calm, harmed = (a_config(tmp_path / name, sleep__every_examples=80) for name in ("calm", "harmed"))
    transplanting_at(40, build(calm, source=MemorySource(STREAM))).run()
    content: list[Message | Crash] = list(STREAM)
    for index in sorted([30, 61, 83, 97, 149], reverse=True):
        content.insert(index, Crash())
    source, crashes = MemorySource(content), 0
    while store(harmed.state_dir).latest() is None or state(harmed.state_dir)["position"]["index"] < COUNT:
        crashes += 1
        try:
            transplanting_at(40, build(harmed, source=source)).run()
        except BaseException as crash:
            assert type(crash).__name__ == "CrashMarker"
    end = state(harmed.state_dir)
    assert crashes == 6
    assert not differing(end, state(calm.state_dir))
    assert (end["learner"]["network"], end["learner"]["transplant"]["outcome"]) == ("mlp", "adopted")
    assert end["learner"]["progress"]["adopted"] == 1  # slept with the new network, too
    kept = [sorted((config.state_dir / "versions").iterdir()) for config in (calm, harmed)]
    assert [path.read_bytes() for path in kept[0]] == [path.read_bytes() for path in kept[1]]


def test_a_stop_in_mid_transplant_keeps_it_with_the_round_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consolidation, "ROUND_STEPS", 20)
    source = MemorySource(STREAM[:60], finite=False)
    config = a_config(tmp_path, sleep__every_examples=None)
    with running(build(config, source=source)) as daemon:
        wait_until(lambda: daemon.state.tally.messages == 60, "learned")
        ask(daemon, "/v1/transplant", {"to": "mlp", "steps": 1_000_000})
        wait_until(lambda: last(daemon).get("done", 0) > 50, "some rounds")
    facts = state(tmp_path)["learner"]
    assert facts["transplant"]["outcome"] == "running"
    assert facts["transplant"]["done"] % 20 == 0 and facts["consolidation_steps"] <= 20
    again = build(config, source=source)
    again.restore()
    assert again.state.asleep and again.learner is not None and again.learner.transplant is not None
    assert again.learner.facts() == facts
    assert figure(again, "streamlearner_asleep") == 1
    again.close()


def test_the_checkpoints_network_holds_whatever_the_configuration_says(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    transplanting_at(40, build(a_config(tmp_path), source=MemorySource(STREAM))).run()
    source = MemorySource([*STREAM, *(example(number) for number in range(COUNT, COUNT + 20))])
    daemon = run(a_config(tmp_path), source)
    assert network(daemon) == "mlp" and daemon.state.tally.messages == COUNT + 20
    assert "the checkpoint's network is mlp, network.name means lenet: it stays mlp" in caplog.text
    caplog.clear()
    again = run(a_config(tmp_path, network__name="mlp"), source)
    assert network(again) == "mlp" and "network.name means" not in caplog.text


def test_a_changed_network_name_does_not_stop_a_daemon_of_any_method(tmp_path: Path) -> None:
    run(a_config(tmp_path, method__name="finetune"), MemorySource(STREAM[:60]))
    daemon = run(a_config(tmp_path, method__name="finetune", network__name="mlp"), MemorySource(STREAM))
    assert network(daemon) == "lenet" and daemon.state.tally.messages == COUNT


# going back


def test_a_rollback_brings_back_the_former_architecture(tmp_path: Path) -> None:
    source = MemorySource(STREAM[:60], finite=False)
    config = a_config(tmp_path, sleep__every_examples=None)
    with running(build(config, source=source)) as daemon:
        wait_until(lambda: daemon.state.tally.messages == 60, "learned")
        ask(daemon, "/v1/sleep", {})
        wait_until(lambda: daemon.persistence.versions.numbers() == [1], "a version of the LeNet")
        ask(daemon, "/v1/transplant", {"to": "mlp", "steps": 20})
        wait_until(lambda: daemon.persistence.versions.numbers() == [1, 2], "and one of the MLP")
        wait_until(lambda: daemon.requests.status()["network"] == "mlp", "it answers")
        ask(daemon, "/v1/rollback", {"version": 1})
        wait_until(lambda: daemon.requests.status()["network"] == "lenet", "rolled back")
        assert daemon.learner is not None and isinstance(daemon.learner.method.neocortex, Network)
        kept = daemon.persistence.versions.load(1).neocortex
        assert all(kept[name].equal(t) for name, t in daemon.learner.method.neocortex.state_dict().items())
        source.extend(STREAM[60:100])
        wait_until(lambda: daemon.state.tally.messages == 100, "it learns on")
        ask(daemon, "/v1/rollback", {"version": 2})
        wait_until(lambda: daemon.requests.status()["network"] == "mlp", "and forward again")
        predict(daemon)
    assert network(run(config, MemorySource(STREAM[:100]))) == "mlp"


def test_a_rollback_gives_up_the_transplant_under_way(tmp_path: Path) -> None:
    source = MemorySource(STREAM[:60], finite=False)
    with running(build(a_config(tmp_path, sleep__every_examples=None), source=source)) as daemon:
        wait_until(lambda: daemon.state.tally.messages == 60, "learned")
        ask(daemon, "/v1/sleep", {})
        wait_until(lambda: daemon.persistence.versions.numbers() == [1], "a version")
        ask(daemon, "/v1/transplant", {"to": "mlp", "steps": 1_000_000})
        ask(daemon, "/v1/rollback", {"version": 1})
        wait_until(lambda: ended(daemon) and not daemon.state.asleep, "given up")
        assert last(daemon)["outcome"] == "interrupted"
        ask(daemon, "/v1/transplant", {"to": "mlp", "steps": 5})
        wait_until(lambda: ended(daemon, 2), "another one")
    assert figure(daemon, 'streamlearner_transplants_total{outcome="interrupted"}') == 1
    assert figure(daemon, 'streamlearner_sleeps_total{outcome="interrupted"}') == 0
