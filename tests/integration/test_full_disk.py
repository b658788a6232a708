"""What a client hears where nothing more can be stored: 503, the reason, and when to try again."""

from __future__ import annotations

import json
import sqlite3
import urllib.error
from pathlib import Path
from typing import Any

import pytest

from streamlearner.app import build, outside
from streamlearner.client import Client
from streamlearner.commands.producing import push, read
from streamlearner.config.loading import load
from streamlearner.connectors.push import PushLog
from streamlearner.connectors.push.store import PushStore
from tests.support.daemon_runs import ask, running, settings
from tests.support.patience import wait_until

EXAMPLE = {"input": [[0.5, 1.0]], "label": 1}


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> list[PushLog]:
    """The push logs of the daemons that are built."""
    made: list[PushLog] = []
    make = outside.push_log

    def note(config: Any) -> PushLog:
        made.append(make(config))
        return made[-1]

    monkeypatch.setattr("streamlearner.app.assembly.push_log", note)
    return made


def refused(daemon: Any) -> tuple[int, str | None, str]:
    with pytest.raises(urllib.error.HTTPError) as answer:
        ask(daemon, "/v1/examples", {"examples": [EXAMPLE] * 100})
    error = answer.value
    return error.code, error.headers["Retry-After"], json.load(error)["error"]


def limit_pages(log: PushLog, pages: int) -> None:
    """What SQLite answers is what it answers on a full disk: SQLITE_FULL."""
    log._store._writer.execute(f"PRAGMA max_page_count={pages}").fetchall()


def test_a_full_database_is_503_with_the_reason_and_takes_more_once_there_is_space(
    tmp_path: Path, logs: list[PushLog]
) -> None:
    daemon = build(settings(tmp_path, source__type="push", method__name="finetune"))
    with running(daemon):
        wait_until(lambda: daemon.serving.address[1] != 0, "the port is open")
        limit_pages(logs[0], 1)
        for _ in range(2):
            code, wait_s, said = refused(daemon)
            assert (code, wait_s) == (503, "1")
            assert "push.sqlite cannot be written to: database or disk is full" in said
        limit_pages(logs[0], 2**30)
        assert ask(daemon, "/v1/examples", {"examples": [EXAMPLE] * 100})["accepted"] == 100
        wait_until(
            lambda: daemon.state.tally.messages == 100, "all was taken, and nothing of what was refused"
        )


@pytest.mark.parametrize("error", ["disk I/O error", "attempt to write a readonly database"])
def test_produce_waits_through_a_disk_that_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    append, failures = PushStore.append, [error] * 3

    def failing(self: PushStore, *groups: Any, **more: Any) -> Any:
        if failures:
            with self.explained("written to"):
                raise sqlite3.OperationalError(failures.pop())
        return append(self, *groups, **more)

    monkeypatch.setattr(PushStore, "append", failing)
    config = load(path=None, environ={}, settings={"source.files.format": "digits"})
    messages = [message for message, _ in zip(read(config), range(50), strict=False)]
    waits: list[float] = []
    daemon = build(settings(tmp_path, source__type="push", method__name="finetune"))
    with running(daemon):
        wait_until(lambda: daemon.serving.address[1] != 0, "the port is open")
        host, port = daemon.serving.address
        client = Client(f"http://{host}:{port}")
        assert push(iter(messages), client=client, examples_per_s=None, sleep=waits.append) == 50
        wait_until(lambda: daemon.state.tally.messages == 50, "each was taken once")
    assert waits == [1.0] * 3
