#!/usr/bin/env bash
# kafka-python: a TypeError inside a serialiser comes out as a complaint about a missing argument.
#
# Version: kafka-python 3.0.12, against librdkafka's mock cluster (confluent-kafka 2.16.1); numpy 2.4.6.
# Behaviour: any TypeError that a serialiser raises is taken for a serialiser of the older form without headers, which
#   is then called with one argument less. What the user sees is "missing 1 required positional argument: 'data'",
#   with a DeprecationWarning about the form; what went wrong (here: JSON knows no numpy arrays, the usual mistake of
#   this field) is left in the exception's context. A ValueError passes as it is.
# Seen (Python 3.11, Linux x86-64, November 2026):
#   an array:  TypeError SerializeWrapper.serialize() missing 1 required positional argument: 'data'
#     context: TypeError Object of type ndarray is not JSON serializable
#   a NaN:     ValueError Out of range float values are not JSON compliant
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check kafka-python==3.0.12 confluent-kafka==2.16.1 \
  numpy==2.4.6
"$folder/venv/bin/python" -I - <<'EOF'
import json
import warnings

import numpy as np
from confluent_kafka import Producer
from kafka import KafkaProducer

# librdkafka's mock cluster lives inside this producer: one broker on 127.0.0.1, four partitions a topic.
host = Producer({"bootstrap.servers": "ignored:1", "test.mock.num.brokers": 1, "log_level": 3})
broker = next(iter(host.list_topics("events", timeout=10).brokers.values()))
address = f"{broker.host}:{broker.port}"

warnings.simplefilter("ignore", DeprecationWarning)
producer = KafkaProducer(
    bootstrap_servers=address,
    api_version=(2, 3),
    enable_idempotence=False,
    value_serializer=lambda value: json.dumps(value, allow_nan=False).encode(),
)


def error_of(value):
    try:
        producer.send("events", value).get(timeout=10)
    except Exception as error:
        return error
    raise AssertionError("it was sent")


hidden = error_of({"pixels": np.zeros(3)})
plain = error_of({"loss": float("nan")})
print("an array: ", type(hidden).__name__, hidden)
print("  context:", type(hidden.__context__).__name__, hidden.__context__)
print("a NaN:    ", type(plain).__name__, plain)
as_found = "missing 1 required positional argument" in str(hidden) and "ndarray" in str(hidden.__context__)
as_found = as_found and type(plain) is ValueError and "JSON compliant" in str(plain)

print("as found" if as_found else "NOT as found: the behaviour has changed")
raise SystemExit(not as_found)
EOF
