"""Follows published versions: each new one is loaded aside, warmed, and handed over whole."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from streamlearner.errors import StreamlearnerError
from streamlearner.export.card import Card
from streamlearner.eyes.eye import Eye
from streamlearner.learning.predictor import Predictor
from streamlearner.replicas.location import Location
from streamlearner.replicas.model import NotServed, predictor_of

log = logging.getLogger(__name__)

WARMED_WITH = (1, 8)
"""Inputs in the requests that a version answers before any client's: the first ones take longest."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A version as it is handed over."""

    card: Card
    predictor: Predictor


class Follower:
    """Looks each `every_s` which version is published, on a thread of its own.

    `take` is called on that thread with each version that is to answer from now on: loaded, checked against
    its digests, and warm. It may refuse by raising `NotServed`. A version that cannot be had is tried again
    at each look, and the one before goes on answering: `failed` is called with why, each time; `seen` after a
    look without fault. Whoever serves a model in another way, as a replica of some cluster, needs no more of
    the daemon than this.
    """

    def __init__(
        self,
        location: Location,
        *,
        take: Callable[[Followed], None],
        failed: Callable[[str], None] = log.warning,
        seen: Callable[[], None] = lambda: None,
        every_s: float = 1.0,
        eye: Eye | None = None,
        threads: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.location = location
        self._take, self._failed, self._seen = take, failed, seen
        self._every_s, self._eye, self._threads, self._clock = every_s, eye, threads, clock
        self._now: str | None = None  # the digest of the card that answers
        self._looked_s: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="follower", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns once nothing is loaded any more, or after 5 s."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    @property
    def seen_age_s(self) -> float | None:
        """Seconds since the location was last read without fault; None before the first time."""
        return None if self._looked_s is None else self._clock() - self._looked_s

    def look(self) -> bool:
        """One look, on the calling thread; whether another version answers since. Raises what failed."""
        version = self.location.current()
        if version is None and self._looked_s is None:
            log.info(
                "nothing is published in %s yet (as export.formats of its daemon does)", self.location.name
            )
        changed = version is not None and self._follow(self.location.card(version))
        self._looked_s = self._clock()
        self._seen()
        return changed

    def _follow(self, card: Card) -> bool:
        if card.digest == self._now:
            return False
        predictor = predictor_of(self.location, card, eye=self._eye, threads=self._threads)
        warm(predictor)
        self._take(Followed(card, predictor))
        self._now = card.digest
        return True

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except StreamlearnerError as error:
                self._failed(str(error))
            except Exception as error:  # whatever it is: the version before goes on answering
                self._failed(f"{type(error).__name__}: {error}")
            self._stopping.wait(self._every_s)


def warm(predictor: Predictor) -> None:
    """Asks it what clients will ask. Raises `NotServed` for a version that gives no finite answer."""
    dtype = torch.uint8 if len(predictor.input_shape) == 3 else torch.float32
    for count in WARMED_WITH:
        with torch.inference_mode():
            answers = predictor.predict(torch.zeros(count, *predictor.input_shape, dtype=dtype))
        if not all(answer.finite for answer in answers):
            raise NotServed(f"version {predictor.version} gives no finite answer")
