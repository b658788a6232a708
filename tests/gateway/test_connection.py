"""How long the gateway has patience with a client."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from streamlearner.decoding.inputs import DEFAULT_LIMITS
from streamlearner.gateway.connection import Connection
from streamlearner.gateway.frames import Asker, Reply, Told
from streamlearner.gateway.requests import Head, Query, Rules, answer_headers, read_head

BODY = json.dumps({"inputs": [[1.0, 2.0]]}).encode()
REQUEST = b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Line:
    """A transport; `unread` bytes of an answer wait for the client."""

    unread = 0
    is_aborted = False

    def set_write_buffer_limits(self, high: int) -> None: ...

    def get_write_buffer_size(self) -> int:
        return self.unread

    def write(self, data: bytes) -> None: ...

    def abort(self) -> None:
        self.is_aborted = True


class Desk:
    """Answers at once."""

    rules = Rules(max_bytes=1000, max_batch=1, limits=DEFAULT_LIMITS)
    write_timeout_s = 30.0
    is_closing = False

    def __init__(self) -> None:
        self.given_back: list[bytes] = []

    def ask(
        self,
        connection: Connection,
        query: Query,
        asker: Asker,
        answered: Callable[[Reply, Told | None], None],
    ) -> None:
        told = Told("id", [("odd", 1.0, None)])
        answered(Reply("1", "fast", [told]), told)

    def give_back(self, connection: Connection, data: bytes) -> None:
        self.given_back.append(data)

    def lost(self, connection: Connection) -> None: ...

    def headers(self) -> bytes:
        return answer_headers([])

    def head(self, data: bytes) -> Head | None:
        return read_head(data, self.rules)


def answered(*, ago_s: float, unread: int) -> tuple[Connection, Desk, Line]:
    """A connection whose last answer was written so long ago, of which so many bytes are still here."""
    desk, line = Desk(), Line()
    connection = Connection(desk, 1, "127.0.0.1", b"x")
    connection.connection_made(line)  # type: ignore[arg-type]
    connection.data_received(REQUEST)
    connection.active_s -= ago_s
    line.unread = unread
    return connection, desk, line


@pytest.mark.parametrize(("ago_s", "is_aborted"), [(2.0, False), (29.0, False), (31.0, True)])
def test_who_reads_slowly_is_dropped_no_sooner_than_the_daemon_would(ago_s: float, is_aborted: bool) -> None:
    connection, desk, line = answered(ago_s=ago_s, unread=1)
    connection.rest(since_s=time.monotonic() - 1.0)
    assert (line.is_aborted, desk.given_back) == (is_aborted, [])


def test_who_has_read_everything_and_asks_no_more_goes_back() -> None:
    connection, desk, line = answered(ago_s=2.0, unread=0)
    connection.data_received(REQUEST[:20])
    connection.rest(since_s=time.monotonic() - 1.0)
    assert (line.is_aborted, desk.given_back) == (False, [REQUEST[:20]])
