"""Ten thousand malformed messages on a real topic: each becomes a dead letter, and nothing good is lost."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from streamlearner.connectors.kafka.writer import KafkaWriter
from streamlearner.daemon.known_ids import RememberedIds
from streamlearner.decoding.inputs import wire_input
from streamlearner.stream import Message
from tests.support.daemon_process import DaemonProcess
from tests.support.malformed import BAD, EXACT, LABELS, PIXELS, Headers, as_event, pixels_of

pytestmark = [pytest.mark.broker, pytest.mark.slow]

PARTITIONS = 3
ERRORS = "__streams.errors."
REASONS = {
    "other_label": {"label", "msgpack"},
    "other_header_label": {"label"},
    "truncation": {"json", "shape", "msgpack", "image", "empty"},
    "trailer": {"json", "shape", "msgpack"},
    "other_content_type": {"content_type"},
    "other_shape": {"schema", "shape"},
    "other_dtype": {"dtype", "shape"},
    "other_pixels": {"shape", "value", "json"},
    "overclaim": {"msgpack", "json", "pixels", "value"},
    "noise": {"msgpack", "image", "json", "empty"},
    "no_headers": {"headers"},
}
"""What may be said of each kind of damage; the wire formats say it each in its own way."""


NAMED = [wire for wire in EXACT if wire is not as_event]
"""Those of which a header may name the example: an event names itself."""


@dataclass(frozen=True)
class Letter:
    """What a dead letter must keep of its message, and why it is there."""

    value: bytes | None
    headers: Headers
    reason: str
    detail: str


class Stream:
    """A good message, then `bad` malformed and a fourth as many good ones, in an order drawn from `seed`."""

    def __init__(self, *, bad: int, seed: int) -> None:
        self._dice = random.Random(seed)
        self.ids: list[str] = []
        self.damage: dict[int, str] = {}  # by place in the stream
        kinds = [False, *self._dice.sample([True] * bad + [False] * (bad // 4), bad + bad // 4)]
        self.messages = [
            self._bad(place) if is_bad else self._good(place) for place, is_bad in enumerate(kinds)
        ]

    def _good(self, place: int) -> Message:
        value, headers = self._dice.choice(NAMED)(pixels_of(self._dice), self._dice.choice(LABELS))
        self.ids.append(f"good-{place}")
        others = tuple(header for header in headers if header[0] != "id")
        return Message(value, "t", 0, place, headers=(*others, ("id", self.ids[-1].encode())))

    def _bad(self, place: int) -> Message:
        change = BAD[len(self.damage) % len(BAD)]
        self.damage[place] = change.__name__
        wire = self._dice.choice(EXACT)(pixels_of(self._dice), self._dice.choice(LABELS))
        value, headers = change(self._dice, wire)
        return Message(value, "t", 0, place, headers=headers)

    def produce(self, *, address: str, topic: str) -> None:
        """Round robin: the message at place p is at offset p // PARTITIONS of partition p % PARTITIONS."""
        writer = KafkaWriter(
            bootstrap_servers=address, topic=topic, partitions=PARTITIONS, client={}, start_timeout_s=30.0
        )
        try:
            for message in self.messages:
                writer.write(message, now_ms=1_000)
            writer.flush(timeout_s=60.0)
        finally:
            writer.close()


Launch = Callable[..., DaemonProcess]


@pytest.fixture
def launch(broker: Any, tmp_path: Path) -> Iterator[Launch]:
    launched: list[DaemonProcess] = []

    def make(source: str, **dead_letters: str) -> DaemonProcess:
        kafka = {"bootstrap_servers": broker.address, "topic": source}
        settings = {"source": {"type": "kafka", "kafka": kafka}, "dead_letters": dead_letters}
        settings |= {
            "method": {"name": "finetune"},
            "sleep": {"every_examples": None},
        }  # what is learned is no matter
        launched.append(DaemonProcess(tmp_path / "daemon", settings))
        return launched[-1].start()

    yield make
    for daemon in launched:
        daemon.close()


def assert_only_the_good_were_taken(daemon: DaemonProcess, stream: Stream) -> None:
    """The daemon counts right and still answers; drained, its checkpoint knows the good ids alone."""
    status = daemon.wait_until_taken(len(stream.messages))
    counts, bad = status["examples"], len(stream.damage)
    assert (counts["rejected"], sum(status["rejects"].values())) == (bad, bad)
    assert counts["learned"] + counts["withheld"] == len(stream.ids)
    assert (counts["duplicate"], status["messages"]) == (0, len(stream.messages))
    answer = daemon.ask("/v1/predict", {"inputs": [wire_input(PIXELS.transpose(2, 0, 1))]})
    assert answer["predictions"][0]["label"] in {12 if label == "12" else label for label in LABELS}
    assert daemon.running
    assert daemon.stop() == 0, daemon.tail()
    expected = RememberedIds(window=len(stream.messages))
    assert all(expected.admit(name) for name in stream.ids)
    taken = daemon.newest().tensors["intake"]["ids"].tolist()
    assert (len(taken), set(taken)) == (len(stream.ids), set(expected.state().tolist()))


def assert_every_bad_one_has_its_letter(letters: dict[tuple[int, int], Letter], stream: Stream) -> None:
    """`letters` by partition and offset: one for each bad message, as it was sent, and why; none besides."""
    places = {offset * PARTITIONS + partition: letter for (partition, offset), letter in letters.items()}
    assert places.keys() == stream.damage.keys()
    for place, letter in places.items():
        sent, damage = stream.messages[place], stream.damage[place]
        assert (letter.value, letter.headers) == (sent.value, sent.headers), (place, damage)
        assert letter.reason in REASONS[damage], (place, damage, letter)
        assert 0 < len(letter.detail) < 500


def letters_in_file(folder: Path, topic: str) -> dict[tuple[int, int], Letter]:
    lines = [json.loads(line) for line in (folder / "dead_letters.jsonl").read_bytes().splitlines()]
    letters = {
        (line["partition"], line["offset"]): Letter(
            value=base64.b64decode(line["value"]),
            headers=tuple((name, base64.b64decode(content)) for name, content in line["headers"]),
            reason=line["reason"],
            detail=line["detail"],
        )
        for line in lines
    }
    assert len(letters) == len(lines), "a message has two dead letters"
    assert {line["topic"] for line in lines} == {topic}
    return letters


def letters_on_topic(broker: Any, name: str, topic: str) -> dict[tuple[int, int], Letter]:
    """Everything on the topic `name`, which has one partition."""
    consumer = KafkaConsumer(bootstrap_servers=broker.address, auto_offset_reset="earliest")
    partition, letters = TopicPartition(name, 0), {}
    try:
        consumer.assign([partition])
        end = consumer.end_offsets([partition])[partition]
        for _ in range(100):
            for record in consumer.poll(timeout_ms=200).get(partition, []):
                errors = dict(header for header in record.headers if header[0].startswith(ERRORS))
                texts = {header.removeprefix(ERRORS): text.decode() for header, text in errors.items()}
                assert texts["topic"] == topic
                letters[int(texts["partition"]), int(texts["offset"])] = Letter(
                    value=record.value,
                    headers=tuple(header for header in record.headers if header[0] not in errors),
                    reason=texts["exception"],
                    detail=texts["message"],
                )
            if consumer.position(partition) >= end:
                return letters
    finally:
        consumer.close()
    raise AssertionError(f"the topic {name} could not be read to its end {end}")


def test_ten_thousand_malformed_messages_become_dead_letters_and_every_good_one_is_learned_once(
    broker: Any, topic: Callable[..., str], launch: Launch
) -> None:
    stream, name = Stream(bad=10_000, seed=20), topic(partitions=PARTITIONS)
    stream.produce(address=broker.address, topic=name)
    daemon = launch(name)
    assert_only_the_good_were_taken(daemon, stream)
    assert len(stream.damage) == 10_000
    assert_every_bad_one_has_its_letter(letters_in_file(daemon.state_dir / "dead-letters", name), stream)


def test_dead_letters_on_a_topic_keep_the_message_and_say_where_it_stood_and_why(
    broker: Any, topic: Callable[..., str], launch: Launch
) -> None:
    stream, name, letters = Stream(bad=1_000, seed=21), topic(partitions=PARTITIONS), topic()
    stream.produce(address=broker.address, topic=name)
    assert_only_the_good_were_taken(launch(name, type="kafka", topic=letters), stream)
    assert_every_bad_one_has_its_letter(letters_on_topic(broker, letters, name), stream)
