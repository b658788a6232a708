"""A Kafka topic as a Source: every partition, no consumer group, merged by timestamp."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, Self

from streamlearner.connectors.kafka import identity
from streamlearner.connectors.kafka.client import admin_options, consumer_options
from streamlearner.connectors.kafka.fetch import Fetch
from streamlearner.connectors.kafka.fetch_buffer import FetchBuffer
from streamlearner.connectors.kafka.gaps import Gaps
from streamlearner.connectors.kafka.identity import KafkaPosition, PartitionOffset, RecordFingerprint
from streamlearner.connectors.kafka.lost_topic import LostTopic
from streamlearner.connectors.kafka.merge import Merge, Record, message
from streamlearner.connectors.kafka.metadata import MetadataPoller, TopicMetadata
from streamlearner.connectors.kafka.start import Start
from streamlearner.connectors.kafka.trial import check_options
from streamlearner.connectors.kafka.watchdog import Watchdog
from streamlearner.errors import ConfigError
from streamlearner.registry.sources import KafkaSection
from streamlearner.stream import Message, Position, Source, Surroundings

PREFETCH_EVERY_S = 0.05  # a fetch costs 0.2 ms, so 0.4 % of the time while the buffer alone would do
SILENCE_S = 5.0  # without an answer for longer than this the broker counts as away
ASK_EVERY_S = 1.0  # so an answer that is late once or twice is no silence yet


class KafkaSource(Source):
    """Reads all partitions of a topic, also those added later, or `partitions` alone, by timestamp.

    `client` holds any kafka-python consumer option (TLS, SASL, timeouts, fetch sizes). `start` says where a
    learner without a checkpoint begins. `on_gap` says what happens where retention overtook the position or a
    batch cannot be read. An empty partition that may hold more is waited for at most
    `empty_partition_wait_s`, but for the time the broker is away. Each second it is asked how far the topic
    reaches, every `discover_every_s` for partitions and id. A fetch that hangs `poll_hang_timeout_s` past its
    timeout ends the process with code 70 (`end_process`). Checkpointed offsets of a `group_id` are for lag
    displays. A null value is delivered. Opened once, used by one thread.
    """

    name = "kafka"

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        topic: str,
        client: Mapping[str, Any] | None = None,
        start: Literal["earliest", "latest"] = "earliest",
        on_gap: Literal["stop", "skip"] = "stop",
        group_id: str | None = None,
        empty_partition_wait_s: float = 60.0,
        start_timeout_s: float = 60.0,
        discover_every_s: float = 30.0,
        poll_hang_timeout_s: float = 120.0,
        partitions: Collection[int] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        end_process: Callable[[int], object] = os._exit,
    ) -> None:
        if start not in ("earliest", "latest"):
            raise ConfigError(f"kafka: start is {start!r}; expected 'earliest' or 'latest'")
        self._options = consumer_options(bootstrap_servers, client or {})
        self._topic, self._start, self.begins_now = topic, start, start == "latest"
        self._start_timeout_s, self._discover_every_s = start_timeout_s, discover_every_s
        self._clock, self._sleep, self._group_id, self._only = clock, sleep, group_id, partitions
        self._gaps = Gaps(topic=topic, on_gap=on_gap)
        self._merge = Merge(wait_s=empty_partition_wait_s, fresh_s=SILENCE_S)
        self._watchdog = Watchdog(limit_s=poll_hang_timeout_s, end=end_process)
        self._fetch = Fetch(topic=topic, options=self._options, watchdog=self._watchdog)
        self._buffer = FetchBuffer(
            topic=topic,
            merge=self._merge,
            fetch=self._fetch,
            gaps=self._gaps,
            records_per_fetch=int(self._options["max_poll_records"]),
            clock=clock,
            sleep=sleep,
        )
        self._lost_topic = LostTopic(topic=topic, clock=clock)
        self._poller: MetadataPoller | None = None
        self._seen: TopicMetadata | None = None
        self._topic_id, self._refilled_s, self._paused, self._interrupted = "", 0.0, False, threading.Event()
        self._last: dict[int, Record | RecordFingerprint] = {}

    @classmethod
    def build(cls, settings: KafkaSection, surroundings: Surroundings) -> Self:
        check_options(settings.bootstrap_servers, settings.client_options())
        own = {name: value for name, value in dict(settings).items() if name != "labels_topic"}
        return cls(**own | {"client": settings.client_options()})

    def open(self, position: Position | None) -> None:
        wanted = None if position is None else KafkaPosition.from_json(position)
        start = Start(
            topic=self._topic,
            servers=",".join(self._options["bootstrap_servers"]),
            poller=self._new_pulse,
            deadline_s=self._clock() + self._start_timeout_s,
            clock=self._clock,
            sleep=self._sleep,
            interrupted=self._interrupted.is_set,
        )
        self._watchdog.start()
        try:
            self._poller = start.connect()
            answer = start.reach(self._poller)
            places = start.begin(answer, self._start)
            if wanted is not None:
                places = start.resume(
                    wanted, poller=self._poller, answer=answer, fetch=self._fetch, gaps=self._gaps
                )
            start.prime(self._fetch, places)
        except BaseException:
            self.close()
            raise
        self._adopt(answer.topic_id, places)
        self._see(answer)
        self._poller.start()

    def poll(self, max_messages: int, timeout_s: float) -> list[Message]:
        """Gives `max_messages` wherever the broker is known to hold that many, within `timeout_s`."""
        if self._paused:
            return []
        deadline_s = (now_s := self._clock()) + timeout_s
        if now_s - self._refilled_s >= PREFETCH_EVERY_S:
            self._refill(0.0)
        taken = self._merge.take(max_messages, now_s, heard=self._heard(now_s))
        while len(taken) < max_messages and (not taken or self._merge.backlog()):
            self._refill(max(0.0, deadline_s - now_s))
            now_s = self._clock()
            taken += self._merge.take(max_messages - len(taken), now_s, heard=self._heard(now_s))
            if now_s >= deadline_s:
                break
        if not taken and self._poller:
            self._lost_topic.raise_settled(self._buffer.failure, self._poller, self._seen)
        for record in taken:
            self._last[record.partition] = record
        return [message(record) for record in taken]

    @property
    def position(self) -> Position:
        places = {
            n: PartitionOffset(queue.next_offset, self._fingerprint(n))
            for n, queue in self._merge.queues.items()
        }
        return KafkaPosition(self._topic, self._topic_id, places).to_json()

    def commit(self, position: Position) -> None:
        if self._poller is not None and self._group_id is not None:
            self._poller.commit(identity.offsets(KafkaPosition.from_json(position)))

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def lag(self) -> dict[int, int]:
        if (answer := self._last_answer) is not None:
            self._merge.learn_ends(answer.ends, answer.at_s)
        return {number: queue.lag for number, queue in self._merge.queues.items() if queue.lag is not None}

    def held_back(self) -> dict[int, int]:
        """Offsets behind the last stable one: a transaction that is open hides them."""
        return dict(self._last_answer.held) if self._last_answer else {}

    @property
    def _last_answer(self) -> TopicMetadata | None:
        """About the topic that is read, and no other of its name."""
        answer = self._poller.answer if self._poller else None
        return answer if answer and answer.topic_id == self._topic_id else None

    def interrupt(self) -> None:
        self._interrupted.set()

    def close(self) -> None:
        self._buffer.close()
        if self._poller is not None:
            self._poller.close()
        self._watchdog.close()

    @property
    def connected(self) -> bool:
        """The broker answered within 5 s, for every partition, and fetches bring what is known to exist."""
        answer = self._poller.answer if self._poller is not None else None
        if answer is None or not answer.complete:
            return False
        return self._clock() - answer.at_s <= SILENCE_S and self._buffer.stalled_s <= SILENCE_S

    @property
    def gaps(self) -> int:
        return self._gaps.count

    def _new_pulse(self, timeout_s: float) -> MetadataPoller:
        options = admin_options(self._options) | {"bootstrap_timeout_ms": int(timeout_s * 1000)}
        return MetadataPoller(
            topic=self._topic,
            options=options,
            isolation_level=str(self._options["isolation_level"]),
            group_id=self._group_id,
            every_s=min(ASK_EVERY_S, self._discover_every_s),
            describe_every_s=self._discover_every_s,
            partitions=self._only,
            clock=self._clock,
        )

    def _adopt(self, topic_id: str, places: Mapping[int, PartitionOffset]) -> None:
        self._topic_id = topic_id
        for number, place in places.items():
            self._buffer.admit(number, place.offset)
            if place.last is not None:
                self._last[number] = place.last

    def _refill(self, timeout_s: float) -> None:
        self._look()
        self._buffer.refill(timeout_s, self._seen)
        self._refilled_s = self._clock()

    def _look(self) -> None:
        """Takes in what the poller's thread has learned since."""
        if self._poller is None:
            return
        answer = self._poller.answer
        if answer is not None and answer is not self._seen:
            self._see(answer)
        self._lost_topic.check(self._poller, self._next_offsets())

    def _next_offsets(self) -> dict[int, int]:
        return {number: queue.next_offset for number, queue in self._merge.queues.items()}

    def _see(self, answer: TopicMetadata) -> None:
        if answer.topic_id != self._topic_id:
            raise identity.recreated(self._topic, self._topic_id, answer.topic_id, self._next_offsets())
        self._seen = answer
        for number in sorted(answer.partitions - self._merge.queues.keys()):
            if number in answer.begins:
                self._buffer.admit(number, answer.begins[number])
        self._merge.learn_ends(answer.ends, answer.at_s)

    def _heard(self, now_s: float) -> bool:
        return self._seen is not None and now_s - self._seen.at_s <= SILENCE_S

    def _fingerprint(self, number: int) -> RecordFingerprint | None:
        last = self._last.get(number)
        if last is not None and not isinstance(last, RecordFingerprint):
            last = self._last[number] = RecordFingerprint.of(last)  # hashed once, when a checkpoint asks
        return last
