"""The Kafka source against a real Apache Kafka: order, transactions, partitions, clients."""

from __future__ import annotations

import random
from typing import Any

import pytest
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import NewPartitions
from kafka.errors import KafkaError

from streamlearner.connectors.kafka.dead_letters import KafkaDeadLetters
from streamlearner.errors import SourceUnreachable
from streamlearner.stream import Message, Reject
from tests.support.kafka_topic import (
    SEND_S,
    Make,
    Open,
    admin,
    numbered,
    produce,
    producer,
    read,
    values,
    wait_until,
)

pytestmark = pytest.mark.broker


def shuffled_backlog(broker: Any, topic: str, count: int, partitions: int) -> list[tuple[int, int]]:
    """Spreads `count` records unevenly, some timestamps equal; returns (timestamp, partition) in order."""
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
        pieces += read(
            source, min(generator.randrange(1, 200), 900 - len(pieces)), generator.choice([1, 3, 50])
        )
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


def test_an_open_transaction_holds_up_its_own_partition_only(
    broker: Any, topic: Make, open_source: Open
) -> None:
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
        wait_until(lambda: source.held_back() == {0: 1})
        made.commit_transaction()
        assert values(read(source, 1)) == [b"undecided"]
        wait_until(lambda: source.held_back() == {})


def test_a_reader_of_what_is_not_committed_has_nothing_held_back(
    broker: Any, topic: Make, open_source: Open
) -> None:
    name = topic()
    with producer(broker, transactional_id=name) as made:
        made.init_transactions()
        made.begin_transaction()
        made.send(name, b"undecided", partition=0, timestamp_ms=1)
        made.flush()
        source = open_source(name, client={"isolation_level": "read_uncommitted"})
        assert values(read(source, 1)) == [b"undecided"]
        assert source.held_back() == {}
        made.abort_transaction()


def test_a_partition_added_later_is_read_from_its_beginning(
    broker: Any, topic: Make, open_source: Open
) -> None:
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


def test_a_sasl_client_reads_and_a_wrong_password_is_said(
    broker: Any, topic: Make, open_source: Open
) -> None:
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


def test_a_pause_loses_nothing_and_a_tombstone_is_delivered(
    broker: Any, topic: Make, open_source: Open
) -> None:
    name = topic()
    produce(broker, name, numbered(5))
    source = open_source(name)
    read(source, 2)
    source.pause()
    with producer(broker) as made:
        made.send(name, None, key=b"gone", headers=[("label", b"7")]).get(timeout=SEND_S)
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


def test_dead_letters_come_back_as_they_were_and_one_too_large_for_the_topic_without_its_body(
    broker: Any, topic: Make, open_source: Open
) -> None:
    name, dead = topic(), topic(config={"max.message.bytes": "3000"})
    produce(broker, name, [b"bad", b"x" * 5_000])
    rejects = [Reject(m, "shape", "expected 784 values") for m in read(open_source(name), 2)]
    letters = KafkaDeadLetters(bootstrap_servers=broker.address, topic=dead)
    letters.write(rejects)
    letters.flush(SEND_S)
    letters.close()
    bad, large = sorted(read(open_source(dead), 2), key=lambda m: dict(m.headers)["__streams.errors.offset"])
    assert (bad.value, dict(bad.headers)["__streams.errors.topic"]) == (b"bad", name.encode())
    assert (large.value, dict(large.headers)["streamlearner.body.size"]) == (b"", b"5000")
