#!/usr/bin/env bash
# kafka-python: a partition that is paused and resumed may never be read again.
#
# Version: kafka-python 3.0.12, against librdkafka's mock cluster (confluent-kafka 2.16.1).
# Behaviour: two partitions hold 200 records each. The first is paused when 10 of its records have been polled, the
#   second is read to its end, the first is resumed. From then on `poll` brings what is new in the second partition
#   and nothing of the first, although 190 records wait: the records that were fetched before the pause are parked,
#   and looked at again only while no other fetch was ever finished. No error, no log line. Neither a `seek` nor a new
#   assignment brings it back; a new consumer does.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   paused:             10 of the first, 200 of the second
#   resumed for 8 s:    10 of the first, 200 of the second
#   10 new records:     10 of the first, 210 of the second
#   assigned, sought:   10 of the first, 210 of the second
#   a new consumer:    200 of the first, 210 of the second
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check kafka-python==3.0.12 confluent-kafka==2.16.1
"$folder/venv/bin/python" -I - <<'EOF'
import time

from confluent_kafka import Producer
from kafka import KafkaConsumer, TopicPartition

# librdkafka's mock cluster lives inside this producer: one broker on 127.0.0.1, four partitions a topic.
host = Producer({"bootstrap.servers": "ignored:1", "test.mock.num.brokers": 1, "log_level": 3})
broker = next(iter(host.list_topics("events", timeout=10).brokers.values()))
address = f"{broker.host}:{broker.port}"

for partition in (0, 1):
    for number in range(200):
        host.produce("events", b"%d" % number, partition=partition)
host.flush(10)

partitions = [TopicPartition("events", 0), TopicPartition("events", 1)]


def reader():
    consumer = KafkaConsumer(
        bootstrap_servers=address,
        api_version=(2, 3),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    consumer.assign(partitions)
    return consumer


consumer = reader()
seen = dict.fromkeys(partitions, 0)


def poll_for(seconds, enough=lambda: False):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not enough():
        for partition, records in consumer.poll(timeout_ms=200, max_records=10).items():
            seen[partition] += len(records)


poll_for(10, enough=lambda: any(seen.values()))
first = max(seen, key=seen.get)
(second,) = set(partitions) - {first}
consumer.pause(first)
poll_for(20, enough=lambda: seen[second] == 200)
print(f"paused:            {seen[first]:3} of the first, {seen[second]} of the second")
consumer.resume(first)
poll_for(8)
print(f"resumed for 8 s:   {seen[first]:3} of the first, {seen[second]} of the second")
for number in range(10):
    host.produce("events", b"new", partition=second.partition)
host.flush(10)
poll_for(5)
print(f"10 new records:    {seen[first]:3} of the first, {seen[second]} of the second")
as_found = seen == {first: 10, second: 210}
position = consumer.position(first)
consumer.assign([second])
consumer.assign(partitions)
consumer.seek(first, position)
poll_for(5)
print(f"assigned, sought:  {seen[first]:3} of the first, {seen[second]} of the second")
ends = {second: consumer.position(second), first: position}
consumer = reader()
for partition, offset in ends.items():
    consumer.seek(partition, offset)
poll_for(10, enough=lambda: seen[first] == 200)
print(f"a new consumer:    {seen[first]:3} of the first, {seen[second]} of the second")

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
