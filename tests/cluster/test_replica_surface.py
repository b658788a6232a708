"""A replica of a cluster answers as a daemon does; what is sent to it goes to the stream."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from kafka import KafkaConsumer
from sklearn.datasets import load_digits

from streamlearner import Learner
from streamlearner.app import cluster_replica, cluster_writes
from streamlearner.app.cluster_replica import Replica
from streamlearner.config.loading import load
from streamlearner.connectors.kafka.appender import TooLargeForTopic
from streamlearner.decoding.codec import Codec
from streamlearner.errors import SourceError
from streamlearner.replicas.following import warm
from streamlearner.stream import Message
from tests.support.asked_daemon import AskedDaemon
from tests.support.http_surface import DIGIT, SURFACE, on_a_port, refused

SETTINGS: dict[str, Any] = {"memory.budget_bits": "16 KiB", "sleep.steps": 20, "threads": 1}
KAFKA = {"source.type": "kafka", "source.kafka.topic": "examples", "source.kafka.labels_topic": "labels"}


class Topics:
    """In place of a broker: what was appended, by topic."""

    def __init__(self) -> None:
        self.messages: dict[str, list[Message]] = {}
        self.failure: SourceError | None = None

    def appender(self, *, topic: str, **_: Any) -> Any:
        return _Appender(self, topic)


class _Appender:
    def __init__(self, topics: Topics, topic: str) -> None:
        self._topics, self.topic = topics, topic

    def append(self, messages: Sequence[Message]) -> dict[int, int]:
        if self._topics.failure is not None:
            raise self._topics.failure
        self._topics.messages.setdefault(self.topic, []).extend(messages)
        return {0: len(self._topics.messages[self.topic])}

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published version: the state folder of what learned some digits."""
    digits, folder = load_digits(), tmp_path_factory.mktemp("version") / "000001"
    learner = Learner(memory_budget="16 KiB", seed=0)
    learner.learn_many((digits.images[:200] * 15).astype(np.uint8), digits.target[:200])
    learner.sleep()
    learner.save(folder)
    return folder


@pytest.fixture
def topics(monkeypatch: pytest.MonkeyPatch) -> Topics:
    made = Topics()
    monkeypatch.setattr(cluster_writes, "KafkaAppender", made.appender)
    return made


@pytest.fixture
def replica(version: Path, topics: Topics, tmp_path: Path) -> Iterator[Callable[..., httpx.Client]]:
    """Makes replicas, of one machine, that know each other's predictions."""
    prefixes: set[str] = set()

    def make(**settings: Any) -> httpx.Client:
        chosen = SETTINGS | KAFKA | {"state_dir": tmp_path / "replicas"} | settings
        config = load(path=None, settings=chosen, environ={})
        one = Replica(config, register=prefixes.add, is_known=prefixes.__contains__)
        opened.callback(one.close)
        one.look(1, lambda _: version)
        return opened.enter_context(on_a_port(one.application))

    with ExitStack() as opened:
        yield make


@pytest.fixture
def alone(topics: Topics, tmp_path: Path) -> Iterator[tuple[Replica, httpx.Client]]:
    """A replica that has seen no version yet."""
    config = load(path=None, settings=SETTINGS | KAFKA | {"state_dir": tmp_path}, environ={})
    with ExitStack() as opened:
        one = Replica(config, register=lambda _: None, is_known=lambda _: False)
        opened.callback(one.close)
        yield one, opened.enter_context(on_a_port(one.application))


@pytest.fixture(params=("daemon", "replica"))
def client(request: pytest.FixtureRequest, version: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    if request.param == "replica":
        yield request.getfixturevalue("replica")(**{"source.kafka.labels_topic": None})
        return
    shutil.copytree(version, tmp_path / "state")
    with AskedDaemon(SETTINGS | {"source.type": "push"}, tmp_path / "state", messages=None) as daemon:
        yield httpx.Client(base_url=f"http://127.0.0.1:{daemon.port}", timeout=60.0)


@pytest.mark.parametrize("check", SURFACE, ids=lambda check: check.__name__)
def test_both_answer_alike(check: Callable[[httpx.Client], None], client: httpx.Client) -> None:
    check(client)


def test_what_is_posted_is_in_the_topic_as_a_learner_reads_it(
    replica: Callable[..., httpx.Client], topics: Topics
) -> None:
    body = {"examples": [{"input": DIGIT, "label": 3, "id": "one"}, {"input": DIGIT, "label": "four"}]}
    answer = replica().post("/v1/examples", json=body).json()
    assert answer == {
        "accepted": 2, "duplicates": 0, "position": {"topic": "examples", "partitions": {"0": {"offset": 2}}}
    }  # fmt: skip
    sent = topics.messages["examples"]
    assert [message.key for message in sent] == [b"one", None]
    batch, rejects = Codec().decode(sent)
    assert (rejects, list(batch.labels), list(batch.ids)) == ([], [3, "four"], ["one", None])
    assert batch.inputs[0, 0].tolist() == DIGIT


def test_a_topic_that_does_not_take_it_is_a_503_and_too_much_a_413(
    replica: Callable[..., httpx.Client], topics: Topics
) -> None:
    client, body = replica(), {"examples": [{"input": DIGIT, "label": 3}]}
    topics.failure = SourceError("topic examples: no broker answers")
    away = client.post("/v1/examples", json=body)
    assert (away.status_code, "no broker answers" in away.json()["error"]) == (503, True)
    assert int(away.headers["retry-after"]) >= 1
    topics.failure = TooLargeForTopic("topic examples does not take so much")
    assert client.post("/v1/examples", json=body).status_code == 413
    topics.failure = None
    assert client.post("/v1/examples", json=body).status_code == 202


def test_a_label_for_another_replica_goes_to_the_topic_of_labels(
    replica: Callable[..., httpx.Client], topics: Topics
) -> None:
    one, other = replica(), replica()
    name = one.post("/v1/predict", json={"inputs": [DIGIT]}).json()["predictions"][0]["prediction_id"]
    answer = other.post("/v1/labels", json={"prediction_id": name, "label": 3})
    assert (answer.status_code, answer.json()["outcome"]) == (202, "sent_on")
    (sent,) = topics.messages["labels"]
    assert json.loads(sent.value or b"") == {"prediction_id": name, "label": 3}
    stranger = other.post("/v1/labels", json={"prediction_id": "0123456789ab-1", "label": 3})
    assert refused(stranger) == (404, "unknown-prediction")
    topics.failure = SourceError("topic labels: no broker answers")
    assert other.post("/v1/labels", json={"prediction_id": name, "label": 3}).status_code == 503


def test_a_version_that_cannot_be_had_is_told_of_and_the_one_before_answers(
    version: Path, alone: tuple[Replica, httpx.Client]
) -> None:
    def away(number: int) -> Path:
        raise FileNotFoundError(f"no version {number}")

    one, client = alone
    one.look(0, away)
    assert (one.version, client.get("/readyz").status_code) == (0, 503)
    one.look(3, lambda _: version)
    one.look(4, away)
    assert one.version == 3
    assert client.post("/v1/predict", json={"inputs": [DIGIT]}).status_code == 200
    assert "no version 4" in client.get("/v1/status").json()["replica"]["failure"]
    assert 'streamlearner_follows_total{outcome="failed"} 1.0' in client.get("/metrics").text


def test_a_version_is_warm_before_it_answers_and_one_without_a_finite_answer_never_does(
    version: Path, alone: tuple[Replica, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    (one, client), answered = alone, []

    def asked(predictor: Any) -> None:
        answered.append(one.version)
        warm(predictor)

    monkeypatch.setattr(cluster_replica, "warm", asked)
    one.look(3, lambda _: version)
    assert (answered, one.version) == ([0], 3)
    state: Any = one._work.read(version)
    state.learner.method.predict_proba = lambda inputs, tasks: torch.full((len(inputs), 10), torch.nan)
    monkeypatch.setattr(one._work, "read", lambda folder: state)
    one.look(4, lambda _: version)
    assert (answered, one.version) == ([0, 3], 3)
    assert client.post("/v1/predict", json={"inputs": [DIGIT]}).status_code == 200
    assert "no finite answer" in client.get("/v1/status").json()["replica"]["failure"]


def test_without_a_topic_of_labels_it_says_what_to_set(replica: Callable[..., httpx.Client]) -> None:
    one, other = (replica(**{"source.kafka.labels_topic": None}) for _ in range(2))
    name = one.post("/v1/predict", json={"inputs": [DIGIT]}).json()["predictions"][0]["prediction_id"]
    answer = other.post("/v1/labels", json={"prediction_id": name, "label": 3})
    assert (answer.status_code, "source.kafka.labels_topic" in answer.json()["error"]) == (409, True)
    assert one.post("/v1/labels", json={"prediction_id": name, "label": 3}).status_code == 202


def test_a_replica_goes_on_with_the_predictions_of_one_that_ended(tmp_path: Path) -> None:
    with ExitStack() as first, ExitStack() as second:
        found = [cluster_writes.free_folder(tmp_path, opened=opened).name for opened in (first, second)]
    with ExitStack() as third:
        assert [*found, cluster_writes.free_folder(tmp_path, opened=third).name] == ["0", "1", "0"]


def test_operating_is_refused_with_where_to_ask(replica: Callable[..., httpx.Client]) -> None:
    client = replica()
    for answer in (client.post(f"/v1/{path}", json={}) for path in ("sleep", "checkpoint", "rollback")):
        assert refused(answer) == (409, "read-only")
        assert "streamlearner cluster run" in answer.json()["error"]
    assert client.delete("/v1/examples/one").status_code == 409


@pytest.mark.broker
def test_on_a_real_broker_a_label_finds_the_replica_that_answered_and_the_example_is_in_the_topic(
    broker: Any, topic: Callable[..., str], version: Path, tmp_path: Path
) -> None:
    examples, labels = topic(partitions=2, name="posted"), topic(name="labels-of-posted")
    kafka = {"source.kafka.bootstrap_servers": broker.address, "source.kafka.topic": examples}
    settings = SETTINGS | KAFKA | kafka | {"source.kafka.labels_topic": labels, "state_dir": tmp_path}
    config, prefixes = load(path=None, settings=settings, environ={}), set[str]()
    with ExitStack() as opened:
        found = [Replica(config, register=prefixes.add, is_known=prefixes.__contains__) for _ in range(2)]
        for one in found:
            opened.callback(one.close)
            one.look(1, lambda _: version)
        asked, told = (opened.enter_context(on_a_port(one.application)) for one in found)
        body = {"examples": [{"input": DIGIT, "label": 3, "id": "one"}]}
        assert asked.post("/v1/examples", json=body).status_code == 202
        assert asked.post("/v1/examples", json=body).status_code == 202
        name = asked.post("/v1/predict", json={"inputs": [DIGIT]}).json()["predictions"][0]["prediction_id"]
        assert told.post("/v1/labels", json={"prediction_id": name, "label": 4}).status_code == 202
        end = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 120_000}
        reader = opened.enter_context(
            closing(KafkaConsumer(examples, bootstrap_servers=broker.address, **end))
        )
        records = [next(reader) for _ in range(3)]
    assert sorted(record.key or b"" for record in records) == sorted([b"one", b"one", name.encode()])
    assert len({record.partition for record in records if record.key == b"one"}) == 1
