"""The test stream: handwritten digits in class order, with re-sends and garbage among them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kafka import KafkaProducer
from sklearn.datasets import load_digits

from streamlearner.decoding.codec import encode_raw

DIGITS = 1797
RESEND_EVERY, RESEND_BACK = 97, 60
GARBAGE_EVERY = 131


@dataclass(frozen=True)
class Sent:
    """One message of the stream; `kind` is new, resent or garbage."""

    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    id: str
    label: int
    kind: str = "new"


class DigitStream:
    """`rounds` times the first of all digits in class order, each with an id of its own."""

    def __init__(self, *, rounds: int, digits: int = DIGITS) -> None:
        bundle = load_digits()
        self.images = (bundle.images * (255 / 16)).round().astype("uint8")
        self.labels = bundle.target.tolist()
        order = sorted(range(DIGITS), key=lambda i: self.labels[i])[:digits]
        self.sent = list(self._messages([(i, again) for i in order for again in range(rounds)]))

    def _messages(self, order: list[tuple[int, int]]) -> Iterator[Sent]:
        past: list[Sent] = []
        for n, (i, again) in enumerate(order):
            name, label = f"digit-{i}-{again}", self.labels[i]
            value, headers = encode_raw(self.images[i], label=label, id=name, task=None)
            past.append(Sent(value, tuple(headers), name, label))
            yield past[-1]
            if n % RESEND_EVERY == RESEND_EVERY - 1:
                old = past[-RESEND_BACK]
                yield Sent(old.value, old.headers, old.id, old.label, "resent")
            if n % GARBAGE_EVERY == GARBAGE_EVERY - 1:
                yield Sent(value[: len(value) // 2], tuple(headers), name + "-torn", label, "garbage")

    def __len__(self) -> int:
        return len(self.sent)

    def count(self, kind: str) -> int:
        return sum(message.kind == kind for message in self.sent)

    @property
    def new_ids(self) -> list[str]:
        return [message.id for message in self.sent if message.kind == "new"]

    def produce(
        self,
        address: str,
        topic: str,
        *,
        partitions: int = 1,
        pace: Callable[[int], object] = lambda n: None,
    ) -> None:
        """Writes it all, round robin, timestamps rising; `pace(n)` is called before message n."""
        producer = KafkaProducer(bootstrap_servers=address, linger_ms=5, reconnect_backoff_max_ms=500)
        try:
            for n, message in enumerate(self.sent):
                pace(n)
                producer.send(
                    topic,
                    value=message.value,
                    headers=list(message.headers),
                    partition=n % partitions,
                    timestamp_ms=1_000 + n,
                )
            producer.flush()
        finally:
            producer.close()

    def produce_beside(self, *arguments: Any, **keywords: Any) -> threading.Thread:
        """The same in a thread."""
        thread = threading.Thread(target=self.produce, args=arguments, kwargs=keywords, daemon=True)
        thread.start()
        return thread
