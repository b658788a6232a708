"""Every connector keeps the promises of a source."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streamlearner.errors import PositionLost
from streamlearner.stream import Source
from streamlearner.testing import SourceConformance
from streamlearner.testing.backlog import Backlog
from tests.support.sources_and_sinks import COUNT, LOCAL


@pytest.fixture
def kafka(broker: Any, topic: Callable[..., str]) -> Backlog:
    """Two partitions of a real broker, each record at its own millisecond."""
    from kafka import KafkaProducer

    from streamlearner.connectors.kafka.source import KafkaSource

    name = topic(partitions=2, name=f"conformance-{uuid.uuid4().hex}")
    producer = KafkaProducer(bootstrap_servers=broker.address)
    for i in range(COUNT):
        producer.send(name, b"%d" % i, partition=i * 7 % 3 % 2, timestamp_ms=1_700_000_000_000 + i)
    producer.flush()
    producer.close()

    def connect() -> Source:
        return KafkaSource(bootstrap_servers=broker.address, topic=name)

    alien = {"topic": name, "topic_id": "another", "partitions": {}}
    return Backlog(connect, count=COUNT, alien=alien, finite=False, timeout_s=0.1, opens_slowly=True)


class TestConnectors(SourceConformance):
    @pytest.fixture(params=[*LOCAL, "kafka"])
    def backlog(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backlog]:
        if request.param == "kafka":
            made: Backlog = request.getfixturevalue("kafka")
        else:
            made = LOCAL[request.param](tmp_path)
        yield made
        made.close()


POSITIONS = {
    "kafka": {"topic": "t", "topic_id": "x", "partitions": {}},
    "push": {"log": "x", "offset": 3},
    "files": {"manifest": "x", "index": 3},
    "jsonl": {"current": "a", "files": {}},
    "memory": {"index": 3},
    "another one": {"place": 3},
    "nothing": {},
}
OWN = {"memory": "memory", "json": "jsonl", "push": "push"}


@pytest.mark.parametrize("learned_from", POSITIONS)
@pytest.mark.parametrize("kind", LOCAL)
def test_a_state_learned_from_another_source_is_refused_as_that(
    kind: str, learned_from: str, tmp_path: Path
) -> None:
    if OWN.get(kind.split("_")[0], "files") == learned_from:
        pytest.skip("its own positions are tried above")
    backlog = LOCAL[kind](tmp_path)
    with pytest.raises(PositionLost, match=r"this state was learned from .*Set source\.type back") as refused:
        backlog.open(POSITIONS[learned_from])
    assert refused.value.exit_code == 78
    backlog.close()


@pytest.mark.parametrize("learned_from", [name for name in POSITIONS if name != "kafka"])
def test_a_topic_is_not_asked_for_with_the_position_of_another_source(learned_from: str) -> None:
    from streamlearner.connectors.kafka.source import KafkaSource

    source = KafkaSource(bootstrap_servers="127.0.0.1:1", topic="t")
    with pytest.raises(PositionLost, match="this state was learned from"):
        source.open(POSITIONS[learned_from])
    source.close()
