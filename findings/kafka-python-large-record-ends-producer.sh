#!/usr/bin/env bash
# kafka-python: one record that the broker finds too large ends an idempotent producer for good.
#
# Version: kafka-python 3.0.12, against Apache Kafka 4.3.1 with default settings. Needs a broker: BOOTSTRAP_SERVERS.
# Behaviour: `max_request_size` was raised on the producer and `max.message.bytes` not on the topic: the broker
#   refuses the record of 2 MB, as it should. From then on every other record, however small, fails at once with the
#   same MessageSizeTooLargeError, and nothing reaches the broker until the producer is built anew. Idempotence is the
#   default; with enable_idempotence=False the next record goes through.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   defaults -> offset 0, MessageSizeTooLargeError, MessageSizeTooLargeError, MessageSizeTooLargeError, MessageSizeTooLargeError
#   {'enable_idempotence': False} -> offset 1, MessageSizeTooLargeError, offset 2, offset 3, offset 4
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
import uuid

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

logging.disable()
address = os.environ["BOOTSTRAP_SERVERS"]
topic = f"finding-{uuid.uuid4().hex[:12]}"
admin = KafkaAdminClient(bootstrap_servers=address)
admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])


def outcome(producer, size):
    try:
        return f"offset {producer.send(topic, bytes(size)).get(timeout=30).offset}"
    except Exception as error:
        return type(error).__name__


found = []
try:
    for options in ({}, {"enable_idempotence": False}):
        producer = KafkaProducer(bootstrap_servers=address, max_request_size=8_000_000, **options)
        outcomes = [outcome(producer, size) for size in (1, 2_000_000, 1, 1, 1)]
        producer.close(timeout=2)
        print(options or "defaults", "->", ", ".join(outcomes))
        found.append(outcomes)
finally:
    admin.delete_topics([topic])
refused = "MessageSizeTooLargeError"
as_found = found[0] == ["offset 0", *[refused] * 4]
as_found = as_found and found[1] == ["offset 1", refused, "offset 2", "offset 3", "offset 4"]

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
