"""Connections that ask one prediction after the other are lent to the gateway, a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from streamlearner.decoding.inputs import Limits
from streamlearner.gateway import frames, sockets
from streamlearner.gateway.frames import Group, Reply
from streamlearner.gateway.requests import MEANS_SOMETHING
from streamlearner.gateway.words import ALIVE, BACK, LENT, LOST, READY, STOP
from streamlearner.serving.crowd import Crowd
from streamlearner.serving.timer_slack import wake_on_time

log = logging.getLogger(__name__)

AGAIN_S = 10.0
"""From the end of a gateway that was not told to end to the start of the next."""
BEAT_S = 1.0
"""From one question whether the gateway lives to the next."""
MOST_UNANSWERED = 10
"""Such questions, one after the other: then it hangs, and is killed. They are counted, not timed: a daemon
that was suspended itself does not take that for the gateway's silence."""
MOST_UNANSWERED_AT_START = 120
"""It answers once it has imported what it needs; until then it has no connections."""
MOST_HOST_BYTES = 512
"""Of the name that a client calls the daemon by: what is said of a connection is short."""
STOP_TIMEOUT_S = 3.0
SECRET = "STREAMLEARNER_"
"""Variables of the daemon's environment may hold tokens: they are none of the gateway's affair."""
MOST_BYTES = 256 * 1024
"""Of a body; larger ones are better read by the daemon than sent from process to process."""
Adopt = Callable[[socket.socket, bytes], None]


class Lending:
    """Starts the gateway at the first connection that is worth it. `answer` is called from a thread of its
    own with what it asks. `max_bytes` of a body, `max_batch` and `limits` of inputs are the daemon's own (the
    last as they are when the gateway starts), and `headers` those of every answer; requests with one of the
    headers `unusual` stay with the daemon. A client may take `write_timeout_s` to read an answer.

    All but `stop` belongs to the event loop's thread. Where the gateway ends, its connections end with it,
    and the daemon answers all others as before. One that hangs is killed: its clients would wait for ever.
    """

    def __init__(
        self,
        *,
        answer: Callable[[Sequence[Group]], list[Reply]],
        max_bytes: int,
        max_batch: int,
        limits: Callable[[], Limits],
        headers: Sequence[tuple[str, str]],
        write_timeout_s: float,
        unusual: Collection[str] = MEANS_SOMETHING,
    ) -> None:
        self.unusual = frozenset(unusual)
        self.lent: dict[int, str] = {}  # the client of each, by number
        self._answer, self._limits = answer, limits
        max_bytes = min(max_bytes, MOST_BYTES)
        self.crowd = Crowd(max_bytes=max_bytes, unusual=self.unusual)
        found = {"max_bytes": max_bytes, "max_batch": max_batch, "headers": list(headers)}
        self._settings = found | {"unusual": sorted(self.unusual), "write_timeout_s": write_timeout_s}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._adopt: Adopt | None = None
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._passing: socket.socket | None = None
        self._is_ready = False
        self._unanswered = 0
        self._beating: asyncio.TimerHandle | None = None
        self._is_over = False
        self._not_before_s = 0.0
        self._number = 0

    def attach(self, loop: asyncio.AbstractEventLoop, adopt: Adopt) -> None:
        """`adopt` goes on with a connection that comes back, and what was read of it."""
        self._loop, self._adopt = loop, adopt

    def lend(self, lent: socket.socket, *, peer: str, address: str, host: bytes, data: bytes = b"") -> bool:
        """Whether the gateway goes on with this connection, and with the `data` that was read of it: then
        close it here."""
        if not self._is_ready or self._passing is None:
            self._start()
            return False
        if len(host) > MOST_HOST_BYTES:
            return False
        self._number += 1
        kept = [sockets.kept_aside(data)] if data else []
        sent = sockets.send(self._passing, [LENT, self._number, address, host], [lent.fileno(), *kept])
        for handle in kept:
            os.close(handle)
        if sent:
            self.lent[self._number] = peer
        return sent

    def stop(self) -> None:
        """Requests that the gateway has are answered, for up to 3 s; then it is no more. From any thread."""
        self._is_over = True
        if self._thread is None:
            return
        if self._is_ready and self._passing is not None:
            sockets.send(self._passing, [STOP])
            self._thread.join(STOP_TIMEOUT_S)
        if self._thread.is_alive() and self._process is not None:
            self._process.kill()
            self._thread.join(STOP_TIMEOUT_S)

    def _start(self) -> None:
        starting = self._thread is not None and self._thread.is_alive()
        if starting or self._is_over or self._loop is None or time.monotonic() < self._not_before_s:
            return
        self._thread = threading.Thread(target=self._run, args=(self._loop,), name="gateway", daemon=True)
        self._thread.start()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Starts the process and answers what it asks, until it ends."""
        wake_on_time()
        try:
            self._serve(loop)
        except OSError as error:
            log.warning("no gateway, predictions are answered without one: %s", error)
        except RuntimeError:
            log.debug("the event loop ended before the gateway", exc_info=True)
        except Exception:
            log.exception("the gateway asked what is no question; its connections ended with it")
        self._not_before_s = time.monotonic() + AGAIN_S

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        passing, theirs = sockets.pair()
        speaking, speaks = socket.socketpair()
        with speaking:
            with theirs, speaks:
                settings = self._settings | {"limits": _as_told(self._limits())}
                self._process = start(settings, passing=theirs.fileno(), speaking=speaks.fileno())
            if self._is_over:  # told so before there was a process to end
                self._process.kill()
            try:
                self._attend(loop, passing, speaking)
            finally:
                speaking.close()  # it ends, if it has not yet
                code = self._process.wait()
        if not self._is_over:
            log.warning("the gateway ended (%s), and the connections that it had; others go on", code)

    def _attend(
        self, loop: asyncio.AbstractEventLoop, passing: socket.socket, speaking: socket.socket
    ) -> None:
        """Takes back what it no longer wants and answers what it asks, until it ends."""
        loop.call_soon_threadsafe(self._watch, passing)
        try:
            self._answer_all(speaking)
        finally:
            loop.call_soon_threadsafe(self._ended, passing)

    def _answer_all(self, speaking: socket.socket) -> None:
        """What it asks, until it ends."""
        with speaking.makefile("rb") as stream, contextlib.suppress(ConnectionError):
            for number, groups in frames.read(stream):
                found = self._answer(frames.groups(groups))
                speaking.sendall(frames.packed([number, found]))

    def _watch(self, passing: socket.socket) -> None:
        assert self._loop is not None
        self._passing = passing
        self._loop.add_reader(passing.fileno(), self._take_back, passing)
        self._unanswered = 0
        self._beating = self._loop.call_later(BEAT_S, self._beat, passing)

    def _beat(self, passing: socket.socket) -> None:
        """Asks whether it lives, and kills it where it has not said so for long: its end is then as any."""
        assert self._loop is not None and self._process is not None
        if self._unanswered >= (MOST_UNANSWERED if self._is_ready else MOST_UNANSWERED_AT_START):
            log.warning("the gateway does not answer: it is killed")
            return self._process.kill()
        self._unanswered += 1
        if self._is_ready:
            sockets.send(passing, [ALIVE])
        self._beating = self._loop.call_later(BEAT_S, self._beat, passing)

    def _unwatch(self, passing: socket.socket) -> None:
        assert self._loop is not None
        self._loop.remove_reader(passing.fileno())

    def _take_back(self, passing: socket.socket) -> None:
        """What the gateway says of connections."""
        while True:
            try:
                found = sockets.receive(passing)
            except (BlockingIOError, OSError):
                return
            if found is None:  # until `_ended` it would be readable for ever
                return self._unwatch(passing)
            self._unanswered = 0
            (word, *about), handles = found
            if word == READY:
                self._is_ready = True
            elif word == LOST:
                self.lent.pop(about[0], None)
            elif word == BACK:
                self.lent.pop(about[0], None)
                assert self._adopt is not None
                if former := sockets.taken_up(handles[1]):
                    self.crowd.is_disappointed()
                self._adopt(socket.socket(fileno=handles[0]), former)

    def _ended(self, passing: socket.socket) -> None:
        self._take_back(passing)
        self._unwatch(passing)
        if self._beating is not None:
            self._beating.cancel()
        passing.close()
        self._is_ready = False
        self._passing = None
        self.lent.clear()


def _as_told(limits: Limits) -> dict[str, Any]:
    return asdict(limits) | {"missing": None if limits.missing is None else sorted(limits.missing)}


def start(settings: Mapping[str, Any], *, passing: int, speaking: int) -> subprocess.Popen[bytes]:
    """The gateway's process, of this very package, wherever it was imported from. The descriptors are the
    far ends of `sockets.pair` and of a pair of stream sockets."""
    folder = str(Path(sockets.__file__).parents[2])
    path = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH"))))
    others = {name: value for name, value in os.environ.items() if not name.startswith(SECRET)}
    told = json.dumps({**settings, "passing": passing, "speaking": speaking})
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "streamlearner.gateway.main", told],
        stdin=subprocess.DEVNULL,
        pass_fds=(passing, speaking),
        env={**others, "PYTHONPATH": path},
    )
