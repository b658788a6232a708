"""Nothing is lost in silence: over every source and format each message ends in exactly one counter, and each
reject in the dead letters."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamlearner.app import build
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.loop import Daemon
from streamlearner.daemon.snapshot import tally_of
from streamlearner.stream import Message, Source
from streamlearner.telemetry.series import OUTCOMES
from tests.support.daemon_runs import ask, example, figure, running, settings
from tests.support.mixed_streams import FILES, KINDS, MEDIA, OF_WIRED, Expected, of_every_wire_format, wired
from tests.support.mock_registry import mock_registry
from tests.support.patience import wait_until
from tests.support.registry_producers import FORMATS, all_kinds

QUICK = {"method__name": "finetune", "sleep__every_examples": None, "exam__fraction": 0.2}


def run(folder: Path, expected: Expected, source: Source | None = None, **more: Any) -> Daemon:
    """Until every message was taken, and once more from its last checkpoint, which takes none."""
    take_all(folder, expected, source, **more)
    return take_all(folder, expected, source, **more)


def take_all(folder: Path, expected: Expected, source: Source | None, **more: Any) -> Daemon:
    daemon = build(settings(folder, **QUICK, **more), source=source)
    with running(daemon):
        wait_until(lambda: daemon.state.tally.messages >= expected.messages, "all was taken")
    return daemon


def assert_counted(daemon: Daemon, folder: Path, expected: Expected) -> None:
    """The counters add up, are those expected, and each reject has its own dead letter."""
    status = daemon.status()
    counts = status["examples"]
    assert sum(counts.values()) == status["messages"] == expected.messages
    found = (counts["rejected"], counts["duplicate"], counts["tombstone"])
    assert found == (expected.rejected, expected.duplicate, expected.tombstone)
    assert sum(status["rejects"].values()) == expected.rejected
    assert status["gaps"] == 0
    path = folder / "dead-letters" / "dead_letters.jsonl"
    letters = [json.loads(line) for line in path.read_text().splitlines()]
    places = {(letter["topic"], letter["partition"], letter["offset"]) for letter in letters}
    assert len(places) == len(letters) == expected.rejected


def of_files(kind: str, folder: Path, request: pytest.FixtureRequest) -> None:
    named, expected = FILES[kind.removeprefix("files.")](folder)
    source = {"source__files__format": kind.removeprefix("files.")}
    source |= {f"source__files__{name}": value for name, value in named.items()}
    daemon = run(folder / "state", expected, source__type="files", **source)
    assert_counted(daemon, folder / "state", expected)


def of_memory(kind: str, folder: Path, request: pytest.FixtureRequest) -> None:
    messages, expected = of_every_wire_format()
    assert_counted(run(folder, expected, MemorySource(messages)), folder, expected)


def of_push(kind: str, folder: Path, request: pytest.FixtureRequest) -> None:
    body = {"input": [[1.0, 0.5]], "label": 1}
    daemon = build(settings(folder, **QUICK, source__type="push"))
    with running(daemon):
        wait_until(lambda: daemon.serving.address[1] != 0, "the port is open")
        for _ in range(2):
            ask(daemon, "/v1/examples", {"examples": [body | {"id": f"{n}"} for n in range(7)] + [body]})
        wait_until(lambda: daemon.state.tally.messages >= 9, "all was taken")
    assert_counted(daemon, folder, Expected(messages=9))


def of_kafka(kind: str, folder: Path, request: pytest.FixtureRequest) -> None:
    from kafka import KafkaProducer

    broker, name = request.getfixturevalue("broker"), request.getfixturevalue("topic")(partitions=2)
    messages, expected = of_every_wire_format()
    producer = KafkaProducer(bootstrap_servers=broker.address)
    for place, each in enumerate(messages):
        producer.send(
            name, each.value, each.key, list(each.headers), partition=place % 2, timestamp_ms=1_000 + place
        )
    producer.flush()
    producer.close()
    where = {"source__kafka__bootstrap_servers": broker.address, "source__kafka__topic": name}
    daemon = run(folder, expected, source__type="kafka", **where)
    assert_counted(daemon, folder, expected)


Case = Callable[[str, Path, pytest.FixtureRequest], None]
OTHERS: dict[str, Case] = {"memory": of_memory, "push": of_push, "kafka": of_kafka}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.broker if kind == "kafka" else []) for kind in KINDS]
)
def test_every_message_of_every_source_is_counted_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    check = of_files if kind.startswith("files.") else OTHERS[kind]
    check(kind, tmp_path, request)


@pytest.mark.parametrize("content_type", MEDIA)
def test_every_message_of_every_wire_format_is_counted_once(content_type: str, tmp_path: Path) -> None:
    assert_counted(run(tmp_path, OF_WIRED, MemorySource(wired(content_type))), tmp_path, OF_WIRED)


@pytest.mark.parametrize("in_header", [False, True])
@pytest.mark.parametrize("kind", FORMATS)
def test_every_record_of_a_schema_registry_is_counted_once(
    kind: str, in_header: bool, tmp_path: Path
) -> None:
    expected = Expected(messages=8, rejected=4, duplicate=1, tombstone=1)
    with mock_registry() as registry:
        source = MemorySource(all_kinds(registry.url, kind, in_header=in_header))
        named = {"codec__fields__input": "readings", "codec__fields__label": "state"}
        named |= {"codec__fields__id": "serial", "schema_registry__url": registry.url}
        assert_counted(run(tmp_path, expected, source, **named), tmp_path, expected)


def test_the_stream_waits_for_a_registry_and_loses_nothing(tmp_path: Path) -> None:
    expected = Expected(messages=8, rejected=4, duplicate=1, tombstone=1)
    with mock_registry() as registry:
        source = MemorySource(all_kinds(registry.url, "avro", in_header=False))
        named = {"codec__fields__input": "readings", "codec__fields__label": "state"}
        named |= {"codec__fields__id": "serial", "schema_registry__url": registry.url}
        registry.status = 503
        daemon = build(settings(tmp_path, **QUICK, **named, schema_registry__retry_s=0.05), source=source)
        with running(daemon):
            wait_until(lambda: len(registry.asked) > 2, "it was asked again")
            wait_until(lambda: daemon.status().get("connected") is False, "it is said")
            assert daemon.state.tally.messages == 0
            registry.status = None
            wait_until(lambda: daemon.state.tally.messages == 8, "all was taken")
            wait_until(lambda: daemon.status()["connected"], "it is said")
    assert_counted(daemon, tmp_path, expected)


def test_the_scraped_counters_are_those_of_the_status(tmp_path: Path) -> None:
    messages, _ = of_every_wire_format()
    daemon = build(settings(tmp_path, **QUICK), source=MemorySource(messages))
    daemon.run()
    counts = daemon.status()["examples"]
    assert counts.keys() == set(OUTCOMES)
    for outcome in OUTCOMES:
        assert figure(daemon, f'streamlearner_examples_total{{outcome="{outcome}"}}') == counts[outcome]


def test_tombstones_of_a_state_from_before_they_were_counted_are_found_again(tmp_path: Path) -> None:
    gone = [Message(None, "memory", 0, n, key=b"k") for n in range(20, 23)]
    source = MemorySource([example(n) for n in range(20)] + gone)
    daemon = run(tmp_path, Expected(messages=23), source)
    facts = daemon.persistence.checkpoints.latest().facts  # type: ignore[union-attr]
    assert facts["tally"].pop("tombstone") == 3
    assert tally_of(facts).tombstone == 3


def test_every_change_of_a_database_is_counted_once_and_the_last_row_is_what_is_learned(
    tmp_path: Path,
) -> None:
    rows = [{"number": n, "x": [float(n % 2), 1.0], "state": n % 2} for n in range(20)]
    changes: list[dict[str, Any]] = [{"op": "c", "before": None, "after": row} for row in rows]
    changes += [{"op": "u", "before": rows[n], "after": rows[n] | {"state": 1 - n % 2}} for n in range(6)]
    changes += [{"op": "u", "before": rows[7], "after": rows[7]}]  # of another column: a duplicate
    changes += [{"op": "d", "before": rows[n], "after": None} for n in range(8, 11)]
    changes += [{"op": "c", "before": None, "after": rows[8]}, {"op": "t"}, {"op": "?"}]
    kind = (("content-type", b"application/json"),)
    values = [json.dumps(each).encode() for each in changes]
    messages = [Message(value, "memory", 0, n, key=b"k", headers=kind) for n, value in enumerate(values)]
    named = {"codec__fields__input": "x", "codec__fields__label": "state", "codec__fields__id": "number"}
    expected = Expected(messages=33, rejected=1, duplicate=1, tombstone=1)
    quick = {"codec__envelope": "debezium", "daemon__batch_size": 10}
    daemon = run(tmp_path, expected, MemorySource(messages), **named, **quick)
    assert_counted(daemon, tmp_path, expected)
    counts = daemon.status()["examples"]
    assert (counts["erasure"], counts["erased"], counts["learned"] + counts["withheld"]) == (3, 1, 26)
