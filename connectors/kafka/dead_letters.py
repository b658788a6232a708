"""Dead letters on a Kafka topic: the original bytes, key and headers, and why they were refused."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError

from streamlearner.connectors.dead_letters import DeadLetters, DeadLettersNotDurable, oversized
from streamlearner.connectors.kafka.client import closing_quietly, producer_options
from streamlearner.errors import SourceUnreachable
from streamlearner.registry.dead_letters import KafkaDeadLettersSection
from streamlearner.stream import Reject, Surroundings

log = logging.getLogger(__name__)

SEND_BLOCK_MS = 500  # a write waits at most this long for the topic's metadata
WRITE_EVERY_S = 5.0  # between attempts of `write` after one that failed: learning goes on meanwhile
_OVERHEAD_BYTES = 1_024  # of a reject and its message, as Python holds them


class KafkaDeadLetters(DeadLetters):
    """Sends each reject to `topic` as it was, with the headers `__streams.errors.*` (KIP-1034) added.

    A value above `max_body_bytes`, or one that the broker finds too large, is left out: its size and SHA-256
    are in `streamlearner.body.size` and `streamlearner.body.sha256`. A record must have a key or a value, so
    a null value without a key is sent empty with the header `streamlearner.body.null`. What the broker did
    not acknowledge is kept in memory and sent again. `client` holds kafka-python options, the same as the
    source's; those that only a consumer has are passed over. Raises `SourceUnreachable` where no broker
    answers within `start_timeout_s`.
    """

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        topic: str,
        client: Mapping[str, Any] | None = None,
        max_body_bytes: int = 900_000,
        start_timeout_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        build: Callable[..., Any] = KafkaProducer,
    ) -> None:
        self._topic = topic
        self._max_body_bytes = max_body_bytes
        self._clock = clock
        self._waiting: list[tuple[Reject, bool]] = []  # with its body or without
        self._sent: list[tuple[Reject, bool, Any]] = []
        self._bytes = 0
        self._write_again_s = 0.0
        options = producer_options(bootstrap_servers, client or {}) | {
            "max_block_ms": SEND_BLOCK_MS,
            "linger_ms": 20,
            # One record too large for the topic is fatal to an idempotent producer: nothing more is sent.
            # The price is a letter sent twice now and then, which a replay does anyway.
            "enable_idempotence": False,
            "bootstrap_timeout_ms": int(start_timeout_s * 1000),
        }
        try:
            self._producer = build(**options)
        except KafkaError as error:
            raise SourceUnreachable(
                f"kafka: no broker answers at {bootstrap_servers} for the dead letters "
                f"({type(error).__name__}: {error}): check the address, the network, security_protocol "
                f"and the credentials"
            ) from error

    @classmethod
    def build(cls, settings: KafkaDeadLettersSection, surroundings: Surroundings) -> Self:
        kafka = surroundings.kafka
        client = kafka.client_options()
        return cls(bootstrap_servers=kafka.bootstrap_servers, topic=settings.topic, client=client)

    def write(self, rejects: Sequence[Reject]) -> None:
        self._collect()
        self._waiting += [(reject, not oversized(reject.message, self._max_body_bytes)) for reject in rejects]
        self._bytes += sum(map(_held, rejects))
        if self._clock() < self._write_again_s:
            return
        try:
            self._send()
        except KafkaError as error:
            log.warning("kafka: dead letters wait for topic %r: %s", self._topic, error)
            self._write_again_s = self._clock() + WRITE_EVERY_S

    def flush(self, timeout_s: float) -> None:
        deadline_s = self._clock() + timeout_s
        failed: Exception | None = None
        while self._waiting or self._sent:
            left_s = deadline_s - self._clock()
            if left_s <= 0:
                raise self._not_durable(failed)
            try:
                self._send()
                self._producer.flush(timeout=left_s)
            except KafkaError as error:
                failed = error
            refused = self._collect()
            if refused is not None and not isinstance(refused, MessageSizeTooLargeError):
                raise self._not_durable(refused)  # the producer has tried for long enough
            failed = refused or failed
        self._write_again_s = 0.0

    @property
    def waiting_bytes(self) -> int:
        return self._bytes

    def close(self) -> None:
        with closing_quietly("the producer of dead letters"):
            self._producer.close(timeout=1.0)

    def _send(self) -> None:
        """Hands what waits to the producer; at its first refusal the rest stays."""
        while self._waiting:
            reject, whole = self._waiting[0]
            try:
                future = self._producer.send(self._topic, **record(reject, whole))
            except MessageSizeTooLargeError:
                if not whole:
                    raise
                self._waiting[0] = (reject, False)
                continue
            self._sent.append((reject, whole, future))
            del self._waiting[0]

    def _collect(self) -> Exception | None:
        """Forgets what was acknowledged; what failed waits again. Returns the last failure."""
        failed: Exception | None = None
        pending = []
        for reject, whole, future in self._sent:
            if not future.is_done:
                pending.append((reject, whole, future))
            elif not future.failed():
                self._bytes -= _held(reject)
            else:
                failed = future.exception
                self._waiting.append((reject, whole and not isinstance(failed, MessageSizeTooLargeError)))
        self._sent = pending
        return failed

    def _not_durable(self, failed: Exception | None) -> DeadLettersNotDurable:
        why = f" ({type(failed).__name__}: {failed})" if failed else ""
        return DeadLettersNotDurable(
            f"{len(self._waiting) + len(self._sent)} dead letters were not acknowledged on topic "
            f"{self._topic!r}{why}: check that the topic exists and may be written, and that the broker "
            f"answers; they are kept in memory and sent by the next flush"
        )


def _held(reject: Reject) -> int:
    """Bytes in memory, roughly."""
    return _OVERHEAD_BYTES + len(reject.message.value or b"")


def record(reject: Reject, whole: bool) -> dict[str, Any]:
    """The keyword arguments of `KafkaProducer.send` for one reject, with its body or without."""
    message = reject.message
    errors = {
        "exception": reject.reason,
        "message": reject.detail,
        "topic": message.topic,
        "partition": str(message.partition),
        "offset": str(message.offset),
    }
    headers = [
        *message.headers,
        *((f"__streams.errors.{name}", text.encode()) for name, text in errors.items()),
    ]
    value = message.value
    if value is not None and not whole:
        headers.append(("streamlearner.body.size", str(len(value)).encode()))
        headers.append(("streamlearner.body.sha256", hashlib.sha256(value).hexdigest().encode()))
        value = b""
    if value is None and message.key is None:
        headers.append(("streamlearner.body.null", b"true"))
        value = b""
    return {"value": value, "key": message.key, "headers": headers}
