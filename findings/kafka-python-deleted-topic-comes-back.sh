#!/usr/bin/env bash
# kafka-python: a consumer brings a deleted topic back to life, although it was told not to create any.
#
# Version: kafka-python 3.0.12, against Apache Kafka 4.3.1 with default settings (auto.create.topics.enable is on).
#   Needs a broker: BOOTSTRAP_SERVERS.
# Behaviour: a consumer built with allow_auto_create_topics=False polls the four partitions of a topic that somebody
#   deletes. Its next request for metadata makes the broker create the topic again: within seconds it is back, empty
#   and with one partition. The consumer raises nothing. So the deletion seems not to have worked, and a producer that
#   starts now writes everything into one partition.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   before: 4 partitions
#   ten seconds after it was deleted: there, with 1 partition
#   raised by poll: nothing
set -euo pipefail
if [ -z "${BOOTSTRAP_SERVERS:-}" ]; then
  echo "set BOOTSTRAP_SERVERS to the address of an Apache Kafka broker that a topic may be made on" >&2
  exit 2
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check kafka-python==3.0.12
"$folder/venv/bin/python" -I - <<'EOF'
import logging
import os
import time
import uuid

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

logging.disable()
address = os.environ["BOOTSTRAP_SERVERS"]
topic = f"finding-{uuid.uuid4().hex[:12]}"
admin = KafkaAdminClient(bootstrap_servers=address)
admin.create_topics([NewTopic(topic, num_partitions=4, replication_factor=1)])
producer = KafkaProducer(bootstrap_servers=address)
producer.send(topic, b"value", partition=2).get(timeout=10)
producer.close()  # so that nobody but the consumer asks for the topic

consumer = KafkaConsumer(
    bootstrap_servers=address,
    allow_auto_create_topics=False,
    auto_offset_reset="earliest",
    group_id=None,
    metadata_max_age_ms=2000,
)
consumer.assign([TopicPartition(topic, number) for number in range(4)])
end = time.monotonic() + 20
while time.monotonic() < end and not consumer.poll(timeout_ms=500):
    pass
print("before:", len(consumer.partitions_for_topic(topic)), "partitions")
admin.delete_topics([topic])
raised, end = [], time.monotonic() + 10
while time.monotonic() < end:
    try:
        consumer.poll(timeout_ms=500)
    except Exception as error:
        raised.append(type(error).__name__)
consumer.close()
time.sleep(1)
there = topic in admin.list_topics()
partitions = len(admin.describe_topics([topic])[0]["partitions"]) if there else 0
print("ten seconds after it was deleted:", f"there, with {partitions} partition" if there else "gone")
print("raised by poll:", sorted(set(raised)) or "nothing")
if there:
    admin.delete_topics([topic])
as_found = there and partitions == 1 and not raised

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
