"""Daemons one after another in a process: each leaves the state folder, the port and the process as it found
them."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from streamlearner.app import assembly, build
from streamlearner.config.loading import Config
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.loop import Daemon
from streamlearner.errors import ConfigError, StateInUse, StreamlearnerError
from tests.support.daemon_runs import a_stream, ask, learned, predict, running, settings, wait_until

COUNT = 60
IMAGES = [[[0] * 6] * 6, [[200] * 6] * 6]


def files_settings(folder: Path) -> dict[str, Any]:
    """A JSON Lines file of half black and half white images."""
    lines = [f'{{"input": {IMAGES[n % 2]}, "label": {n % 2}}}\n' for n in range(COUNT)]
    (folder / "stream.jsonl").write_text("".join(lines))
    files = {"format": "jsonl", "path": str(folder / "stream.jsonl"), "follow": True}
    return {"source__type": "files"} | {f"source__files__{key}": value for key, value in files.items()}


def push_examples(daemon: Daemon) -> None:
    examples = [{"input": IMAGES[n % 2], "label": n % 2} for n in range(COUNT)]
    ask(daemon, "/v1/examples", {"examples": examples})


Make = Callable[[], Daemon]


@pytest.fixture(params=["memory", "files", "push"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(tmp_path: Path, kind: str) -> Make:
    """Builds another daemon on the same state folder and the same stream."""
    more: dict[str, Any] = {"daemon__at_end": "serve"}
    more |= {"push": {"source__type": "push"}, "files": files_settings(tmp_path), "memory": {}}[kind]
    config = settings(tmp_path / "state", **more)
    return lambda: build(config, source=MemorySource(a_stream(COUNT)) if kind == "memory" else None)


def descriptors() -> list[str]:
    """What this process has open, by name."""
    names = []
    for number in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            continue  # that of the listing itself
    return sorted(names)


def settled_descriptors() -> list[str]:
    """Once threads that have just begun have opened what they will."""
    seen: list[list[str]] = [[]]

    def settled() -> bool:
        time.sleep(0.3)
        seen.append(descriptors())
        return seen[-1] == seen[-2]

    wait_until(settled, "nothing more is opened")
    return seen[-1]


def test_a_second_daemon_goes_on_where_the_first_ended_and_nothing_stays_open(make: Make, kind: str) -> None:
    before, alive = descriptors(), threading.active_count()
    taken = []
    for number in (1, 2):
        with running(make()) as daemon:
            wait_until(lambda: daemon.requests.status().get("uptime_s"), "it serves")
            if kind == "push":
                push_examples(daemon)
            expected = COUNT * number if kind == "push" else COUNT
            wait_until(lambda: daemon.state.tally.messages == expected, "all was taken")  # noqa: B023
            wait_until(lambda: predict(daemon)["predictions"], "it answers")
            ask(daemon, "/v1/recollections?per_class=2&format=json")
        taken.append(learned(daemon) > 0)
        wait_until(
            # what an earlier test had left open may go meanwhile: only what came is looked for
            lambda: not Counter(descriptors()) - Counter(before) and threading.active_count() <= alive,
            f"as before ({before}): {descriptors()}",
        )
    assert taken == [True, True]


def test_a_daemon_that_was_built_and_never_run_is_closed(make: Make) -> None:
    before, alive = descriptors(), threading.active_count()
    for _ in range(2):
        with closing(make()):
            assert len(descriptors()) > len(before)
        assert (descriptors(), threading.active_count()) == (before, alive)


def test_while_one_lives_another_is_refused_and_leaves_it_alone(make: Make, kind: str) -> None:
    with closing(make()) as first:
        held = descriptors()
        with pytest.raises(StateInUse, match=f"is in use by process {os.getpid()}"):
            make()
        assert descriptors() == held
    with running(make()) as second:
        wait_until(lambda: second.requests.status().get("uptime_s"), "it serves")
    assert first.closed and second.closed


def test_what_was_opened_is_closed_where_building_fails_half_way(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = descriptors()

    def refused(*_: Any, **__: Any) -> None:
        raise ConfigError("no serving today")

    with monkeypatch.context() as harmed:
        harmed.setattr(assembly, "make_serving", refused)
        with pytest.raises(ConfigError, match="no serving today"):
            make()
    assert descriptors() == before
    with closing(make()):
        pass


def test_a_port_in_use_ends_the_run_and_leaves_nothing_open(tmp_path: Path) -> None:
    source = MemorySource(a_stream(COUNT))
    with running(build(settings(tmp_path / "one", daemon__at_end="serve"), source=MemorySource())) as one:
        wait_until(lambda: one.requests.status().get("uptime_s"), "it serves")
        before = settled_descriptors()
        taken = {"serving__port": one.serving.address[1]}
        other: Config = settings(tmp_path / "other", **taken)
        with pytest.raises(ConfigError, match="Address already in use"):
            build(other, source=source).run()
        assert settled_descriptors() == before


def test_a_daemon_that_has_ended_says_so(make: Make) -> None:
    daemon = make()
    daemon.close()
    daemon.close()
    with pytest.raises(StreamlearnerError, match="build another one"):
        daemon.run()
