"""The Kafka source against a real Apache Kafka: order, faults, and what a position proves."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import kafka.record.default_records as records_module
import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import NewPartitions
from kafka.errors import KafkaError

from connectors.kafka import KafkaSource
from streamlearner.errors import PositionLost, SourceError, SourceUnreachable
from streamlearner.stream import Message, Position

pytestmark = pytest.mark.broker

DEADLINE_S = 30.0
Make = Callable[..., str]
Open = Callable[..., KafkaSource]


@pytest.fixture
def open_source(broker: Any) -> Iterator[Open]:
    """Opens sources that the end of the test closes."""
    opened: list[KafkaSource] = []

    def connect(topic: str, position: Position | None = None, **settings: Any) -> KafkaSource:
        settings = {"bootstrap_servers": broker.address, "start_timeout_s": 20.0, "discover_every_s": 0.2} | settings
        source = KafkaSource(topic=topic, **settings)
        opened.append(source)
        source.open(None if position is None else json.loads(json.dumps(position)))
        return source

    yield connect
    for source in opened:
        source.close()


@contextmanager
def producer(broker: Any, **settings: Any) -> Iterator[KafkaProducer]:
    made = KafkaProducer(bootstrap_servers=broker.address, linger_ms=5, reconnect_backoff_max_ms=500, **settings)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def admin(broker: Any) -> Iterator[KafkaAdminClient]:
    made = KafkaAdminClient(bootstrap_servers=broker.address, reconnect_backoff_max_ms=500)
    try:
        yield made
    finally:
        made.close()


def produce(broker: Any, topic: str, values: list[bytes], partition: int = 0, **settings: Any) -> None:
    with producer(broker, **settings) as made:
        for i, value in enumerate(values):
            made.send(topic, value, partition=partition, timestamp_ms=1_000 + i)
        made.flush()


def batches(broker: Any, topic: str, values: list[bytes], **settings: Any) -> None:
    """Each value in a batch of its own."""
    with producer(broker, **settings) as made:
        for i, value in enumerate(values):
            made.send(topic, value, partition=0, timestamp_ms=1_000 + i).get(timeout=DEADLINE_S)


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [b"%d" % i for i in range(first, first + count)]


def read(source: KafkaSource, count: int, size: int = 10) -> list[Message]:
    """Polls until `count` messages came (or none for DEADLINE_S)."""
    messages: list[Message] = []
    until = time.monotonic() + DEADLINE_S
    while len(messages) < count and time.monotonic() < until:
        messages += source.poll(min(size, count - len(messages)), 0.2)
    return messages


def values(messages: list[Message]) -> list[bytes | None]:
    return [message.value for message in messages]


def wait_until(true: Callable[[], bool], poll: Callable[[], object] = lambda: None) -> None:
    until = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < until, "did not come true in time"
        poll()
        time.sleep(0.02)


def shuffled_backlog(broker: Any, topic: str, count: int, partitions: int) -> list[tuple[int, int]]:
    """Spreads `count` records unevenly, some timestamps equal; returns (timestamp, partition) as it must be read."""
    generator = random.Random(3)
    due = []
    with producer(broker) as made:
        for i in range(count):
            partition = min(generator.randrange(partitions * 2), partitions - 1)
            made.send(topic, b"%d" % i, partition=partition, timestamp_ms=1_000 + i // 3)
            due.append((1_000 + i // 3, partition, i))
        made.flush()
    return [(stamp, partition) for stamp, partition, _ in sorted(due)]


def test_three_partitions_come_in_timestamp_order_wherever_the_stream_is_cut(
    broker: Any, topic: Make, open_source: Open
) -> None:
    name = topic(partitions=3)
    due = shuffled_backlog(broker, name, 900, 3)
    whole = read(open_source(name), 900, size=64)
    assert [(m.timestamp_ms, m.partition) for m in whole] == due
    generator = random.Random(5)
    pieces: list[Message] = []
    position = None
    while len(pieces) < 900:
        source = open_source(name, position, client={"max_poll_records": generator.choice([1, 7, 500])})
        pieces += read(source, min(generator.randrange(1, 200), 900 - len(pieces)), generator.choice([1, 3, 50]))
        position = source.position
        source.close()
    assert pieces == whole


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_records_are_read(broker: Any, topic: Make, open_source: Open, codec: str) -> None:
    name = topic()
    produce(broker, name, numbered(500), compression_type=codec)
    assert values(read(open_source(name), 500)) == numbered(500)


def test_aborted_records_are_never_seen_and_markers_neither_block_nor_count_as_lag(
    broker: Any, topic: Make, open_source: Open
) -> None:
    name = topic(partitions=2)
    with producer(broker, transactional_id=name) as made:
        made.init_transactions()
        for i in range(6):
            made.begin_transaction()
            for j in range(5):
                made.send(name, b"%d.%d" % (i, j), partition=0, timestamp_ms=1_000 + i)
            made.flush()  # else the client drops what an abort makes pointless, and the log shows no hole
            made.abort_transaction() if i % 2 else made.commit_transaction()
    produce(broker, name, numbered(10), partition=1)  # later timestamps: each must wait for partition 0's end
    source = open_source(name)
    expected = [b"%d.%d" % (i, j) for i in (0, 2, 4) for j in range(5)]
    messages = read(source, 25)
    assert [m.value for m in messages if m.partition == 0] == expected
    assert [m.value for m in messages if m.partition == 1] == numbered(10)
    wait_until(lambda: source.lag() == {0: 0, 1: 0}, lambda: source.poll(10, 0.05))
    assert source.position["partitions"]["0"]["offset"] == 36  # 30 records and 6 markers
    again = open_source(name, source.position)
    assert again.poll(10, 0.3) == []
    produce(broker, name, [b"after"])
    assert values(read(again, 1)) == [b"after"]


def test_an_open_transaction_holds_up_its_own_partition_only(broker: Any, topic: Make, open_source: Open) -> None:
    name = topic(partitions=2)
    with producer(broker, transactional_id=name) as made:
        made.init_transactions()
        made.begin_transaction()
        made.send(name, b"undecided", partition=0, timestamp_ms=1)
        made.flush()
        produce(broker, name, numbered(20), partition=1)
        source = open_source(name)
        assert values(read(source, 20)) == numbered(20)
        assert source.lag()[0] == 0
        made.commit_transaction()
        assert values(read(source, 1)) == [b"undecided"]


def test_a_partition_added_later_is_read_from_its_beginning(broker: Any, topic: Make, open_source: Open) -> None:
    name = topic()
    produce(broker, name, numbered(5))
    source = open_source(name, start="latest")
    before = source.position
    with admin(broker) as client:
        client.create_partitions({name: NewPartitions(3)})
    wait_until(lambda: "2" in source.position["partitions"], lambda: source.poll(10, 0.05))
    produce(broker, name, [b"new"], partition=2)
    assert values(read(source, 1)) == [b"new"]
    assert values(read(open_source(name, before, start="latest"), 1)) == [b"new"]


def test_a_killed_broker_is_waited_for_and_nothing_is_lost_or_repeated(
    broker: Any, topic: Make, open_source: Open
) -> None:
    name = topic(partitions=2)
    for partition in (0, 1):
        produce(broker, name, numbered(4_000), partition=partition)
    source = open_source(name, client={"max_poll_records": 100})
    messages = read(source, 500)
    assert source.connected
    broker.kill()
    try:
        wait_until(lambda: not source.connected, lambda: messages.extend(source.poll(50, 0.05)))
        held = source.position
    finally:
        broker.start()
    messages += read(source, 8_000 - len(messages), size=100)
    wait_until(lambda: source.connected, lambda: source.poll(1, 0.05))
    assert [m.offset for m in messages if m.partition == 0] == list(range(4_000))
    assert [m.offset for m in messages if m.partition == 1] == list(range(4_000))
    taken = sum(mark["offset"] for mark in held["partitions"].values())
    assert read(open_source(name, held), 8_000 - taken, size=500) == messages[taken:]


def test_retention_that_overtook_the_position_stops_at_open_or_is_counted(
    broker: Any, topic: Make, open_source: Open
) -> None:
    name = topic()
    produce(broker, name, numbered(100))
    source = open_source(name)
    read(source, 10)
    with admin(broker) as client:
        client.delete_records({TopicPartition(name, 0): 60})
    with pytest.raises(PositionLost, match=r"\[0\].*next offset 10.*begins at 60.*on_gap"):
        open_source(name, source.position)
    skipping = open_source(name, source.position, on_gap="skip")
    assert skipping.gaps == 50
    assert values(read(skipping, 40)) == numbered(40, first=60)


@pytest.mark.parametrize("on_gap", ["stop", "skip"])
def test_retention_that_overtakes_a_running_reader_gives_what_was_fetched_first(
    broker: Any, topic: Make, open_source: Open, on_gap: str
) -> None:
    name = topic()
    produce(broker, name, [b"%0500d" % i for i in range(3_000)], batch_size=4_096)
    small = {"max_poll_records": 5, "max_partition_fetch_bytes": 8_192, "fetch_max_bytes": 8_192}
    source = open_source(name, on_gap=on_gap, client=small)
    messages = read(source, 20)
    with admin(broker) as client:
        client.delete_records({TopicPartition(name, 0): 2_900})
    if on_gap == "stop":
        with pytest.raises(PositionLost, match="retention overtook"):
            for _ in range(500):
                messages += source.poll(10, 0.1)
        assert [m.offset for m in messages] == list(range(len(messages)))
    else:
        until = time.monotonic() + DEADLINE_S
        while messages[-1].offset < 2_999 and time.monotonic() < until:
            messages += source.poll(10, 0.1)
        assert len(messages) + source.gaps == 3_000
        assert source.gaps > 0


def test_a_topic_made_again_is_refused_at_open_and_while_running(
    broker: Any, topic: Make, open_source: Open
) -> None:
    name = topic()
    produce(broker, name, numbered(10))
    source = open_source(name)
    read(source, 10)
    position = source.position
    with admin(broker) as client:
        client.delete_topics([name])
        wait_until(lambda: client.describe_topics([name])[0]["error_code"] != 0)
    wait_until(lambda: create_again(topic, name))
    produce(broker, name, numbered(50))
    with pytest.raises(PositionLost, match="deleted and created again"):
        open_source(name, position)
    with pytest.raises(PositionLost, match="deleted and created again"):
        for _ in range(300):
            source.poll(10, 0.1)


def create_again(topic: Make, name: str) -> bool:
    try:
        topic(name=name)
    except KafkaError:
        return False
    return True


def test_a_position_beyond_the_end_or_of_another_topic_is_refused(
    broker: Any, topic: Make, open_source: Open
) -> None:
    name = topic()
    produce(broker, name, numbered(10))
    source = open_source(name)
    read(source, 10)
    beyond = source.position
    beyond["partitions"]["0"]["offset"] = 25
    with pytest.raises(PositionLost, match=r"position 25 is beyond the end 10"):
        open_source(name, beyond)
    with pytest.raises(PositionLost, match="was learned from topic"):
        open_source(topic(), source.position)


def test_a_lost_and_refilled_tail_is_seen_by_the_record_before_the_position(
    broker: Any, topic: Make, open_source: Open
) -> None:
    name, broken = topic(), topic()
    batches(broker, name, numbered(6))
    batches(broker, broken, [b"good 0", b"bad bad bad 1", b"bad bad bad 2", b"good 3"])
    source = open_source(name)
    read(source, 6)
    position = source.position
    source.close()
    broker.stop()
    try:
        segment = broker.segment(name)
        segment.write_bytes(segment.read_bytes()[: -batch_bytes(segment)])
        damaged = broker.segment(broken)
        damaged.write_bytes(damaged.read_bytes().replace(b"bad bad", b"bat bat"))
    finally:
        broker.start()
    with pytest.raises(PositionLost, match=r"position 6 is beyond the end 5"):
        open_source(name, position)
    batches(broker, name, [b"another 5", b"6"])
    with pytest.raises(PositionLost, match=r"@5 is another record"):
        open_source(name, position)
    stopped_by_a_broken_batch(open_source, broken)
    skipping_two_broken_batches(open_source, broken)


def batch_bytes(segment: Any) -> int:
    """The size of the last of several batches of one size."""
    return int(segment.stat().st_size // 6)


def stopped_by_a_broken_batch(open_source: Open, name: str) -> None:
    source = open_source(name)
    assert values(read(source, 1)) == [b"good 0"]
    with pytest.raises(SourceError, match=r"\[0\]@1: offsets 1 to 1 cannot be read.*CorruptRecordError.*on_gap"):
        read(source, 1)
    assert source.position["partitions"]["0"]["offset"] == 1


def skipping_two_broken_batches(open_source: Open, name: str) -> None:
    source = open_source(name, on_gap="skip")
    assert values(read(source, 2)) == [b"good 0", b"good 3"]
    assert source.gaps == 2


def test_a_codec_that_is_not_installed_stops_and_says_which(
    broker: Any, topic: Make, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = topic()
    batches(broker, name, [b"plain"])
    batches(broker, name, [b"z" * 500], compression_type="zstd")
    batches(broker, name, [b"plain again"])
    monkeypatch.setattr(records_module.codecs, "has_zstd", lambda: False)
    source = open_source(name)
    assert values(read(source, 1)) == [b"plain"]
    with pytest.raises(SourceError, match=r"@1: offsets 1 to 1.*zstd.*install its codec"):
        read(source, 1)
    skipping = open_source(name, on_gap="skip")
    assert values(read(skipping, 2)) == [b"plain", b"plain again"]
    assert skipping.gaps == 1


def test_a_sasl_client_reads_and_a_wrong_password_is_said(broker: Any, topic: Make, open_source: Open) -> None:
    name = topic()
    produce(broker, name, numbered(3))
    login = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "alice",
        "sasl_plain_password": "secret",
    }
    source = open_source(name, bootstrap_servers=broker.sasl_address, client=login)
    assert values(read(source, 3)) == numbered(3)
    wrong = login | {"sasl_plain_password": "guess"}
    with pytest.raises(SourceUnreachable, match="credentials") as refused:
        open_source(name, bootstrap_servers=broker.sasl_address, client=wrong, start_timeout_s=2.0)
    assert "guess" not in str(refused.value)


def test_a_missing_topic_and_a_silent_address_are_unreachable_after_the_deadline(
    broker: Any, open_source: Open
) -> None:
    with pytest.raises(SourceUnreachable, match="'not-there'.*does not exist"):
        open_source("not-there", start_timeout_s=0.5)
    with pytest.raises(SourceUnreachable, match=r"no broker answers at 127\.0\.0\.1:1 "):
        open_source("any", bootstrap_servers="127.0.0.1:1", start_timeout_s=0.5)


def test_a_pause_loses_nothing_and_a_tombstone_is_delivered(broker: Any, topic: Make, open_source: Open) -> None:
    name = topic()
    produce(broker, name, numbered(5))
    source = open_source(name)
    read(source, 2)
    source.pause()
    with producer(broker) as made:
        made.send(name, None, key=b"gone", headers=[("label", b"7")]).get(timeout=DEADLINE_S)
    assert source.poll(10, 0.1) == []
    assert source.connected
    wait_until(lambda: source.lag() == {0: 4})
    source.resume()
    messages = read(source, 4)
    assert values(messages) == [*numbered(3, first=2), None]
    assert (messages[-1].key, messages[-1].headers) == (b"gone", (("label", b"7"),))


def test_committed_offsets_show_in_the_group_and_are_never_read_back(
    broker: Any, topic: Make, open_source: Open
) -> None:
    name = topic(partitions=2)
    produce(broker, name, numbered(8))
    source = open_source(name, group_id="display")
    read(source, 5)
    source.commit(source.position)
    mark = TopicPartition(name, 0)
    with admin(broker) as client:
        wait_until(lambda: committed(client, "display", mark) == 5)
    assert values(read(open_source(name, group_id="display"), 8)) == numbered(8)


def committed(client: KafkaAdminClient, group: str, partition: TopicPartition) -> int | None:
    try:
        found = client.list_group_offsets([group])[group].get(partition)
    except KafkaError:  # the broker makes its offsets topic at the first commit
        return None
    return None if found is None else int(found.offset)
