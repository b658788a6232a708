"""The Kafka source without a broker: options, positions, messages, and the watchdog."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from streamlearner.connectors.kafka import identity
from streamlearner.connectors.kafka.client import admin_options, consumer_options
from streamlearner.connectors.kafka.identity import KafkaPosition, PartitionOffset, RecordFingerprint
from streamlearner.connectors.kafka.source import KafkaSource, message
from streamlearner.connectors.kafka.watchdog import Watchdog
from streamlearner.errors import ConfigError, PositionLost


@dataclass
class Fetched:
    partition: int
    offset: int
    timestamp: int = 0
    topic: str = "t"
    leader_epoch: int = 0
    key: bytes | None = None
    value: bytes | None = b"v"
    headers: list[tuple[str, Any]] = field(default_factory=list)


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ({"group_id": "g"}, "positions live in the checkpoint"),
        ({"auto_offset_reset": "latest"}, "silent reset"),
        ({"value_deserializer": bytes}, "the codec decodes"),
        ({"fetch_max_wait": 5}, "did you mean 'fetch_max_wait_ms'"),
        ({"fetch_max_wait_ms": "soon"}, "must be a int"),
    ],
)
def test_an_option_that_the_protocol_depends_on_is_refused_with_its_reason(
    option: dict[str, Any], why: str
) -> None:
    with pytest.raises(ConfigError, match=why):
        consumer_options("a:1", option)


def test_options_override_the_defaults_and_text_becomes_what_the_library_expects() -> None:
    given = {"fetch_max_wait_ms": "20", "check_crcs": "false", "sasl_plain_password": "secret"}
    options = consumer_options("a:1, b:2", given)
    assert (options["fetch_max_wait_ms"], options["check_crcs"]) == (20, False)
    assert options["bootstrap_servers"] == ["a:1", "b:2"]
    assert options["reconnect_backoff_max_ms"] <= 1000
    assert options["isolation_level"] == "read_committed"
    assert admin_options(options)["sasl_plain_password"] == "secret"
    assert "check_crcs" not in admin_options(options)


@pytest.mark.parametrize("setting", [{"start": "middle"}, {"on_gap": "ignore"}, {"bootstrap_servers": " , "}])
def test_a_setting_out_of_its_set_is_a_configuration_error(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        KafkaSource(**({"bootstrap_servers": "a:1", "topic": "t"} | setting))


def test_a_position_survives_json_and_one_of_another_source_is_refused() -> None:
    last = RecordFingerprint.of(Fetched(3, 9, timestamp=5))
    position = KafkaPosition("t", "id", {10: PartitionOffset(0), 3: PartitionOffset(12, last)})
    written = json.loads(json.dumps(position.to_json()))
    assert KafkaPosition.from_json(written) == position
    assert set(written["partitions"]["3"]["last"]) == {"offset", "leader_epoch", "sha256", "timestamp_ms"}
    with pytest.raises(PositionLost, match="not one of a Kafka topic"):
        KafkaPosition.from_json({"index": 3})


@pytest.mark.parametrize(
    "change", [{"value": b"w"}, {"key": b"v"}, {"timestamp": 1}, {"headers": [("v", b"")]}]
)
def test_the_digest_tells_every_part_of_a_record(change: dict[str, Any]) -> None:
    place = PartitionOffset(10, RecordFingerprint.of(Fetched(0, 9)))
    identity.check_fingerprint("t", 0, place, Fetched(0, 9, leader_epoch=4))
    identity.check_fingerprint("t", 0, place, None)
    identity.check_fingerprint(
        "t", 0, place, Fetched(0, 11, **change)
    )  # compacted away: the next one proves nothing
    with pytest.raises(PositionLost, match=r"t\[0\]@9 is another record"):
        identity.check_fingerprint("t", 0, place, Fetched(0, 9, **change))


def test_a_message_keeps_nulls_and_header_order() -> None:
    made = message(Fetched(1, 2, timestamp=3, value=None, headers=[("b", b"1"), ("a", None)]))  # type: ignore[arg-type]
    assert (made.value, made.headers) == (None, (("b", b"1"), ("a", b"")))
    assert made.where() == "t[1]@2"


def test_the_watchdog_ends_the_process_when_a_call_hangs_and_only_then() -> None:
    ended: list[int] = []
    hung = threading.Event()
    watchdog = Watchdog(limit_s=0.2, end=lambda code: (ended.append(code), hung.set()))
    watchdog.start()
    for _ in range(40):
        with watchdog.watching("quick", 0.0):
            hung.wait(0.01)
    assert ended == []
    with watchdog.watching("hung", 0.0):
        assert hung.wait(20.0)
    watchdog.close()
    assert ended == [70]
