"""Records of confluent-kafka's own producer, through a real broker, to a model that answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from streamlearner.app import build
from tests.support.daemon_runs import running, settings
from tests.support.mock_registry import mock_registry
from tests.support.patience import wait_until
from tests.support.registry_producers import FORMATS, produced

RECORDS = 30


def reading(number: int) -> dict[str, Any]:
    worn = number % 2 == 1
    return {
        "serial": f"m-{number}",
        "state": "worn" if worn else "sound",
        "readings": [60.0 + 20 * worn, 0.2],
    }


@pytest.mark.broker
def test_three_formats_of_one_topic_are_learned_once_each(tmp_path: Path, broker: Any, topic: Any) -> None:
    name, producer = topic(partitions=1), Producer({"bootstrap.servers": broker.address})
    with mock_registry() as registry:
        for number in range(RECORDS):
            kind, in_header = list(FORMATS)[number % 3], number % 4 == 0
            message = produced(registry.url, kind, reading(number), in_header=in_header)
            for _ in range(2):  # as a producer that retries may
                producer.produce(name, message.value, key=b"k", headers=list(message.headers))
        assert producer.flush(30) == 0
        where = {"source__kafka__bootstrap_servers": broker.address, "source__kafka__topic": name}
        fields = {"codec__fields__input": "readings", "codec__fields__label": "state"}
        fields |= {"codec__fields__id": "serial", "schema_registry__url": registry.url}
        daemon = build(settings(tmp_path, source__type="kafka", method__name="finetune", **where, **fields))
        with running(daemon):
            wait_until(lambda: daemon.state.tally.messages == 2 * RECORDS, "all was taken")
        counts = daemon.status()["examples"]
    assert (counts["learned"] + counts["withheld"], counts["duplicate"]) == (RECORDS, RECORDS)
    assert daemon.status()["rejects"] == {}
