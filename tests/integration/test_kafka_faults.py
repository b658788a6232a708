"""The Kafka source when a real broker dies, forgets, lies or lost its tail."""

from __future__ import annotations

from typing import Any

import kafka.record.default_records as records_module
import pytest
from kafka import TopicPartition
from kafka.errors import KafkaError

from streamlearner.errors import PositionLost, SourceError, SourceUnreachable
from tests.support.kafka_topic import (
    Make,
    Open,
    admin,
    batches,
    numbered,
    produce,
    read,
    values,
    wait_until,
)
from tests.support.patience import Patience, cpu_steps

pytestmark = pytest.mark.broker


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
        patience = Patience()
        while messages[-1].offset < 2_999 and patience.lasts(messages[-1].offset, cpu_steps()):
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
    with pytest.raises(
        SourceError, match=r"\[0\]@1: offsets 1 to 1 cannot be read.*CorruptRecordError.*on_gap"
    ):
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


def test_a_missing_topic_and_a_silent_address_are_unreachable_after_the_deadline(
    broker: Any, open_source: Open
) -> None:
    with pytest.raises(SourceUnreachable, match=r"'not-there'.*does not exist"):
        open_source("not-there", start_timeout_s=0.5)
    with pytest.raises(SourceUnreachable, match=r"no broker answers at 127\.0\.0\.1:1 "):
        open_source("any", bootstrap_servers="127.0.0.1:1", start_timeout_s=0.5)
