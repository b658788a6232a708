"""Thread pools for what would block the event loop, each with a bounded queue."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import Request

from streamlearner.serving.problems import Problem

Result = TypeVar("Result")
Left = Callable[[], bool]
"""Whether the client has left, whom the work is done for. From any thread."""
LEFT = "the client left before its request was begun"


class Workers:
    """A pool of `threads`, and at most `waiting` requests that wait for one; any more are refused."""

    def __init__(self, *, name: str, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"serving-{name}")
        self._name = name
        self._most = threads + waiting
        self._inside = 0  # only the event loop's thread touches it

    async def run(self, work: Callable[[Left], Result], *, client: Request) -> Result:
        """Runs `work` in a thread of the pool and returns its result. `client` sent the request, and its body
        was read: where it leaves before a thread is free, no work is begun; later, `work` may ask.

        Raises `Problem`: 429 where the queue is full, 499 for a client that left.
        """
        if self._inside >= self._most:
            text = f"{self._inside} requests for {self._name} are being worked on or wait; try again"
            raise Problem(429, text, headers={"Retry-After": "1"})
        self._inside += 1
        try:
            if await client.is_disconnected():
                raise Problem(499, LEFT)
            left = threading.Event()
            begun = self._pool.submit(work, left.is_set)
            return await self._result(begun, client=client, left=left)
        finally:
            self._inside -= 1

    async def _result(self, begun: Future[Result], *, client: Request, left: threading.Event) -> Result:
        answer, leaving = asyncio.wrap_future(begun), asyncio.ensure_future(_leaves(client))
        try:
            await asyncio.wait((answer, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                left.set()
                if begun.cancel():
                    raise Problem(499, LEFT)
            return await answer
        finally:
            leaving.cancel()

    def stop(self) -> None:
        """Accepts no more work, cancels what waits, and does not wait for what runs."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Pools:
    """One for each kind of work, so that none delays another."""

    predictions: Workers
    examples: Workers
    recollections: Workers
    transplants: Workers
    erasures: Workers
    history: Workers
    questions: Workers

    @classmethod
    def start(cls, *, prediction_threads: int) -> Pools:
        """Pushes wait for the disk and are committed in groups: many at a time are fast. Recollections are
        decoded, and transplants begun, by the learning thread, one after the other: few may wait."""
        return cls(
            predictions=Workers(name="predictions", threads=prediction_threads, waiting=256),
            examples=Workers(name="examples", threads=32, waiting=224),
            recollections=Workers(name="recollections", threads=2, waiting=6),
            transplants=Workers(name="transplants", threads=1, waiting=3),
            erasures=Workers(name="erasures", threads=8, waiting=56),
            history=Workers(name="the history", threads=1, waiting=15),
            questions=Workers(name="questions", threads=1, waiting=3),
        )

    def stop(self) -> None:
        """Stops them all."""
        for pool in (
            self.predictions,
            self.examples,
            self.recollections,
            self.transplants,
            self.erasures,
            self.history,
            self.questions,
        ):
            pool.stop()


async def _leaves(client: Request) -> None:
    """Ends when the client does, or the answer was sent."""
    while (await client.receive())["type"] != "http.disconnect":
        pass
