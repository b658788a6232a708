"""Producing: every example once and in order, no faster than asked, patient with a full daemon."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streamlearner.client import NO_RETRIES, Client, Refused
from streamlearner.commands.producing import PATIENCE_S, bodies, paced, produce, push, read
from streamlearner.config.loading import Config, load
from streamlearner.decoding.codec import Codec
from streamlearner.errors import ConfigError, InvalidInput
from streamlearner.stream import Message
from tests.support.canned_daemon import CannedDaemon, canned_daemon


@pytest.fixture
def daemon() -> Iterator[CannedDaemon]:
    with canned_daemon() as found:
        yield found


def configured(**settings: Any) -> Config:
    flags = {key.replace("__", "."): value for key, value in settings.items()}
    return load(path=None, environ={}, settings=flags)


def digits(**more: Any) -> Config:
    return configured(source__files__format="digits", **more)


def lines(folder: Path, *examples: dict[str, Any]) -> Config:
    path = folder / "examples.jsonl"
    path.write_text("".join(json.dumps(example) + "\n" for example in examples))
    return configured(source__files__path=str(path))


def sent(daemon: CannedDaemon) -> list[dict[str, Any]]:
    return [example for asked in daemon.asked for example in asked.body["examples"]]


def test_all_examples_of_the_files_are_read_in_their_order() -> None:
    labels = [int(dict(message.headers)["label"]) for message in read(digits(source__files__order="label"))]
    assert len(labels) == 1797
    assert labels == sorted(labels)


def test_files_that_are_not_named_are_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"source\.files\.path: not set; name the jsonl to send"):
        next(read(configured()))


def test_pushing_sends_every_example_once_with_its_label_task_and_id(
    daemon: CannedDaemon, tmp_path: Path
) -> None:
    daemon.will_answer("/v1/examples", {"accepted": 1})
    first = {"input": [0.5, 1.0], "label": "cat", "task": "animals", "id": "a-1"}
    second = {"input": [2.0, 3.0], "label": 7}
    config = lines(tmp_path, first, second)
    count = produce(
        config, to="push", limit=None, examples_per_s=None, partitions=1, client=Client(daemon.address)
    )
    assert count == 2
    found = sent(daemon)
    assert [Codec().decode_example(example).input.tolist() for example in found] == [[0.5, 1.0], [2.0, 3.0]]
    assert [{k: v for k, v in example.items() if k != "input"} for example in found] == [
        {"label": "cat", "task": "animals", "id": "a-1"},
        {"label": 7},
    ]


def test_a_limit_stops_in_the_middle_of_the_files(daemon: CannedDaemon) -> None:
    daemon.will_answer("/v1/examples", {"accepted": 1})
    count = produce(
        digits(), to="push", limit=130, examples_per_s=None, partitions=1, client=Client(daemon.address)
    )
    assert (count, len(sent(daemon))) == (130, 130)


def test_an_unknown_destination_is_refused() -> None:
    with pytest.raises(ConfigError, match="--to pigeon: expected kafka or push"):
        produce(digits(), to="pigeon", limit=1, examples_per_s=None, partitions=1, client=Client("here:1"))


def test_a_full_daemon_is_waited_for_and_nothing_is_lost(daemon: CannedDaemon) -> None:
    daemon.will_answer("/v1/examples", {"error": "full"}, {"error": "full"}, status=429, Retry_After="2")
    daemon.will_answer("/v1/examples", {"error": "disk full"}, status=503)
    daemon.will_answer("/v1/examples", {"accepted": 100}, status=202)
    waits: list[float] = []
    messages = read(digits())
    first = [next(messages) for _ in range(100)]
    assert (
        push(
            iter(first),
            client=Client(daemon.address, retries=NO_RETRIES),
            examples_per_s=None,
            sleep=waits.append,
        )
        == 100
    )
    assert waits == [2.0, 2.0, 1.0]
    assert [len(asked.body["examples"]) for asked in daemon.asked] == [100] * 4


def test_a_daemon_that_stays_full_is_given_up(daemon: CannedDaemon) -> None:
    daemon.will_answer("/v1/examples", {"error": "full"}, status=429, Retry_After="100")
    waits: list[float] = []
    with pytest.raises(Refused, match="429: full"):
        push(
            read(digits()),
            client=Client(daemon.address, retries=NO_RETRIES),
            examples_per_s=None,
            sleep=waits.append,
        )
    assert sum(waits) == PATIENCE_S


def test_a_refusal_that_waiting_does_not_mend_is_told_at_once(daemon: CannedDaemon) -> None:
    daemon.will_answer("/v1/examples", {"error": "its source is another"}, status=409)
    with pytest.raises(Refused, match="its source is another"):
        push(
            read(digits()),
            client=Client(daemon.address, retries=NO_RETRIES),
            examples_per_s=None,
            sleep=never,
        )


def never(seconds: float) -> None:
    raise AssertionError(f"slept {seconds} s")


def test_an_example_that_the_daemon_would_reject_is_named_before_it_is_sent(
    daemon: CannedDaemon, tmp_path: Path
) -> None:
    daemon.will_answer("/v1/examples", {"accepted": 1})
    config = lines(tmp_path, {"input": [1.0], "label": 1}, {"input": [1.0]})
    with pytest.raises(InvalidInput, match=r"examples\.jsonl.*no label"):
        push(read(config), client=Client(daemon.address, retries=NO_RETRIES), examples_per_s=None)
    assert daemon.asked == []


def message(number: int) -> Message:
    return Message(b"x", "t", 0, number)


class Clock:
    """Time passes only by sleeping."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.mark.parametrize("rate", [1.0, 25.0, 5000.0])
def test_a_rate_is_kept_from_the_first_chunk_to_the_last(rate: float) -> None:
    clock = Clock()
    seen: list[tuple[float, int]] = []
    for chunk in paced(map(message, range(1000)), examples_per_s=rate, clock=clock, sleep=clock.sleep):
        seen.append((clock.now_s, len(chunk)))
    before = 0
    for at_s, size in seen:
        assert at_s == pytest.approx(before / rate)
        before += size
    assert before == 1000


def test_without_a_rate_nobody_sleeps() -> None:
    chunks = list(paced(map(message, range(250)), examples_per_s=None, sleep=never))
    assert [len(chunk) for chunk in chunks] == [100, 100, 50]


def test_bodies_leave_out_what_an_example_does_not_have() -> None:
    batch, _ = Codec().decode(list(read(digits()))[:1])
    assert [sorted(body) for body in bodies(batch)] == [["input", "label"]]


@pytest.mark.broker
def test_a_topic_that_is_absent_is_made_and_holds_every_example(
    broker: Any, topic: Callable[..., str]
) -> None:
    from kafka import KafkaConsumer, TopicPartition

    name = topic() + "-made"
    where = {"source__kafka__bootstrap_servers": broker.address, "source__kafka__topic": name}
    count = produce(
        digits(**where), to="kafka", limit=250, examples_per_s=None, partitions=2, client=Client("here:1")
    )
    consumer = KafkaConsumer(bootstrap_servers=broker.address)
    ends = consumer.end_offsets([TopicPartition(name, 0), TopicPartition(name, 1)])
    consumer.close()
    assert (count, sum(ends.values())) == (250, 250)
