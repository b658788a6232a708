"""Labels from a topic, beside a topic of examples: joined once, through a kill."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_label_later import SETTINGS, image
from tests.support.daemon_process import DaemonProcess

pytestmark = pytest.mark.broker


@pytest.fixture
def producer(broker: Any) -> Iterator[Any]:
    from kafka import KafkaProducer

    producer = KafkaProducer(
        bootstrap_servers=broker.address, value_serializer=lambda v: json.dumps(v).encode()
    )
    yield producer
    producer.close()


def test_labels_of_a_topic_are_joined_once_through_a_kill(
    broker: Any, topic: Callable[..., str], producer: Any, tmp_path: Path
) -> None:
    examples, labels = topic(name="examples-joined"), topic(name="labels-joined")
    for number in range(40):
        producer.send(
            examples,
            {"input": image(number), "label": number % 4},
            headers=[("content-type", b"application/json")],
        )
    producer.flush()
    kafka = {"bootstrap_servers": broker.address, "topic": examples, "labels_topic": labels}
    daemon = DaemonProcess(tmp_path, SETTINGS | {"source": {"type": "kafka", "kafka": kafka}}).start()
    try:
        daemon.wait_until(lambda status: status["ready"] and status["model_version"] != "0")
        answer = daemon.ask("/v1/predict", {"inputs": [image(number) for number in range(20)]})
        names = [prediction["prediction_id"] for prediction in answer["predictions"]]
        for number, name in enumerate(names[:10]):
            producer.send(labels, {"prediction_id": name, "label": number % 4})
        for strange in ({"prediction_id": "never", "label": 1}, {"label": 1}):
            producer.send(labels, strange)
        producer.flush()
        daemon.wait_until(lambda status: status["answered"]["labels"]["invalid"] == 1)
        daemon.kill()
        for number, name in enumerate(names[:15]):  # ten of them again
            producer.send(labels, {"prediction_id": name, "label": number % 4})
        producer.flush()
        daemon.start()
        status = daemon.wait_until(lambda status: status["messages"] >= 55 and is_told(status, 15))
        assert status["messages"] == 55
        assert status["examples"]["learned"] + status["examples"]["withheld"] == 55
        told = status["answered"]["labels"]
        assert (told["accepted"], told["conflict"], told["expired"]) == (15, 0, 0)
        assert told["duplicate"] >= 10 and told["unknown"] >= 1
        assert status["answered"]["waiting"] == 5
        late = {"prediction_id": names[19], "label": 3}
        assert daemon.ask("/v1/labels", late)["outcome"] == "accepted", "by HTTP as well"
        daemon.wait_until(lambda status: status["messages"] == 56)
        assert daemon.stop() == 0, daemon.tail()
    finally:
        daemon.close()


def is_told(status: dict[str, Any], accepted: int) -> bool:
    told = status["answered"]["labels"]
    return bool(told["accepted"] == accepted and told["duplicate"] >= 10)
