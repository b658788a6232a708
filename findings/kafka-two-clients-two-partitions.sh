#!/usr/bin/env bash
# Kafka: the same key goes to one partition from kafka-python and to another from confluent-kafka.
#
# Version: kafka-python 3.0.12 and confluent-kafka 2.16.1 (librdkafka, with its mock cluster).
# Behaviour: both spread keyed records by a hash of the key, by default, but not the same hash: kafka-python takes
#   murmur2, as Java's client does, librdkafka CRC-32. With four partitions they agree for about every fourth key, as
#   dice would. Where two producers write the same keys, no key's records are in order, and a learner that owns one
#   partition sees parts of many series. `"partitioner": "murmur2_random"` makes librdkafka agree for every key.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   default settings: 54 of 200 keys in the same one of four partitions
#   murmur2_random:   200 of 200
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check kafka-python==3.0.12 confluent-kafka==2.16.1
"$folder/venv/bin/python" -I - <<'EOF'
from confluent_kafka import Producer
from kafka import KafkaProducer

# librdkafka's mock cluster lives inside this producer: one broker on 127.0.0.1, four partitions a topic.
host = Producer({"bootstrap.servers": "ignored:1", "test.mock.num.brokers": 1, "log_level": 3})
broker = next(iter(host.list_topics("events", timeout=10).brokers.values()))
address = f"{broker.host}:{broker.port}"

keys = [b"sensor-%d" % number for number in range(200)]


def confluent(producer):
    partitions = {}
    for key in keys:
        producer.produce("events", b"v", key=key, on_delivery=lambda _, m: partitions.update({m.key(): m.partition()}))
    assert producer.flush(10) == 0
    return partitions


def agreeing(one, other):
    return sum(one[key] == other[key] for key in keys)


python = KafkaProducer(bootstrap_servers=address, api_version=(2, 3), enable_idempotence=False)
of_python = {key: python.send("events", b"v", key=key).get(timeout=10).partition for key in keys}
defaults = agreeing(of_python, confluent(host))
murmur2 = agreeing(
    of_python, confluent(Producer({"bootstrap.servers": address, "partitioner": "murmur2_random", "log_level": 3}))
)
print(f"default settings: {defaults} of {len(keys)} keys in the same one of four partitions")
print(f"murmur2_random:   {murmur2} of {len(keys)}")
as_found = defaults < 100 and murmur2 == 200

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
