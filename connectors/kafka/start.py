"""Reaching a topic at start-up, and proving that the checkpoint's position still means the same place."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Literal

from streamlearner.connectors.kafka import identity
from streamlearner.connectors.kafka.fetch import Fetch, FetchFailed, broken_batch
from streamlearner.connectors.kafka.gaps import Gaps
from streamlearner.connectors.kafka.identity import KafkaPosition, PartitionOffset
from streamlearner.connectors.kafka.metadata import MetadataPoller, TopicMetadata
from streamlearner.errors import SourceUnreachable

log = logging.getLogger(__name__)

ASK_EVERY_S = 0.25
CONNECT_S = 3.0  # one attempt to connect: an interrupted start-up ends that soon
SETTLE_S = 3.0  # a broker that just restarted may show an older end for a moment


class Start:
    """One start-up, to be done before `deadline_s` of the clock, or given up when `interrupted`."""

    def __init__(
        self,
        *,
        topic: str,
        servers: str,
        poller: Callable[[float], MetadataPoller],
        deadline_s: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self._topic = topic
        self._servers = servers
        self._build_poller = poller
        self._deadline_s = deadline_s
        self._clock = clock
        self._sleep = sleep
        self._interrupted = interrupted

    @property
    def left_s(self) -> float:
        return 0.0 if self._interrupted() else max(0.0, self._deadline_s - self._clock())

    def connect(self) -> MetadataPoller:
        """A poller that a broker answered. Raises `SourceUnreachable`."""
        while True:
            attempt_s = min(CONNECT_S, self.left_s)
            again_s = self._clock() + attempt_s
            try:
                return self._build_poller(attempt_s)
            except Exception as error:  # timeouts, names, handshakes and credentials: the text says which
                if self._clock() >= again_s and self.left_s > 0:  # it was only short of time
                    continue
                raise SourceUnreachable(
                    f"kafka: no broker answers at {self._servers} ({type(error).__name__}: {error}): check "
                    f"the address, the network, security_protocol and the credentials"
                ) from error

    def reach(self, poller: MetadataPoller) -> TopicMetadata:
        """The first complete answer about the topic; waits for it to be made. Raises `SourceUnreachable`."""
        while True:
            try:
                answer = poller.ask()
                why = "the topic does not exist" if answer is None else "some partitions have no leader"
            except Exception as error:
                answer, why = None, f"{type(error).__name__}: {error}"
            if answer is not None and answer.complete:
                return answer
            if self.left_s == 0:
                raise SourceUnreachable(
                    f"kafka: topic {self._topic!r} at {self._servers} cannot be read: {why}: create it, or "
                    f"correct source.kafka.topic or the permissions"
                )
            log.info("kafka: waiting for topic %r at %s: %s", self._topic, self._servers, why)
            self._sleep(min(ASK_EVERY_S, self.left_s))

    def begin(
        self, answer: TopicMetadata, start: Literal["earliest", "latest"]
    ) -> dict[int, PartitionOffset]:
        """Where a learner without a checkpoint begins."""
        return {
            n: PartitionOffset(offset)
            for n, offset in (answer.begins if start == "earliest" else answer.ends).items()
        }

    def resume(
        self,
        position: KafkaPosition,
        *,
        poller: MetadataPoller,
        answer: TopicMetadata,
        fetch: Fetch,
        gaps: Gaps,
    ) -> dict[int, PartitionOffset]:
        """Where to go on. Raises `PositionLost` where the position no longer means the same place."""
        identity.check_topic(
            position,
            topic=self._topic,
            topic_id=answer.topic_id,
            partitions=dict.fromkeys(answer.partitions, 0),
        )
        places = self._reconcile(position, poller, answer, gaps)
        held = {
            n: place.last.offset
            for n, place in places.items()
            if place.last is not None and place.last.offset >= answer.begins[n]
        }
        self._recognise(held, places, fetch, gaps)
        return places

    def prime(self, fetch: Fetch, places: Mapping[int, PartitionOffset]) -> None:
        """The first consumer of the stream, while start-up may still fail."""
        try:
            fetch.start({number: place.offset for number, place in places.items()})
        except FetchFailed as failed:
            raise SourceUnreachable(f"kafka: {self._topic} cannot be read: {failed.cause!r}") from failed

    def _reconcile(
        self, position: KafkaPosition, poller: MetadataPoller, answer: TopicMetadata, gaps: Gaps
    ) -> dict[int, PartitionOffset]:
        settled_s = self._clock() + SETTLE_S
        while True:
            beyond = any(place.offset > answer.ends[n] for n, place in position.partitions.items())
            if not beyond or self._clock() > settled_s:
                return gaps.reconcile(position, answer)
            self._sleep(ASK_EVERY_S)
            answer = self.reach(poller)

    def _recognise(
        self, held: dict[int, int], places: dict[int, PartitionOffset], fetch: Fetch, gaps: Gaps
    ) -> None:
        """Reads the record before each position again: it must be the one that was learned."""
        while held:
            try:
                found = fetch.reread(held, max(1.0, self.left_s))
            except FetchFailed as failed:
                batch = broken_batch(failed.cause)
                if batch is None or batch.partition not in held:
                    raise SourceUnreachable(
                        f"kafka: {self._topic} cannot be read: {failed.cause!r}"
                    ) from failed
                offset = held.pop(batch.partition)
                gaps.doubtful(batch.partition, offset, batch, failed.cause)
                continue
            if silent := sorted(set(held) - set(found)):
                raise SourceUnreachable(
                    f"kafka: {self._topic}: partitions {silent} did not give the last record learned again "
                    f"in time, so the position is unproven: check their leaders, or raise start_timeout_s"
                )
            for number, record in found.items():
                identity.check_fingerprint(self._topic, number, places[number], record)
            return
