#!/usr/bin/env bash
# kafka-python: after a broker was away for half a minute, a consumer with default settings stays deaf for some twenty seconds more.
#
# Version: kafka-python 3.0.12, against librdkafka's mock cluster (confluent-kafka 2.16.1).
# Behaviour: the wait between two attempts to connect doubles up to `reconnect_backoff_max_ms` (default 30 s), and
#   nothing cuts it short: the broker is back and takes records at once, the consumer's `poll` goes on returning an
#   empty dict, without an error, until its last wait is over. With 1,000 ms it hears the same broker after a second.
#   Until then its stream looks idle.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   broker away for 32 s; it took a new record 0.0 s after it was back
#   defaults: heard it 21.9 s after the broker was back
#   reconnect_backoff_max_ms=1000: heard it 0.6 s after the broker was back
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check kafka-python==3.0.12 confluent-kafka==2.16.1
"$folder/venv/bin/python" -I - <<'EOF'
import ctypes
import time
from pathlib import Path

import confluent_kafka
from kafka import KafkaConsumer, TopicPartition

AWAY_S = 32

# The mock cluster's own C functions, in the library that the wheel brings: they take a broker down and up again.
(path,) = (Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs").glob("librdkafka*")
library = ctypes.CDLL(str(path))
pointer = ctypes.c_void_p
library.rd_kafka_conf_new.restype = pointer
library.rd_kafka_new.restype = pointer
library.rd_kafka_new.argtypes = [ctypes.c_int, pointer, ctypes.c_char_p, ctypes.c_size_t]
library.rd_kafka_mock_cluster_new.restype = pointer
library.rd_kafka_mock_cluster_new.argtypes = [pointer, ctypes.c_int]
library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
library.rd_kafka_mock_cluster_bootstraps.argtypes = [pointer]
library.rd_kafka_mock_broker_set_down.argtypes = [pointer, ctypes.c_int32]
library.rd_kafka_mock_broker_set_up.argtypes = [pointer, ctypes.c_int32]
library.rd_kafka_conf_set.argtypes = [pointer, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
error = ctypes.create_string_buffer(512)
options = library.rd_kafka_conf_new()
library.rd_kafka_conf_set(options, b"log_level", b"3", error, len(error))
handle = library.rd_kafka_new(0, options, error, len(error))
cluster = library.rd_kafka_mock_cluster_new(handle, 1)
address = library.rd_kafka_mock_cluster_bootstraps(cluster).decode()


def produce():
    producer = confluent_kafka.Producer({"bootstrap.servers": address, "log_level": 0})
    producer.produce("events", b"value", partition=0)
    assert producer.flush(20) == 0


def reader(**more):
    consumer = KafkaConsumer(
        bootstrap_servers=address,
        api_version=(2, 3),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **more,
    )
    consumer.assign([TopicPartition("events", 0)])
    return consumer


def poll_all(readers):
    return {name for name, consumer in readers.items() if consumer.poll(timeout_ms=100)}


produce()
readers = {"defaults": reader(), "reconnect_backoff_max_ms=1000": reader(reconnect_backoff_max_ms=1000)}
heard, end = set(), time.monotonic() + 20
while len(heard) < 2 and time.monotonic() < end:
    heard |= poll_all(readers)
assert len(heard) == 2, "the mock cluster does not answer"

library.rd_kafka_mock_broker_set_down(cluster, 1)
end = time.monotonic() + AWAY_S
while time.monotonic() < end:
    assert not poll_all(readers)
library.rd_kafka_mock_broker_set_up(cluster, 1)
back = time.monotonic()
produce()
print(f"broker away for {AWAY_S} s; it took a new record {time.monotonic() - back:.1f} s after it was back")
after = {}
while len(after) < 2 and time.monotonic() < back + 60:
    for name in poll_all(readers):
        after.setdefault(name, time.monotonic() - back)
for name in readers:
    print(f"{name}: heard it {after.get(name, float('inf')):.1f} s after the broker was back")
as_found = after.get("reconnect_backoff_max_ms=1000", 60) < 4 and after.get("defaults", 60) > 6

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
