"""Batches follow the lag, and a replay cuts them as they were cut: no name ever means two models."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from streamlearner.app import build
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon import batch_growth
from streamlearner.daemon.batch_growth import BatchGrowth, steps_between
from streamlearner.daemon.loop import Daemon
from streamlearner.daemon.state import DaemonState
from streamlearner.errors import ConfigError
from streamlearner.learning import observing
from streamlearner.state.batch_paces import Stretch
from tests.support.daemon_runs import example, learned, predict, running, settings, wait_until

AUTO = {
    "daemon__batch_size": "auto",
    "daemon__smallest_batch": 5,
    "daemon__largest_batch": 20,
    "daemon__at_end": "serve",
    "serving__refresh_every_examples": 1,
    "checkpoint__every_examples": None,
    "checkpoint__every_s": None,
    "sleep__every_examples": None,  # idle steps depend on the clock
    "exam__fraction": 0.0,
}


@pytest.fixture
def grows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams of tests are short."""
    monkeypatch.setattr(batch_growth, "SHARE", 1)
    monkeypatch.setattr(observing, "SETTLED", 1)


class Killed(Exception):
    """The stand-in for kill -9."""


def weights(daemon: Daemon) -> bytes:
    assert daemon.learner is not None
    return b"".join(
        tensor.numpy().tobytes() for tensor in daemon.learner.tensors()["method"].values() if tensor.numel()
    )


def sizes_cut(daemon: Daemon) -> list[int]:
    """Fills as the daemon learns."""
    found: list[int] = []
    cut = daemon.state.intake.cut

    def noting(**known: object) -> object:
        taken = cut(**known)  # type: ignore[arg-type]
        found.append(taken.messages)
        return taken

    daemon.state.intake.cut = noting  # type: ignore[method-assign, assignment]
    return found


def killed_after(daemon: Daemon, source: MemorySource, stretches: list[int]) -> tuple[str, bytes]:
    """Learns each stretch of so many messages before the next comes; what then answered, and its weights."""
    sent = 0
    with pytest.raises(Killed), running(daemon):
        for count in stretches:
            source.extend([example(n) for n in range(sent, sent + count)])
            sent += count
            wait_until(lambda: learned(daemon) == sent, "it is learned")  # noqa: B023
        wait_until(lambda: daemon.serving.version == f"0.{sent}", "it answers")
        name, found = predict(daemon)["model_version"], weights(daemon)

        def kill() -> None:
            raise Killed

        daemon.checkpoint = kill  # type: ignore[method-assign]
    return name, found


def replayed(config: object, source: MemorySource, name: str) -> tuple[bytes, list[int]]:
    """The weights of a new daemon once it answers under the same name, and how it cut."""
    again = build(config, source=source)  # type: ignore[arg-type]
    cut = sizes_cut(again)
    with running(again):
        wait_until(lambda: again.serving.version == name, "it answers under the same name")
        return weights(again), cut


@pytest.mark.usefixtures("grows_at_once")
def test_a_replay_after_a_kill_cuts_the_same_batches(tmp_path: Path) -> None:
    config, source = settings(tmp_path, **AUTO), MemorySource(finite=False)
    daemon = build(config, source=source)
    cut = sizes_cut(daemon)
    name, found = killed_after(daemon, source, [7, 150, 3, 40, 11])
    assert {5, 10, 20} <= set(cut) and cut[-1] < 20  # it grew, and shrank again
    assert replayed(config, source, name) == (found, cut)


@pytest.mark.usefixtures("grows_at_once")
def test_without_what_was_noted_the_replay_cuts_otherwise(tmp_path: Path) -> None:
    """Else the test before would prove nothing."""
    config, source = settings(tmp_path, **AUTO), MemorySource(finite=False)
    name, found = killed_after(build(config, source=source), source, [7, 150, 3, 40, 11])
    (tmp_path / "batch_paces").unlink()
    (tmp_path / "batch_ends").unlink()
    assert replayed(config, source, name)[0] != found


@pytest.mark.usefixtures("grows_at_once")
def test_a_replay_from_a_checkpoint_amid_a_span_cuts_the_same_batches(tmp_path: Path) -> None:
    config = settings(tmp_path, **AUTO | {"checkpoint__every_examples": 35})
    source = MemorySource(finite=False)
    daemon = build(config, source=source)
    cut = sizes_cut(daemon)
    name, found = killed_after(daemon, source, [150, 8])
    weights_then, cut_then = replayed(config, source, name)
    assert weights_then == found
    assert cut_then and cut[-len(cut_then) :] == cut_then


class Notes:
    """What was decided, in memory."""

    def __init__(self) -> None:
        self.added: list[Stretch] = []

    def at(self, messages: int) -> Stretch | None:
        return None

    def add(self, decided: Stretch) -> None:
        self.added.append(decided)


@pytest.mark.parametrize(
    ("waiting", "sizes"),
    [
        ([80, 160, 320, 640, 10_000], [20, 40, 80, 80, 80]),
        ([79, 79], [10, 10]),
        ([80, 40, 39, 39], [20, 20, 10, 10]),
        ([0, 0], [10, 10]),
    ],
)
def test_a_batch_grows_by_a_step_where_eight_wait_and_shrinks_where_fewer_than_two_do(
    waiting: list[int], sizes: list[int]
) -> None:
    growth, taken, found = BatchGrowth(steps_between(10, 80), noted=Notes()), 1_000_000, []
    for count in waiting:
        growth.decide(taken, waiting=count)
        found.append(growth.pace.size)
        taken += 80
    assert found == sizes


@pytest.mark.parametrize(
    ("waiting", "shares"),
    [
        ([1_279, 1_280, 2_560, 5_120, 10_240, 99_999], [1, 2, 4, 8, 16, 16]),
        ([1_280, 2_560, 640, 639, 320, 319], [2, 4, 4, 2, 2, 1]),
    ],
)
def test_far_behind_a_smaller_and_smaller_share_is_trained(waiting: list[int], shares: list[int]) -> None:
    growth, taken, found = BatchGrowth(steps_between(10, 20, thins=True), noted=Notes()), 1_000_000, []
    growth.decide(taken - 20, waiting=1_279)
    for count in waiting:
        growth.decide(taken, waiting=count)
        assert growth.pace.size == 20
        found.append(growth.pace.one_in)
        taken += 20
    assert found == shares


def test_a_replay_after_a_kill_thins_the_same_batches(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fixed = {"daemon__batch_size": 5, "daemon__when_behind": "thin"}
    config, source = settings(tmp_path, **AUTO | fixed), MemorySource(finite=False)
    daemon = build(config, source=source)
    name, found = killed_after(daemon, source, [7, 400, 3])
    pace = daemon.status()["pace"]
    assert 0 < pace["without_steps"] < 410 and (pace["batch_size"], pace["one_in"]) == (5, 1)
    text = daemon.state.events.metrics.exposition().decode()
    assert f"streamlearner_examples_without_steps_total {pace['without_steps']}.0" in text
    told = [line for line in caplog.messages if line.startswith("learning ")]
    assert told[0].startswith("learning is far behind: from now on one example in 2")
    assert told[1].startswith("learning has caught up") and f"; {pace['without_steps']} got none" in told[1]
    assert replayed(config, source, name)[0] == found


def test_a_method_that_learns_each_example_alone_is_not_thinned(tmp_path: Path) -> None:
    config = settings(tmp_path, daemon__when_behind="thin", method__name="finetune")
    with pytest.raises(ConfigError, match=r"daemon\.when_behind: thin is for methods that can leave"):
        build(config, source=MemorySource())


def test_a_batch_is_never_more_than_the_hundredth_part_of_what_came_before_it() -> None:
    growth, taken, first = BatchGrowth(steps_between(10, 80), noted=Notes()), 0, {}
    while taken < 9_000:
        if not growth.is_decided(taken):
            growth.decide(taken, waiting=10**6)
        first.setdefault(growth.pace.size, taken)
        taken += growth.size(taken)
    assert first == {10: 0, 20: 2_000, 40: 4_000, 80: 8_000}


def test_batches_fill_a_span_exactly() -> None:
    growth, taken = BatchGrowth(steps_between(10, 35), noted=Notes()), 0
    growth.decide(0, waiting=1_000)
    while growth.is_decided(taken):
        taken += growth.size(taken)
    assert taken == 35


def test_the_largest_batch_is_reached_whatever_it_is() -> None:
    assert [pace.size for pace in steps_between(10, 35)] == [10, 20, 35]
    assert [pace.size for pace in steps_between(10, 10)] == [10]


def test_bounds_in_the_wrong_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="largest_batch 5 is less than smallest_batch 10"):
        settings(tmp_path, daemon__batch_size="auto", daemon__smallest_batch=10, daemon__largest_batch=5)


@pytest.mark.usefixtures("grows_at_once")
def test_a_sleep_takes_as_many_steps_for_each_message_in_a_grown_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DaemonState, "unfinished", True)  # as if asleep
    source = MemorySource([example(n) for n in range(200)])
    with closing(build(settings(tmp_path, **AUTO), source=source)) as daemon:
        source.open(None)
        steps = {}
        while daemon.state.intake.ready(timeout_s=0.0):
            size = daemon.state.cut().messages
            steps[size] = daemon.state.sleep_steps(3, took_batch=True)
    assert steps == {5: 3, 10: 6, 20: 12}
