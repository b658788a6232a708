"""A topic that is deleted under the reader, on a broker that makes any topic it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import NewTopic

from streamlearner.connectors.kafka import lost_topic
from streamlearner.errors import PositionLost
from tests.support.kafka_broker import Broker, NoBroker, broker_script, command
from tests.support.kafka_topic import Open, admin, numbered, produce, read
from tests.support.patience import Patience, cpu_steps

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def broker(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    try:
        script = broker_script()
    except NoBroker as missing:
        pytest.skip(str(missing))
    data = tmp_path_factory.mktemp("generous")
    (address,) = command(script, "start", data, "--set", "auto.create.topics.enable=true")
    yield Broker(script, data, address=address, sasl_address="")
    command(script, "stop", data, "--kill")


def failure(source: Any) -> PositionLost:
    patience = Patience()
    while patience.lasts(cpu_steps()):
        try:
            source.poll(10, 0.1)
        except PositionLost as error:
            return error
    raise AssertionError(f"nothing was said of it; {patience}")


def test_a_topic_deleted_under_the_reader_is_said_to_be_and_stays_deleted(
    broker: Any, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_topic, "GONE_S", 3.0)
    with admin(broker) as client:
        client.create_topics([NewTopic("gone", 3, 1)])
        produce(broker, "gone", numbered(20))
        source = open_source("gone")
        assert len(read(source, 20)) == 20
        client.delete_topics(["gone"])
        assert "topic 'gone' was deleted (next offsets" in str(failure(source))
        assert [found["error_code"] for found in client.describe_topics(["gone"])] == [3]


@pytest.mark.parametrize("count", [0, 5, 40], ids=["empty", "shorter", "grown past the position"])
def test_a_topic_made_again_under_the_reader_is_never_called_truncated(
    broker: Any, open_source: Open, count: int
) -> None:
    name = f"again-{count}"
    with admin(broker) as client:
        client.create_topics([NewTopic(name, 1, 1)])
        produce(broker, name, numbered(20))
        source = open_source(name)
        assert len(read(source, 20)) == 20
        client.delete_topics([name])
        client.create_topics([NewTopic(name, 1, 1)])
        produce(broker, name, numbered(count))
        said = str(failure(source))
    assert "was deleted and created again" in said and "truncated" not in said
