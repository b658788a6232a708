"""A topic that was deleted, or made again, under a reader: to be told from a log that was truncated."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from streamlearner.connectors.kafka import identity
from streamlearner.connectors.kafka.metadata import MetadataPoller, TopicMetadata
from streamlearner.errors import PositionLost, SourceError

GONE_S = 10.0  # unknown to the broker for so long: one that just restarted may not know it for a moment
PATIENCE_S = 10.0  # for the broker to say which topic it is


class LostTopic:
    """The consumer sees only that offsets are no longer there, the same for a truncated log as for another
    topic of the same name. Which one it is, is asked anew before anything is said."""

    def __init__(self, *, topic: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._topic = topic
        self._clock = clock
        self._asked_s: float | None = None

    def check(self, poller: MetadataPoller, offsets: Mapping[int, int]) -> None:
        """Raises `PositionLost` where the broker has not known the topic for `GONE_S`."""
        missing_s = poller.missing_since_s
        if missing_s is not None and self._clock() - missing_s > GONE_S:
            raise identity.deleted(self._topic, offsets)

    def raise_settled(
        self, failure: SourceError | None, poller: MetadataPoller, seen: TopicMetadata | None
    ) -> None:
        """Raises what ended the stream, but not yet what looks like a truncated log and may be another
        topic."""
        if failure and (not isinstance(failure, PositionLost) or self._is_excluded(poller, seen)):
            raise failure

    def _is_excluded(self, poller: MetadataPoller, seen: TopicMetadata | None) -> bool:
        """Whether it is the same topic still, as the broker described it after the first call; asks it to."""
        if self._asked_s is None:
            self._asked_s = self._clock()
            poller.describe()
        if seen is not None and seen.described_s is not None and seen.described_s > self._asked_s:
            return True
        return poller.missing_since_s is None and self._clock() - self._asked_s > PATIENCE_S
